"""OANet's COCO schedule, section 4.2: 100k iterations of 16 images, divided by 10 at 60k and 80k."""

from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper
from mmengine.runner import IterBasedTrainLoop, TestLoop, ValLoop
from torch.optim import SGD

train_cfg = dict(type=IterBasedTrainLoop, max_iters=100_000, val_interval=10_000)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=SGD, lr=0.02, momentum=0.9, weight_decay=1e-4),  # section 4.2
)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.1, by_epoch=False, begin=0, end=2_000),  # 0.002 to 0.02
    dict(type=MultiStepLR, by_epoch=False, begin=0, end=100_000, milestones=[60_000, 80_000], gamma=0.1),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 8 GPUs with 2 images each
