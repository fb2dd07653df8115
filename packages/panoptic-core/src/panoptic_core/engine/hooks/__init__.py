"""Hooks of the training loop."""

from panoptic_core.engine.hooks.checkpoint import AtomicCheckpointHook
from panoptic_core.engine.hooks.pictures import PicturesHook, PredictionPicturesHook
from panoptic_core.engine.hooks.progress import ProgressHook

__all__ = ["AtomicCheckpointHook", "PicturesHook", "PredictionPicturesHook", "ProgressHook"]
