"""Hooks of the training loop."""

from panoptic_core.engine.hooks.checkpoint import AtomicCheckpointHook

__all__ = ["AtomicCheckpointHook"]
