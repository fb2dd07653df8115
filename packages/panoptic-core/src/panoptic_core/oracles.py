"""Oracles: parts of a prediction are replaced by the ground truth, to see where the rest loses its points.

UPSNet's Table 6 has three (Xiong et al., CVPR 2019, arXiv:1901.03784): ground-truth boxes, these with their
classes, and ground-truth semantics. They act on :class:`panoptic_fusion.RawOutputs`, between the network and
its fusion, so that any model can use them; true boxes the model has to read itself
(:class:`ReadsTrueBoxes`), for masks are made in boxes.

The truth is the panoptic annotation, ``gt_panoptic`` of the sample. Crowds are no instances. Where it is void
the network keeps its word.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from panoptic_core._boxes import box_iou
from panoptic_core.errors import CommandError
from panoptic_fusion import PanopticSegmentation, RawOutputs, segment_boxes

ORACLES = ("boxes", "classes", "semantics")
"""The parts that can be the ground truth's."""

VOID = 255
MARGIN = 100.0
"""By how much a pixel's true class outdoes all others in logits: more than any mask logit of a network."""

_MIN_IOU = 0.5
_CURE = "Put LoadPanoptic before the packing transform of the test pipeline."
_Transform = Callable[[RawOutputs, Any], RawOutputs]


class OracleError(CommandError, ValueError):
    """A model cannot be tested with an oracle. The message says why."""


@runtime_checkable
class ReadsTrueBoxes(Protocol):
    """A model that predicts masks in the ground truth's boxes."""

    def use_true_boxes(self, *, with_classes: bool) -> None:
        """Take boxes from :func:`true_instances` of each sample from now on.

        Args:
            with_classes: Also take the true classes, with score 1. Else the network classifies the boxes.

        Raises:
            OracleError: If the model, as it is set up, cannot do so.
        """
        ...


def parse_oracles(text: str) -> tuple[str, ...]:
    """Read what was typed: parts joined by ``+``.

    Raises:
        ValueError: If a part is unknown, repeated or missing.

    Example:
        >>> parse_oracles("classes+boxes")
        ('boxes', 'classes')
    """
    names = text.split("+")
    if not set(names) <= set(ORACLES) or len(set(names)) < len(names):
        msg = f"Expected oracles to be some of {', '.join(ORACLES)} joined by `+`, got {text!r}."
        raise ValueError(msg)
    return tuple(name for name in ORACLES if name in names)


def apply_oracles(model: Any, names: Iterable[str]) -> None:
    """Make a model predict with parts of the ground truth, for good: use it for this test only.

    Args:
        model: With ``raw_transforms``, functions of raw outputs and sample that it calls before fusion; for
            ``"boxes"`` also :class:`ReadsTrueBoxes`.
        names: Some of :data:`ORACLES`. ``"boxes"``: masks and classes are predicted in the true boxes.
            ``"classes"``: with boxes each has its true class, without them :func:`true_classes`.
            ``"semantics"``: :func:`true_semantics`.

    Raises:
        ValueError: If a name is unknown.
        OracleError: If the model cannot use an oracle.
    """
    chosen = parse_oracles("+".join(names))
    kind = type(model).__name__
    transforms: list[_Transform] = []
    if "classes" in chosen and "boxes" not in chosen:
        transforms.append(true_classes)
    if "semantics" in chosen:
        transforms.append(true_semantics)
    if transforms and not isinstance(getattr(model, "raw_transforms", None), list):
        msg = f"Expected a model with `raw_transforms` for oracles, got {kind}. It has no raw outputs."
        raise OracleError(msg)
    if "boxes" in chosen:
        if not isinstance(model, ReadsTrueBoxes):
            msg = f"Expected a model that predicts in given boxes (`use_true_boxes`), got {kind}."
            raise OracleError(msg)
        model.use_true_boxes(with_classes="classes" in chosen)
    if transforms:
        model.raw_transforms[:0] = transforms


