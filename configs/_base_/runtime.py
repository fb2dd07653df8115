"""What every run has: timing, log lines, checkpoints that survive a kill, pictures of predictions."""

from mmengine.hooks import DistSamplerSeedHook, IterTimerHook, LoggerHook, ParamSchedulerHook

from panoptic_core.engine.hooks import AtomicCheckpointHook, PredictionPicturesHook, ProgressHook
from panoptic_core.engine.log_processor import ReadableLogProcessor

default_scope = None  # classes are imported, nothing is looked up by name
default_hooks = dict(
    timer=dict(type=IterTimerHook),
    logger=dict(type=LoggerHook, interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type=ParamSchedulerHook),
    checkpoint=dict(type=AtomicCheckpointHook, by_epoch=False, interval=2_000, max_keep_ckpts=2),
    sampler_seed=dict(type=DistSamplerSeedHook),
)
custom_hooks = [dict(type=ProgressHook), dict(type=PredictionPicturesHook, num_images=8)]
log_processor = dict(type=ReadableLogProcessor, by_epoch=False, window_size=50)
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
randomness = dict(seed=0)
load_from = None
resume = False
