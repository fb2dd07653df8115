"""Panoptic-DeepLab's schedule on Mapillary Vistas, section 4: 150k iterations of 64 crops."""

from mmengine.optim import OptimWrapper, PolyLR
from mmengine.runner import IterBasedTrainLoop, TestLoop, ValLoop
from torch.optim import Adam

train_cfg = dict(type=IterBasedTrainLoop, max_iters=150_000, val_interval=15_000)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=Adam, lr=0.001, weight_decay=0.0),  # section 4; HRNet's leaves have 7.5e-4
)
param_scheduler = [
    # the power: not printed; DeepLab's
    dict(type=PolyLR, power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=150_000),
]
auto_scale_lr = dict(enable=False, base_batch_size=64)  # 8 GPUs with 8 crops each
sync_bn = "torch"  # batch norm is trained (section 4), over the images of all GPUs
