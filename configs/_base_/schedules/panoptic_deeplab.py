"""Panoptic-DeepLab's schedule, section 4: 'poly', Adam without weight decay; 60k iterations on Cityscapes."""

from mmengine.optim import OptimWrapper, PolyLR
from mmengine.runner import IterBasedTrainLoop, TestLoop, ValLoop
from torch.optim import Adam

train_cfg = dict(type=IterBasedTrainLoop, max_iters=60_000, val_interval=5_000)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=Adam, lr=0.001, weight_decay=0.0),  # section 4
)
param_scheduler = [
    # the power: not printed; DeepLab's
    dict(type=PolyLR, power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=60_000),
]
auto_scale_lr = dict(enable=False, base_batch_size=32)  # 8 GPUs with 4 images each
sync_bn = "torch"  # batch norm is trained (section 4), over the images of all GPUs
