"""What our MMEngine metrics share: one record an image, and each image counted exactly once across ranks.

The distributed sampler pads an odd-sized set by repeating images. MMEngine cuts the padding off by position,
which is right only for its own sampler's order. Here records carry their image's identity.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dist import broadcast_object_list, collect_results, get_world_size, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from panoptic_core.categories import CategoryTable


class PerImageMetric(BaseMetric):
    """A metric whose results are one small record an image.

    Subclasses make the record of one image (:meth:`measure`) and the values of the set (:meth:`summarize`).
    The records reach :meth:`summarize` sorted by image, so the number of processes cannot change a sum.

    Args:
        collect_device: ``"cpu"`` (through files that all processes see) or ``"gpu"``.
        prefix: Put in front of the values' names; by default the metric's own.
        collect_dir: Where the files go, for ``"cpu"``.
    """

    def __init__(
        self, collect_device: str = "cpu", prefix: str | None = None, collect_dir: str | None = None
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)

    @abstractmethod
    def measure(self, sample: Mapping[str, Any]) -> Any:
        """Return the record of one image.

        Args:
            sample: The model's ``DetDataSample`` as a dictionary.
        """

    @abstractmethod
    def summarize(self, records: Sequence[Any]) -> dict[str, Any]:
        """Return the values of all images; runs in the main process only."""

    @property
    def table(self) -> CategoryTable:
        """The data set's classes."""
        return CategoryTable.from_metainfo(self.dataset_meta or {})

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Measure one batch."""
        for sample in data_samples:
            self.results.append((image_key(sample), self.measure(sample)))

    def compute_metrics(self, results: Sequence[tuple[tuple[str, str], Any]]) -> dict[str, Any]:
        """Return the values of records that may hold an image twice."""
        once = dict(reversed(results))
        return self.summarize([once[key] for key in sorted(once)])

    def evaluate(self, size: int) -> dict[str, Any]:
        """Collect the records of all processes and return the values in each of them.

        Args:
            size: Images of the set.
        """
        # One list a process: single results would be interleaved and cut, right for one sampler only.
        parts = collect_results(
            [self.results], get_world_size(), self.collect_device, tmpdir=self.collect_dir
        )
        values: list[Any] = [None]
        if is_main_process():
            results = [result for part in parts for result in part]
            found = len({key for key, _ in results})
            if found != size:
                print_log(
                    f"{type(self).__name__} has seen {found} different images of a set of {size}. Each image "
                    "needs its own `img_id` or path.",
                    logger="current",
                    level=logging.WARNING,
                )
            metrics = self.compute_metrics(results)
            values = [{f"{self.prefix}/{name}" if self.prefix else name: metrics[name] for name in metrics}]
        broadcast_object_list(values)
        self.results.clear()
        return dict(values[0])


def image_key(sample: Mapping[str, Any]) -> tuple[str, str]:
    """Return what tells an image from all others: its id and path.

    Raises:
        KeyError: If the sample has neither.
    """
    if sample.get("img_id") is None and sample.get("img_path") is None:
        msg = (
            "Expected each sample to have `img_id` or `img_path`. Name them in the meta_keys of the packing."
        )
        raise KeyError(msg)
    return str(sample.get("img_id")), str(sample.get("img_path"))


def require(sample: Mapping[str, Any], key: str, cure: str) -> Any:
    """Return a part of a sample.

    Raises:
        KeyError: If it is not there; the message names the image and the cure.
    """
    value = sample.get(key)
    if value is None:
        msg = f"Expected `{key}` in the sample of image {sample.get('img_id')!r}, but it has none. {cure}"
        raise KeyError(msg)
    return value
