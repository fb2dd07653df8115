"""UPSNet's Cityscapes schedule, section 4: 12k iterations of 16 images, divided by 10 at 9k."""

from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper
from mmengine.runner import IterBasedTrainLoop, TestLoop, ValLoop
from torch.optim import SGD

train_cfg = dict(type=IterBasedTrainLoop, max_iters=12_000, val_interval=3_000)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    # lr and weight decay: section 4; momentum as Mask R-CNN
    optimizer=dict(type=SGD, lr=0.02, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    # section 6.1: "a 1500-iteration warm-up phase where the learning rate gradually increases from 0.002"
    dict(type=LinearLR, start_factor=0.1, by_epoch=False, begin=0, end=1_500),
    dict(type=MultiStepLR, by_epoch=False, begin=0, end=12_000, milestones=[9_000], gamma=0.1),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 16 GPUs with 1 image each (section 3.2)
