"""Panoptic quality (PQ) of Kirillov et al. (CVPR 2019, arXiv:1801.00868, section 4.1).

Two modes. ``"exact"`` gives the counts of panopticapi (the COCO and Cityscapes evaluation) to the last one,
its oddities included: areas of the ground truth are believed as given, and of several crowd regions of a
class only the last one excuses predictions. ``"default"`` counts the areas and lets every crowd region
excuse. The two agree wherever the given areas are right and no image has two crowd regions of one class.
"""

from torch import Tensor

from panoptic_core.metrics._overlaps import Int32Map
from panoptic_core.metrics.matching import count_matches, match_pairs
from panoptic_core.metrics.pairing import Mode, SegmentTable, pair_maps, segment_table
from panoptic_core.metrics.pq_counts import PQCounts
from panoptic_fusion import PanopticSegmentation


def count_segments(
    pred: PanopticSegmentation,
    target: PanopticSegmentation,
    num_classes: int,
    *,
    mode: Mode = "default",
    image: int | str | None = None,
) -> PQCounts:
    """Match the segments of one image and count.

    Args:
        pred: The prediction.
        target: The ground truth; crowd segments excuse predictions of their class, void excuses all.
        num_classes: ``C``, things and stuff together.
        mode: ``"default"`` counts the target's areas; ``"exact"`` believes ``target.areas``.
        image: The image's id or name, for errors.

    Returns:
        Counts by class; on the host, also for GPU tensors (whose pixels are counted on the GPU).

    Raises:
        ValueError: If the two differ in size, a label is not in ``[0, C)``, or a map holds an id that its
            segmentation does not list; the message names the image.

    Example:
        >>> import torch
        >>> truth = PanopticSegmentation.from_id_map(
        ...     torch.tensor([[1, 1, 1, 2]]), [1, 2], [0, 1], [True, False]
        ... )
        >>> guess = PanopticSegmentation.from_id_map(
        ...     torch.tensor([[5, 5, 7, 7]]), [5, 7], [0, 1], [True, False]
        ... )
        >>> counts = count_segments(guess, truth, num_classes=2)
        >>> counts.tp.tolist(), counts.fp.tolist(), counts.fn.tolist()  # IoU 2/3 matches, 1/2 does not
        ([1, 0], [0, 1], [0, 1])
    """
    return count_maps(
        pred.id_map,
        segment_table(pred),
        target.id_map,
        segment_table(target),
        num_classes,
        mode=mode,
        image=image,
    )


def count_maps(
    pred_map: Int32Map | Tensor,
    pred: SegmentTable,
    target_map: Int32Map | Tensor,
    target: SegmentTable,
    num_classes: int,
    *,
    mode: Mode = "default",
    image: int | str | None = None,
    strict: bool = False,
) -> PQCounts:
    """Do the work of :func:`count_segments` on bare maps ``(H, W)`` int32 and their segment tables.

    The predicted areas are always counted. A listed segment without a pixel does not count, except that
    ``"exact"`` follows panopticapi: it refuses such predictions, and misses such ground truth (FN).

    Args:
        pred_map: The prediction's ids, 0 is void.
        pred: Its segments.
        target_map: The ground truth's ids, 0 is void.
        target: Its segments.
        num_classes: ``C``.
        mode: As :func:`count_segments`.
        image: The image's id or name, for errors.
        strict: Refuse listed segments without a pixel, on both sides: in files they are mistakes.

    Raises:
        ValueError: As :func:`count_segments`.
    """
    pairs = pair_maps(pred_map, pred, target_map, target, num_classes, mode=mode, image=image, strict=strict)
    return count_matches(pairs, match_pairs(pairs), num_classes)
