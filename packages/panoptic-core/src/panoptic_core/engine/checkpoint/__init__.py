"""Checkpoints: loaded without running what is in them, saved without ever losing the last whole one."""

from panoptic_core.engine.checkpoint.atomic import as_checkpoint, find_resumable, is_whole
from panoptic_core.engine.checkpoint.by_name import WeightMatch, match_weights, state_dict_of
from panoptic_core.engine.checkpoint.errors import (
    BrokenCheckpointError,
    CheckpointError,
    UnsafeCheckpointError,
)
from panoptic_core.engine.checkpoint.loading import load_checkpoint_file
from panoptic_core.engine.checkpoint.meta import categories_of
from panoptic_core.engine.checkpoint.schemes import install_safe_loading

__all__ = [
    "BrokenCheckpointError",
    "CheckpointError",
    "UnsafeCheckpointError",
    "WeightMatch",
    "as_checkpoint",
    "categories_of",
    "find_resumable",
    "install_safe_loading",
    "is_whole",
    "load_checkpoint_file",
    "match_weights",
    "state_dict_of",
]
