"""torchvision's compiled kernels, where they really work.

torchvision is never required. A build for another torch (the index's CUDA build beside a CPU torch, say)
fails at import with a RuntimeError about an operator that does not exist, so both kinds of failure mean "not
here".
"""

from functools import cache
from types import ModuleType

import torch


@cache
def torchvision_ops() -> ModuleType | None:
    """Return ``torchvision.ops`` if its compiled operators load and run, else None. Asked once a process."""
    try:
        from torchvision import ops

        kept = ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)
    except (ImportError, RuntimeError, AttributeError):
        return None
    return ops if kept.tolist() == [0] else None
