"""What the small dense-affinity network does otherwise than dense_affinity.py, after small.py. Ours."""

dense_affinity_small = dict(
    semantic_head=dict(num_convs=1),  # half the time
    # Variant C, as on COCO: things are still taken for stuff (section A.3). 7: of the generator's scenes
    potential=dict(num_things=7, form="sum"),
    affinity_head=dict(in_channels=64, feat_channels=64, num_convs=1, num_groups=16, channels=64),
    panoptic_loss=dict(loss_weight=0.25),  # beside a detection loss of 1; with 1 boxes are learnt too late
    # half of the smallest stuff segment that the scenes label (Cityscapes: 2048)
    panoptic_fusion_head=dict(form="sum", stuff_area_limit=256),
)
