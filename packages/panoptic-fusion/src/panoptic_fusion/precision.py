"""Where half precision must not reach."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context in which autocast turns nothing into half precision, on the tensor's device.

    It casts nothing itself. On the meta device, which knows no autocast, it does nothing.
    """
    return nullcontext() if tensor.is_meta else torch.autocast(tensor.device.type, enabled=False)
