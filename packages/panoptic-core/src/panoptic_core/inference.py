"""Load a trained model and predict single images.

The architecture comes from the config file, which is a program that you trust; from the checkpoint come
weights, class names and colours, as plain data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmengine.runner.checkpoint import CheckpointLoader
from numpy.typing import NDArray
from torch import nn

from panoptic_core.categories import CategoryTable
from panoptic_core.engine import load_config
from panoptic_core.engine.checkpoint import (
    CheckpointError,
    as_checkpoint,
    categories_of,
    match_weights,
    state_dict_of,
)
from panoptic_fusion import PanopticSegmentation, RawOutputs


@dataclass(frozen=True)
class PanopticModel:
    """A model ready to predict.

    Attributes:
        network: The detector in evaluation mode.
        table: Class names, colours and ids, from the checkpoint.
        pipeline: The config's test pipeline without ground truth.
    """

    network: nn.Module
    table: CategoryTable
    pipeline: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Prediction:
    """What a model says about one image.

    Attributes:
        segmentation: The panoptic map at the image's size, on the CPU.
        sample: All of the model's outputs: instances, semantic map, whatever it has.
        raw: What the network said before fusion; None: it was not asked for.
    """

    segmentation: PanopticSegmentation
    sample: Any
    raw: RawOutputs | None = None


def load_model(
    config: str | Path | Config, checkpoint: str | Path, device: str | torch.device | None = None
) -> PanopticModel:
    """Build the model of a config and load its weights. Nothing that is in the checkpoint is run.

    Args:
        config: The config file that the checkpoint was trained with.
        checkpoint: A file, an address, or a folder of checkpoints (the newest whole one).
        device: Where to predict; by default a GPU if there is one.

    Raises:
        CheckpointError: If the checkpoint is unsafe, broken, does not fit the model, **or** if no class names
            are known.
    """
    cfg = config if isinstance(config, Config) else load_config(config)
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmengine"):
        described = dict(cfg.model)
        if "data_preprocessor" not in described and cfg.get("data_preprocessor"):
            described["data_preprocessor"] = cfg.data_preprocessor
        network: nn.Module = MODELS.build(described)
        pipeline = Compose(_test_transforms(cfg))
        loaded = CheckpointLoader.load_checkpoint(as_checkpoint(checkpoint), "cpu", "silent")
        weights = state_dict_of(loaded)
        match = match_weights(network, weights)
        if not match.is_complete:
            msg = f"The weights in `{checkpoint}` do not fit the model of the config.\n{match.describe()}"
            raise CheckpointError(msg)
        network.load_state_dict({name: weights[name] for name in match.matched}, strict=False)
        table = categories_of(loaded, str(checkpoint)) or _table_of_config(cfg, str(checkpoint))
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return PanopticModel(network.to(where).eval(), table, pipeline)


@torch.no_grad()
def predict(
    model: PanopticModel, image: str | Path | NDArray[np.uint8], *, keep_raw: bool = False
) -> Prediction:
    """Predict one image.

    Args:
        model: From :func:`load_model`.
        image: A file, or ``(H, W, 3)`` uint8 RGB.
        keep_raw: Return what the network said before fusion, too, where the model lets others see it
            (``raw_transforms``).

    Raises:
        ValueError: If the array has another shape or type.
    """
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            msg = f"Expected `image` to be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}."
            raise ValueError(msg)
        results: dict[str, Any] = {
            "img": np.ascontiguousarray(image[..., ::-1]),
            "img_path": None,
            "img_id": 0,
        }
    else:
        results = {"img_path": str(image), "file_name": Path(image).name, "img_id": Path(image).stem}
    batch = pseudo_collate([model.pipeline(results)])
    with _listening(model.network, active=keep_raw) as heard:
        (sample,) = model.network.test_step(batch)  # type: ignore[operator]
    return Prediction(sample.pred_panoptic.cpu(), sample, heard[0] if heard else None)


@contextmanager
def _listening(network: Any, *, active: bool) -> Iterator[list[RawOutputs]]:
    """Yield a list that fills with the raw outputs that a detector fuses meanwhile."""
    heard: list[RawOutputs] = []

    def listen(raw: RawOutputs, sample: Any) -> RawOutputs:
        heard.append(raw)
        return raw

    transforms = getattr(network, "raw_transforms", None)
    if not active or not isinstance(transforms, list):
        yield heard
        return
    transforms.append(listen)
    try:
        yield heard
    finally:
        transforms.remove(listen)


def _test_transforms(cfg: Config) -> list[Any]:
    """Return the transforms of the test pipeline: images from files or memory, no ground truth."""
    loader = cfg.get("test_dataloader") or cfg.get("val_dataloader") or {}
    dataset = loader.get("dataset") or {}
    while "pipeline" not in dataset and "dataset" in dataset:  # wrappers
        dataset = dataset["dataset"]
    transforms = []
    for transform in dataset.get("pipeline") or ():
        kind = transform["type"]
        name = (kind if isinstance(kind, str) else kind.__name__).rpartition(".")[2]
        if name == "LoadImageFromFile":
            transforms.append(_LoadImage(transform))
        elif name == "LoadReducedImage" or not name.startswith("Load"):  # LoadPanoptic, LoadAnnotations, ...
            transforms.append(transform)
    if not transforms:
        msg = "Expected the config to have a test pipeline (`test_dataloader.dataset.pipeline`), got none."
        raise ValueError(msg)
    return transforms


class _LoadImage:
    """Load an image from its file by the pipeline's own transform, or take it from memory."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        self.from_file = Compose([dict(described)])

    def __call__(self, results: dict[str, Any]) -> Any:
        if "img" not in results:
            return self.from_file(results)
        results["img_shape"] = results["ori_shape"] = results["img"].shape[:2]
        return results


def _table_of_config(cfg: Config, checkpoint: str) -> CategoryTable:
    """Return the table of the test set, for weights that carry no class names."""
    loader = cfg.get("test_dataloader") or cfg.get("val_dataloader") or {}
    dataset = dict(loader.get("dataset") or {})
    try:
        metainfo = DATASETS.build({**dataset, "pipeline": [], "lazy_init": True}).metainfo
        return CategoryTable.from_metainfo(metainfo)
    except Exception as error:
        msg = (
            f"`{checkpoint}` carries no class names, and the config's data set cannot tell them: {error} "
            "Use a checkpoint that this project's training has written."
        )
        raise CheckpointError(msg) from error
