"""Mixed precision in bfloat16 on any device. It has float32's range, so the loss needs no scaling."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from panoptic_core.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """MMEngine's ``OptimWrapper`` (the same arguments) whose forward pass runs under bfloat16 autocast.

    MMEngine's ``AmpOptimWrapper`` asserts a GPU; this one follows the model's device.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in mixed precision (and, while accumulating, without gradient exchange)."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield


def mixed_precision(optim_wrapper: dict[str, Any]) -> dict[str, Any]:
    """Return the config of an optimizer wrapper, changed to mixed precision for this machine.

    bfloat16 on the CPU and on GPUs that have it; float16 with dynamic loss scaling on older GPUs.
    """
    changed = copy.copy(optim_wrapper)  # of a config's dictionary, imports stay lazy
    if torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        changed.update({"type": "AmpOptimWrapper", "loss_scale": "dynamic", "dtype": "float16"})
    else:
        changed["type"] = "panoptic_core.Bfloat16OptimWrapper"
    return changed
