"""What callers may pass, turned into tensors once, with errors that name the cure."""

import math
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

ArrayLike: TypeAlias = Tensor | np.ndarray
"""Torch tensor on any device, or NumPy array."""

MAX_LABEL = 32767
"""The largest class id that a label map may hold."""

_WIDER_TENSORS = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.int64}
_WIDER = {np.dtype(np.uint16): np.int32, np.dtype(np.uint32): np.int64, np.dtype(np.uint64): np.int64}


def as_tensor(value: ArrayLike, name: str) -> Tensor:
    """Turn an array into a tensor without a copy where the memory allows it.

    Args:
        value: Tensor (returned as it is, unless it is an unsigned one of 16 bits or more) or array of numbers
            or booleans.
        name: The argument's name, for the error.

    Returns:
        A tensor that is never written to by this package.

    Raises:
        TypeError: If the value is neither.
    """
    if isinstance(value, Tensor):
        return value.to(_WIDER_TENSORS[value.dtype]) if value.dtype in _WIDER_TENSORS else value
    if not isinstance(value, np.ndarray):
        msg = f"Expected `{name}` to be a torch tensor or a NumPy array, got {type(value).__name__}."
        raise TypeError(msg)
    if value.dtype in _WIDER:
        value = value.astype(_WIDER[value.dtype])
    if value.dtype.kind not in "biuf":
        msg = f"Expected `{name}` to hold numbers or booleans, got the NumPy dtype {value.dtype}."
        raise TypeError(msg)
    if not value.flags.writeable or any(stride < 0 for stride in value.strides):
        value = value.copy()
    return torch.from_numpy(np.ascontiguousarray(value) if value.ndim else value)


def is_integer(tensor: Tensor) -> bool:
    """Whether the dtype is an integer one (bool is not)."""
    return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)


def check_shape(tensor: Tensor, name: str, shape: tuple[int | None, ...], meaning: str) -> None:
    """Raise a ValueError unless the shape fits (``None``: any size)."""
    fits = tensor.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, tensor.shape, strict=True)
    )
    if not fits:
        msg = f"Expected `{name}` to have the shape {meaning}, got {tuple(tensor.shape)}."
        raise ValueError(msg)


def check_sem_logits(sem_logits: Tensor, num_things: int, name: str = "sem_logits") -> None:
    """Raise an error unless these are float maps ``(C, H, W)`` with a channel for each thing class."""
    check_shape(sem_logits, name, (None, None, None), "(C, H, W)")
    if not sem_logits.is_floating_point():
        msg = f"Expected `{name}` to be floats, got {sem_logits.dtype}. A label map is not enough here."
        raise TypeError(msg)
    low = max(num_things, 1)
    if not low <= sem_logits.shape[0] <= MAX_LABEL:
        msg = (
            f"Expected `{name}` to have between {low} and {MAX_LABEL} channels, the {num_things} things "
            f"first, got {tuple(sem_logits.shape)}. A collapsed head does not say which thing it means."
        )
        raise ValueError(msg)


def check_integer(tensor: Tensor, name: str) -> None:
    """Raise a TypeError unless the tensor holds integers."""
    if not is_integer(tensor):
        msg = f"Expected `{name}` to hold integers, got {tensor.dtype}. Convert it, e.g. `.long()`."
        raise TypeError(msg)


def check_bool(tensor: Tensor, name: str) -> None:
    """Raise a TypeError unless the tensor holds booleans."""
    if tensor.dtype != torch.bool:
        msg = f"Expected `{name}` to be bool, got {tensor.dtype}. Compare with a threshold first."
        raise TypeError(msg)


def check_device(tensor: Tensor, name: str, device: torch.device, other: str) -> None:
    """Raise a ValueError unless the tensor lies where the other one does."""
    if tensor.device != device:
        msg = f"Expected `{name}` on the device of `{other}`, {device}, got {tensor.device}. Use `.to(...)`."
        raise ValueError(msg)


def check_fraction(value: float, name: str, low: float = 0.0, high: float = 1.0) -> None:
    """Raise a ValueError unless ``low <= value <= high``."""
    if not (isinstance(value, int | float) and math.isfinite(value) and low <= value <= high):
        msg = f"Expected `{name}` to be a number in [{low:g}, {high:g}], got {value!r}."
        raise ValueError(msg)


def check_count(value: int, name: str, low: int = 0) -> None:
    """Raise a ValueError unless the value is a whole number of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        msg = f"Expected `{name}` to be a whole number >= {low}, got {value!r}."
        raise ValueError(msg)


def check_choice(value: str, name: str, choices: tuple[str, ...]) -> None:
    """Raise a ValueError unless the value is one of the choices."""
    if value not in choices:
        msg = f"Expected `{name}` to be one of {', '.join(map(repr, choices))}, got {value!r}."
        raise ValueError(msg)


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return ``(height, width)`` as plain integers, or raise a ValueError."""
    height, width = (int(value) for value in size)
    if height < 0 or width < 0:
        msg = f"Expected `size` to be (height, width) with values >= 0, got {(height, width)}."
        raise ValueError(msg)
    return height, width


def check_label_range(low: int, high: int, num_things: int, name: str = "labels") -> None:
    """Raise a ValueError unless the seen range lies in ``[0, num_things)``."""
    if low < 0 or high >= num_things:
        msg = (
            f"Expected `{name}` to be thing ids in [0, {num_things}), got values in [{low}, {high}]. "
            "Labels are contiguous: things first, then stuff; map dataset ids to them first."
        )
        raise ValueError(msg)


def check_finite(values: np.ndarray, name: str) -> None:
    """Raise a ValueError where a host array holds NaN or infinity."""
    bad = int((~np.isfinite(values)).sum())
    if bad:
        msg = f"Expected `{name}` to be finite, got {bad} NaN or infinite values of {values.size}."
        raise ValueError(msg)
