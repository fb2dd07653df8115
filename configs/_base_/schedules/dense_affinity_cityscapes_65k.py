"""The dense-affinity network's Cityscapes schedule, section B: 65k iterations of 32 crops."""

from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper
from mmengine.runner import IterBasedTrainLoop, TestLoop, ValLoop
from torch.optim import SGD

train_cfg = dict(type=IterBasedTrainLoop, max_iters=65_000, val_interval=5_000)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    # lr and weight decay: section B; momentum as Mask R-CNN
    optimizer=dict(type=SGD, lr=0.01, momentum=0.9, weight_decay=1e-4),
    # Ours: decay would pull the affinity's scale to 0, and a learned tau to 1.
    paramwise_cfg=dict(custom_keys={"gamma": dict(decay_mult=0.0), "log_tau": dict(decay_mult=0.0)}),
)
param_scheduler = [
    # "linearly increasing the learning rate from a third of the base rate to the full rate in 500 iterations"
    dict(type=LinearLR, start_factor=1 / 3, by_epoch=False, begin=0, end=500),
    # "by 10 folds after the first 40k iterations, and once more after another 15k"
    dict(type=MultiStepLR, by_epoch=False, begin=0, end=65_000, milestones=[40_000, 55_000], gamma=0.1),
]
auto_scale_lr = dict(enable=False, base_batch_size=32)  # 4 GPUs with 8 crops each
