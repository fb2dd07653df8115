"""From the outputs of a box-based network, at its own sizes, to those of the result."""

from typing import Any

from mmengine.structures import InstanceData
from torch import Tensor

from panoptic_fusion import BoxMasks, RawOutputs
from panoptic_heads.common.resize import Sizes, resize_logits, resize_winner
from panoptic_heads.common.structures import NetworkOutput


def network_output(
    head: Any,
    image_size: tuple[int, int],
    for_ap: InstanceData,
    for_fusion: InstanceData,
    sem_logits: Tensor,
    sizes: Sizes,
    *,
    keep_logits: bool,
    stuff_everywhere: bool,
) -> NetworkOutput:
    """Bring one image's detections and semantic map to the resolution of the result.

    Args:
        head: The semantic head, which knows what its channels mean.
        image_size: ``(H, W)`` of the image that the boxes are in, without padding.
        for_ap: Detections for average precision: ``bboxes``, ``labels``, ``scores``, perhaps ``mask_logits``.
        for_fusion: Detections for the fusion.
        sem_logits: ``(C, h, w)``, the head's own map, padding included.
        sizes: From that map to the result.
        keep_logits: Keep the logits of every pixel, not only their winner.
        stuff_everywhere: The fusion's semantic map has the best stuff class in every pixel, under things too.
    """
    size = sizes.output
    factors = (size[1] / image_size[1], size[0] / image_size[0])
    raw = RawOutputs(
        size=size,
        num_things=head.num_things_classes,
        num_classes=head.num_things_classes + head.num_stuff_classes,
        masks=_box_masks(for_fusion, factors),
        labels=for_fusion.labels,
        scores=for_fusion.scores,
    )
    if keep_logits:
        raw.sem_logits = resize_logits(sem_logits.float(), sizes)
        winner = raw.sem_logits.argmax(dim=0)
    else:
        winner = resize_winner(sem_logits.float(), sizes)
    raw.sem_seg = head.channel_labels().to(winner.device)[winner]
    every_class = None
    if stuff_everywhere:
        every_class = raw.sem_seg
        raw.sem_seg = raw.num_things + resize_winner(sem_logits[head.num_thing_channels :].float(), sizes)
    masks = _box_masks(for_ap, factors)
    instances = InstanceData(bboxes=masks.boxes, scores=for_ap.scores, labels=for_ap.labels)
    if masks.has_masks:
        instances.masks = masks
    return NetworkOutput(raw, instances, every_class)


def _box_masks(detections: InstanceData, factors: tuple[float, float]) -> BoxMasks:
    """Return masks, or boxes alone, in pixels of the result."""
    if "mask_logits" not in detections:
        return BoxMasks.from_boxes(detections.bboxes).rescale(*factors)
    return BoxMasks.from_logits(detections.mask_logits, detections.bboxes).rescale(*factors)
