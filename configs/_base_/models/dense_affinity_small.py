"""What the small dense-affinity network does otherwise than dense_affinity.py, over small.py.

Every number here is ours, chosen by trying.
"""

from panoptic_heads.dense_affinity import LovaszHingeMaskLoss

num_things = 7  # of the generator's scenes

small_dense_affinity = dict(
    # From random weights the box head needs the whole of its loss.
    rpn_head=dict(loss_cls=dict(loss_weight=1.0), loss_bbox=dict(loss_weight=1.0)),
    roi_head=dict(bbox_head=dict(loss_cls=dict(loss_weight=1.0), loss_bbox=dict(loss_weight=1.0))),
    semantic_head=dict(num_convs=1, num_groups=16),  # one layer is half the time
    potential=dict(num_things=num_things),
)

small_hinge = dict(type=LovaszHingeMaskLoss, loss_weight=1.0)

small_affinity = dict(
    affinity_head=dict(in_channels=64, feat_channels=64, num_convs=1, num_groups=16, channels=64)
)

small_argmax = dict(
    # half of the smallest stuff segment that the scenes label (Cityscapes: 2048)
    panoptic_fusion_head=dict(stuff_area_limit=256)
)
