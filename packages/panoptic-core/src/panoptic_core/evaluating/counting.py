"""What one image's files are counted for: segments, stuff before and after trimming, the semantic map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.files import ImageAnnotation, PanopticFileError, read_panoptic_png
from panoptic_core.fusing.saved import ImageFiles
from panoptic_core.fusing.semantic import LabelReader
from panoptic_core.metrics import (
    ExtendedCounts,
    PQCounts,
    SegmentTable,
    StuffCounts,
    confusion_matrix,
    count_maps,
)
from panoptic_core.metrics.extended import count_pairs
from panoptic_core.metrics.matching import count_matches, match_pairs
from panoptic_core.metrics.pairing import Mode, pair_maps, segment_table
from panoptic_core.metrics.stuff_quality import count_classes
from panoptic_fusion import PanopticSegmentation, drop_small_stuff

_MOST_PIXELS = 2**53  # floats count up to here


class ImageCounts(NamedTuple):
    """The counts of one image.

    ``pq`` of the segments; ``stuff`` before and after trimming; ``semantic``, the confusion matrix
    ``(C, C + 1)`` of the semantic map; ``extended``, of the further measures. What was not asked for is None.
    """

    pq: PQCounts
    stuff: tuple[StuffCounts, StuffCounts] | None
    semantic: NDArray[np.int64] | None
    extended: ExtendedCounts | None


@dataclass(frozen=True)
class ImageCounter:
    """Reads and counts one image at a time.

    Attributes:
        table: The classes.
        gt_folder: The ground truth's PNGs.
        pred_folder: The predictions' PNGs.
        mode: ``"default"`` or ``"exact"``.
        stuff_limit: Count the stuff before and after stuff with fewer pixels is void.
        stuff_regions: Judge each connected region of stuff by itself.
        labels: The label PNGs of the semantic maps.
        measures: Names of :data:`panoptic_core.metrics.MEASURES`.
    """

    table: CategoryTable
    gt_folder: Path
    pred_folder: Path
    mode: Mode = "default"
    stuff_limit: int | None = None
    stuff_regions: bool = False
    labels: ImageFiles | None = None
    measures: tuple[str, ...] = ()

    def count(self, truth: ImageAnnotation, found: ImageAnnotation) -> ImageCounts:
        """Count one image.

        Raises:
            FileNotFoundError: If a file is missing.
            PanopticFileError: If a file is broken, or PNG and JSON do not fit together; it is named.
        """
        gt_path, pred_path = self.gt_folder / truth["file_name"], self.pred_folder / found["file_name"]
        target = _segments(truth["segments_info"], self.table, gt_path, needs_area=self.mode == "exact")
        pred = _segments(found["segments_info"], self.table, pred_path, needs_area=False)
        maps = read_panoptic_png(pred_path), read_panoptic_png(gt_path)
        classes, stuff, semantic, extended = len(self.table), None, None, None
        try:
            pairs = pair_maps(maps[0], pred, maps[1], target, classes, mode=self.mode, strict=True)
            found_pairs = match_pairs(pairs)
            pq = count_matches(pairs, found_pairs, classes)
            if self.measures:
                extended = count_pairs(pairs, found_pairs, *maps, self.table.is_thing, self.measures)
            if self.stuff_limit is not None:
                before, truth_seg = self._segmentation(maps[0], pred), self._segmentation(maps[1], target)
                after = drop_small_stuff(before, self.stuff_limit, connected=self.stuff_regions)
                pq_after = count_maps(
                    after.id_map, segment_table(after), maps[1], target, classes, mode=self.mode
                )
                stuff = (
                    StuffCounts.from_parts(pq, count_classes(before, truth_seg, classes)),
                    StuffCounts.from_parts(pq_after, count_classes(after, truth_seg, classes)),
                )
        except ValueError as error:
            msg = f"Image {truth['image_id']!r}, {pred_path} against {gt_path}: {error}"
            raise PanopticFileError(msg) from error
        if self.labels is not None:
            reader = LabelReader(self.table)
            labels = reader.read(self.labels.by_image_id[truth["image_id"]], maps[1].shape)
            true_labels = self._segmentation(maps[1], target).label_map(reader.void)
            semantic = confusion_matrix(labels, true_labels, classes, ignore_index=reader.void)
        return ImageCounts(pq, stuff, semantic, extended)

    def _segmentation(self, ids: NDArray[np.int32], segments: SegmentTable) -> PanopticSegmentation:
        is_thing = segments.labels < self.table.num_things
        return PanopticSegmentation.from_id_map(ids, segments.ids, segments.labels, is_thing)


def _segments(
    segments_info: Sequence[Mapping[str, Any]], table: CategoryTable, path: Path, *, needs_area: bool
) -> SegmentTable:
    labels = table.labels
    areas = [info.get("area", 0) for info in segments_info]
    if needs_area:
        for info in segments_info:
            area = info.get("area")
            if isinstance(area, bool) or not (
                isinstance(area, int | float) and abs(area) < _MOST_PIXELS  # which NaN is not
            ):
                msg = (
                    f"{path}, segment {info['id']}: expected `area` to be a number, got {area!r}. "
                    "The exact mode believes the areas of the JSON; the default mode counts them."
                )
                raise PanopticFileError(msg)
    return SegmentTable(
        np.array([info["id"] for info in segments_info], dtype=np.int64),
        np.array([labels[info["category_id"]] for info in segments_info], dtype=np.int64),
        np.array([info.get("iscrowd", 0) for info in segments_info], dtype=bool),
        np.array(areas) if needs_area else np.zeros(len(areas), dtype=np.int64),
    )
