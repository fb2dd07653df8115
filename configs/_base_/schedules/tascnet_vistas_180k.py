"""TASCNet's Vistas schedule, section 4.2: 180k iterations of 8 images, divided by 10 at 120k and 160k."""

from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper
from mmengine.runner import IterBasedTrainLoop, TestLoop, ValLoop
from torch.optim import SGD

train_cfg = dict(type=IterBasedTrainLoop, max_iters=180_000, val_interval=20_000)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    # lr and weight decay: section 4.2, "the same settings for Cityscapes"; momentum as Mask R-CNN
    optimizer=dict(type=SGD, lr=0.01, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    dict(
        type=LinearLR, start_factor=1 / 3, by_epoch=False, begin=0, end=500
    ),  # not printed: Detectron's warm-up
    # Section 4.2 says "120000 and 16000": the second is a slip for 160000
    dict(type=MultiStepLR, by_epoch=False, begin=0, end=180_000, milestones=[120_000, 160_000], gamma=0.1),
]
auto_scale_lr = dict(enable=False, base_batch_size=8)  # 8 GPUs with 1 image each
