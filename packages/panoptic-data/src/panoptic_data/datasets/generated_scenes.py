"""Generated street scenes as a data set: made at first use, then read from a cache."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from panoptic_data.datasets.coco_panoptic import CocoPanoptic
from panoptic_data.generator import GENERATED_SCENES, SceneSettings, ensure_scenes
from panoptic_data.registry import DATASETS


@DATASETS.register_module()
class GeneratedScenes(CocoPanoptic):
    """Street-like scenes that the generator draws; nothing to download.

    The files are COCO-panoptic with overlapping instance masks, so all that follows is the real pipeline.
    They are made once for each (generator version, number, size, seed, settings); two ranks may ask at once.

    Args:
        num_images: How many scenes.
        size: One number, ``"HxW"`` or ``(height, width)``.
        seed: Use different ones for training and validation.
        cache_dir: Where the scenes are kept; None is ``$PANOPTIC_DATA_CACHE``, or ``~/.cache/panoptic-data``.
        settings: Fields of :class:`~panoptic_data.generator.SceneSettings` that differ from the defaults.
        data_root: Not used, for tools that set the root of every data set.
        kwargs: See :class:`~panoptic_data.datasets.PanopticDataset`.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        num_images: int,
        size: int | str | tuple[int, int],
        seed: int = 0,
        cache_dir: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
        data_root: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.num_images = num_images
        self.size = size
        self.seed = seed
        self.cache_dir = cache_dir
        self.settings = SceneSettings(**(settings or {}))
        super().__init__(
            data_root="",
            ann_file="panoptic.json",
            instances_file="instances.json",
            require_instances=True,
            table=GENERATED_SCENES,
            **kwargs,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Make the scenes if the cache lacks them, then read them as any COCO-panoptic set."""
        root = ensure_scenes(
            self.num_images,
            self.size,
            self.seed,
            self.cache_dir,
            settings=self.settings,
            progress=self._report,
        )
        self.data_root = str(root)
        self.ann_file = str(root / "panoptic.json")
        self.instances_file = str(root / "instances.json")
        self.data_prefix = {"img": str(root / "images"), "seg": str(root / "panoptic")}
        return super().load_data_list()

    def _report(self, done: int) -> None:
        if done == self.num_images or done % max(1, self.num_images // 5) == 0:
            print_log(f"Generating scenes: {done} of {self.num_images}", logger="current", level=logging.INFO)
