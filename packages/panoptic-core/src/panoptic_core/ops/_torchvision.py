"""torchvision's compiled kernels, where they really work.

torchvision is never required. A build for another torch (the index's CUDA build beside a CPU torch, say)
fails at import with a RuntimeError about an operator that does not exist, so both kinds of failure mean
that it is not there.
"""

from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType

import torch
from torch import Tensor


@cache
def torchvision_ops() -> ModuleType | None:
    """Return ``torchvision.ops`` if its compiled operators load and run, else None. Asked once a process."""
    try:
        from torchvision import ops

        kept = ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)
    except (ImportError, RuntimeError, AttributeError):
        return None
    return ops if kept.tolist() == [0] else None


def gpu_kernels(tensor: Tensor) -> ModuleType | None:
    """Return ``torchvision.ops`` if they are there and ``tensor`` is on a GPU: on the CPU ours are faster."""
    return torchvision_ops() if tensor.is_cuda else None


def differentiate(
    function: Callable[..., Tensor],
    tensors: Sequence[Tensor | None],
    wanted: Sequence[bool],
    grad_output: Tensor,
) -> list[Tensor | None]:
    """Run ``function`` once more and return its gradients.

    torchvision's backward kernels have no public name; autograd knows them.

    Args:
        function: Takes ``tensors``.
        tensors: Its arguments.
        wanted: Which of them to differentiate in; others and absent ones get None.
        grad_output: Gradient of the result.

    Returns:
        A gradient or None for each of ``tensors``.
    """
    leaves = [
        None if tensor is None else tensor.detach().requires_grad_(want)
        for tensor, want in zip(tensors, wanted, strict=True)
    ]
    with torch.enable_grad():
        out = function(*leaves)
    chosen = [leaf for leaf in leaves if leaf is not None and leaf.requires_grad]
    grads = iter(torch.autograd.grad(out, chosen, grad_output))
    return [next(grads) if leaf is not None and leaf.requires_grad else None for leaf in leaves]
