"""The layer over MMEngine's runner: safe checkpoints, any device, configs checked before anything is built.

Importing it replaces MMEngine's checkpoint loaders by safe ones (see :mod:`panoptic_core.engine.checkpoint`).
"""

from panoptic_core.engine.checkpoint import install_safe_loading
from panoptic_core.engine.hooks import AtomicCheckpointHook

install_safe_loading()

__all__ = ["AtomicCheckpointHook", "install_safe_loading"]