def true_instances(segmentation: PanopticSegmentation) -> tuple[Tensor, Tensor]:
    """Return the boxes and classes of the instances; a crowd is none.

    Args:
        segmentation: The ground truth of an image.

    Returns:
        ``(N, 4)`` float32 xyxy, half-open and tight, in pixels of the map, and ``(N,)`` int64 thing ids.
    """
    instances = segmentation.is_thing & ~segmentation.iscrowd & (segmentation.areas > 0)
    return segment_boxes(segmentation)[instances].float(), segmentation.labels[instances]


def true_classes(raw: RawOutputs, sample: Any) -> RawOutputs:
    """Give each detection the class of the true instance whose box it meets best, at an IoU of 0.5 or more.

    Scores stay, and so do masks: where a mask head has a channel for each class, the mask is that of the
    class that the network believed in.

    Args:
        raw: With ``masks`` and ``labels``.
        sample: With ``gt_panoptic`` of the same size.

    Raises:
        OracleError: If something is missing or sizes differ.
    """
    truth = _truth(raw, sample)
    if raw.masks is None or raw.labels is None:
        msg = "Expected raw outputs with `masks` and `labels` for the oracle `classes`, got none of them."
        raise OracleError(msg)
    boxes, classes = true_instances(truth)
    if not len(boxes) or not len(raw.labels):
        return raw
    iou, best = box_iou(raw.masks.boxes, boxes).max(dim=1)
    return replace(raw, labels=torch.where(iou >= _MIN_IOU, classes[best], raw.labels))


def true_semantics(raw: RawOutputs, sample: Any) -> RawOutputs:
    """Let the semantic map say the truth.

    Of logits the true channel rises :data:`MARGIN` above the pixel's best; the others keep their order. A
    crowd has its class. In a head that knows all things as one, that channel rises for every thing. Logits on
    a grid of their own (``affinity``) rise to the truth at the centre of each cell.

    Args:
        raw: With ``sem_seg``, ``sem_logits`` or ``affinity``.
        sample: With ``gt_panoptic`` of the same size.

    Raises:
        OracleError: If something is missing or sizes differ.
    """
    labels = _truth(raw, sample).label_map(VOID)
    label_map, logits, maps = raw.sem_seg, raw.sem_logits, raw.affinity
    if label_map is None and logits is None and maps is None:
        msg = "Expected raw outputs with `sem_seg` or `sem_logits` for the oracle `semantics`, got neither."
        raise OracleError(msg)
    if label_map is not None:
        label_map = torch.where(labels == VOID, label_map.long(), labels)
    if logits is not None:
        logits = _raise_truth(logits, labels, raw)
    if maps is not None:
        risen = _raise_truth(maps.sem_logits, maps.at_centers(labels, VOID), raw)
        maps = replace(maps, sem_logits=risen)
    return replace(raw, sem_seg=label_map, sem_logits=logits, affinity=maps)


def _raise_truth(logits: Tensor, labels: Tensor, raw: RawOutputs) -> Tensor:
    collapsed = raw.num_classes - logits.shape[0]  # thing channels that a head has less than classes
    channel = (labels - collapsed).clamp(min=0) if collapsed else labels
    channel = channel.masked_fill(labels == VOID, 0)[None]  # (1, H, W)
    risen = logits.amax(dim=0, keepdim=True) + MARGIN
    risen = torch.where(labels == VOID, logits.gather(0, channel), risen)
    return logits.scatter(0, channel, risen)


def _truth(raw: RawOutputs, sample: Any) -> PanopticSegmentation:
    truth = sample.get("gt_panoptic")
    if truth is None:
        msg = f"Expected samples with `gt_panoptic` for oracles, got none. {_CURE}"
        raise OracleError(msg)
    if truth.shape != raw.size:
        msg = (
            f"Expected `gt_panoptic` to be of the predictions' size {raw.size}, got {truth.shape}. Predict "
            "at the image's own resolution, and put LoadPanoptic after Resize in the test pipeline."
        )
        raise OracleError(msg)
    moved: PanopticSegmentation = truth.to(raw.device)
    return moved
