"""The dense-affinity network's COCO schedule, section 4: 200k iterations of 16 images."""

from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper
from mmengine.runner import IterBasedTrainLoop, TestLoop, ValLoop
from torch.optim import SGD

train_cfg = dict(type=IterBasedTrainLoop, max_iters=200_000, val_interval=10_000)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    # lr: section 4; the rest as [13], arXiv:1901.02446: Mask R-CNN's
    optimizer=dict(type=SGD, lr=0.02, momentum=0.9, weight_decay=1e-4),
    # Ours: decay would pull the affinity's scale to 0, and a learned tau to 1.
    paramwise_cfg=dict(custom_keys={"gamma": dict(decay_mult=0.0), "log_tau": dict(decay_mult=0.0)}),
)
param_scheduler = [
    dict(type=LinearLR, start_factor=1 / 3, by_epoch=False, begin=0, end=500),  # Mask R-CNN's
    # "reduce it by a factor of 10 at 150k and 190k iterations"
    dict(type=MultiStepLR, by_epoch=False, begin=0, end=200_000, milestones=[150_000, 190_000], gamma=0.1),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)  # not printed: [13]'s, 8 GPUs with 2 images each
