"""The layer over MMEngine's runner: safe checkpoints, any device, configs checked before anything is built.

Importing it replaces MMEngine's checkpoint loaders by safe ones (see :mod:`panoptic_core.engine.checkpoint`).
"""

from panoptic_core.engine.checkpoint import install_safe_loading
from panoptic_core.engine.config import ConfigError, RunOptions, check_config, load_config, prepare_config
from panoptic_core.engine.distributed import AnyDeviceDistributedDataParallel
from panoptic_core.engine.hooks import AtomicCheckpointHook, PredictionPicturesHook, ProgressHook
from panoptic_core.engine.log_processor import ReadableLogProcessor
from panoptic_core.engine.mixed_precision import Bfloat16OptimWrapper
from panoptic_core.engine.runner import PanopticRunner

install_safe_loading()

__all__ = [
    "AnyDeviceDistributedDataParallel",
    "AtomicCheckpointHook",
    "Bfloat16OptimWrapper",
    "ConfigError",
    "PanopticRunner",
    "PredictionPicturesHook",
    "ProgressHook",
    "ReadableLogProcessor",
    "RunOptions",
    "check_config",
    "install_safe_loading",
    "load_config",
    "prepare_config",
]
