"""What can be wrong with a checkpoint file."""

from panoptic_core.errors import CommandError


class CheckpointError(CommandError, RuntimeError):
    """A checkpoint cannot be used. The message names the file, the reason and the cure."""


class UnsafeCheckpointError(CheckpointError):
    """The file asks for objects beyond tensors and plain data. Nothing of it was run."""


class BrokenCheckpointError(CheckpointError):
    """The file is cut short, damaged, or no checkpoint at all."""
