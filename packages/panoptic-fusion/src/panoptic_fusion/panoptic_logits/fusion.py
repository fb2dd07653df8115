"""Fusion by panoptic logits: UPSNet's inference, Xiong et al., CVPR 2019, arXiv:1901.03784, section 3.

Written from the paper. Its authors' code differs in one detail that is an option here: `inclusive`, a mode of
exactly half of the pixels overrules the instance's class.
"""

import numpy as np
import torch

from panoptic_fusion._channels import VOID, segments_from_channels
from panoptic_fusion._checks import ArrayLike, as_tensor, check_count, check_fraction, check_sem_logits
from panoptic_fusion._instances import read_instances
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.nms import suppress_boxes
from panoptic_fusion.panoptic_logits._planes import Outside, check_options
from panoptic_fusion.panoptic_logits.lean import run_maximum
from panoptic_fusion.panoptic_logits.selection import prune, vote
from panoptic_fusion.segmentation import PanopticSegmentation


@torch.no_grad()
def fuse_by_panoptic_logits(
    masks: BoxMasks | ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    sem_logits: ArrayLike,
    *,
    num_things: int,
    score_threshold: float = 0.6,
    box_nms_threshold: float = 0.5,
    prune_threshold: float = 0.3,
    unknown: bool = True,
    outside: Outside = "zero",
    resolve: bool = True,
    inclusive: bool = False,
    stuff_area_limit: int = 2048,
) -> PanopticSegmentation:
    """Give each pixel to the best of stuff, instances and "unknown".

    1. Instances with ``score > score_threshold``, the best first (equal scores: the lower index first); box
       NMS over all classes; `prune_masks`.
    2. `argmax_panoptic_logits` over stuff, these instances and unknown, at the resolution of `sem_logits`.
       Equal logits: stuff before instances, the better instance before the others, unknown last.
    3. `resolve_classes`: an instance whose pixels are mostly stuff for the semantic head joins that stuff.
    4. Unknown pixels are void; then stuff below `stuff_area_limit` becomes void.

    Never makes the logits of all instances: memory beyond inputs and result is some rows of the image.

    Args:
        masks: ``N`` instance masks, or ``(N, H, W)`` bool. Crops count as mask logits of +20 and -20.
        labels: ``(N,)`` integer thing ids in ``[0, num_things)``.
        scores: ``(N,)`` floats.
        sem_logits: ``(C, H, W)`` floats before the softmax, things first, then stuff.
        num_things: Number of thing classes.
        score_threshold: Any finite number; 0.6 by default.
        box_nms_threshold: IoU in [0, 1]; 0.5 by default; 1 switches the NMS off.
        prune_threshold: Share in [0, 1] of a mask that better ones of its class may cover; 0.3 by default.
        unknown: Let the unknown channel compete.
        outside: What an instance's channel holds outside its box, see `dense_panoptic_logits`.
        resolve: Do step 3; else instances keep their labels (Table 6's row without it).
        inclusive: See `resolve_classes`.
        stuff_area_limit: Pixels >= 0; 2048 by default (Cityscapes; COCO: 4096).

    Returns:
        The map on the device of the inputs. Ids count from 1: things by falling score, then stuff by class.

    Raises:
        ValueError: If counts, shapes, devices, labels, thresholds or options do not fit, or a score or logit
            is NaN or infinite.
        TypeError: If a dtype does not fit.

    Example:
        >>> masks = BoxMasks.from_logits(torch.full((1, 2, 2), 4.0), torch.tensor([[-1.0, -1, 1, 2]]))
        >>> sem_logits = torch.tensor([[[2.0, 3.0, 0.0]], [[1.0, 1.0, 1.0]]])  # one thing class, one stuff
        >>> parts = masks, torch.tensor([0]), torch.tensor([0.9]), sem_logits
        >>> fuse_by_panoptic_logits(*parts, num_things=1, stuff_area_limit=0).id_map.tolist()
        [[1, 0, 2]]
    """
    check_fraction(box_nms_threshold, "box_nms_threshold")
    check_fraction(prune_threshold, "prune_threshold")
    check_count(stuff_area_limit, "stuff_area_limit")
    check_count(num_things, "num_things")
    sem_logits = as_tensor(sem_logits, "sem_logits")
    check_sem_logits(sem_logits, num_things)
    num_classes, height, width = sem_logits.shape
    instances = read_instances(
        masks,
        labels,
        scores,
        size=(height, width),
        device=sem_logits.device,
        num_things=num_things,
        score_threshold=score_threshold,
        beside="sem_logits",
    )
    reader, host_labels = instances.reader, instances.labels
    order = [i for i in instances.order if instances.scores[i] > np.float32(score_threshold)]
    order = suppress_boxes(reader.masks.host_boxes, order, box_nms_threshold, None)
    order = prune(reader, order, host_labels, prune_threshold)
    check_options(num_things, num_classes, len(order), unknown, outside)
    kept_labels = host_labels[order]
    winners, sem_seg = run_maximum(
        sem_logits, reader.masks[order], kept_labels.tolist(), num_things, unknown, outside
    )
    if resolve and order:
        kept_labels = vote(winners, sem_seg, kept_labels, num_things, num_classes, 0.5, inclusive)
    num_stuff = num_classes - num_things
    channel_labels = np.concatenate([np.arange(num_things, num_classes), kept_labels, [VOID]])
    channel_scores = np.concatenate([np.ones(num_stuff), instances.scores[order], [0]])
    return segments_from_channels(
        winners,
        channel_labels.astype(np.int64),
        channel_scores,
        num_things=num_things,
        stuff_area_limit=stuff_area_limit,
    )
