"""What an evaluation of files returns: the whole set, and each image by itself."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics import (
    ExtendedResult,
    IoUResult,
    PQCounts,
    PQResult,
    ThingStuffConfusion,
    TrimmingResult,
)


@dataclass(frozen=True)
class ImageScore:
    """How one image fares by itself.

    Attributes:
        image_id: As in the JSON.
        image_file: The image's file name of the ground truth's ``images``; None where it is not listed.
        gt_file: The PNG of the ground truth, below its folder.
        pred_file: The PNG of the prediction, below its folder.
        pq: PQ of this image alone, percent: the mean over the classes that occur in it; NaN if none does.
        iou: Summed IoU of the matched pairs of all classes.
        tp: Matched pairs.
        fp: Predictions without a match.
        fn: Ground truth without a match.
        misses: How many of `fn` are of each kind; None if errors were not asked for.
        falses: How many of `fp` are of each kind; None if errors were not asked for.
    """

    image_id: int | str
    image_file: str | None
    gt_file: str
    pred_file: str
    pq: float
    iou: float
    tp: int
    fp: int
    fn: int
    misses: Mapping[str, int] | None = None
    falses: Mapping[str, int] | None = None


@dataclass(frozen=True)
class FolderResult:
    """PQ of a set of files.

    Attributes:
        result: PQ of all, things, stuff and each class.
        counts: What it was made from.
        table: The classes, from the ground truth's JSON.
        num_images: Evaluated images.
        num_ignored: Predictions of images that the ground truth does not have.
        images: Each image by itself, in the order of the ground truth.
        trimming: The stuff before and after trimming, if asked for.
        semantic: IoU of the semantic maps, if there are any.
        things_and_stuff: How often the semantic maps take things for stuff and stuff for things.
        extended: The measures beside PQ that were asked for.
    """

    result: PQResult
    counts: PQCounts
    table: CategoryTable
    num_images: int
    num_ignored: int
    images: tuple[ImageScore, ...] = ()
    trimming: TrimmingResult | None = None
    semantic: IoUResult | None = None
    things_and_stuff: ThingStuffConfusion | None = None
    extended: ExtendedResult | None = None


def image_pq(counts: PQCounts) -> float:
    """Return PQ of one image's counts, percent: the mean over the classes that occur; NaN if none does."""
    parts = counts.tp + 0.5 * counts.fp + 0.5 * counts.fn
    occurs = parts.nonzero()[0]
    if not occurs.size:
        return float("nan")
    return float(100 * np.mean(counts.iou[occurs] / parts[occurs]))
