"""The PSPNet of UPSNet's two-network baseline: 'poly', 220k iterations of 16 images on COCO (section 4)."""

from mmengine.optim import OptimWrapper, PolyLR
from mmengine.runner import IterBasedTrainLoop, TestLoop, ValLoop
from torch.optim import SGD

train_cfg = dict(type=IterBasedTrainLoop, max_iters=220_000, val_interval=20_000)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    # not printed: PSPNet's (section 5.1)
    optimizer=dict(type=SGD, lr=0.01, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    # the power: PSPNet's (section 5.1)
    dict(type=PolyLR, power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=220_000),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 8 GPUs with 2 images each
sync_bn = "torch"  # batch norm is trained, over the images of all GPUs (PSPNet, section 5.1)
