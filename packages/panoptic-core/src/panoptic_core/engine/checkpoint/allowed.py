"""What a checkpoint may contain beside tensors and plain data.

``torch.load(weights_only=True)`` refuses every class and function that is not on its list. A checkpoint of
MMEngine holds its logged scalars as ``HistoryBuffer`` objects over numpy arrays; these, and nothing else, are
added to the list. Functions are added in a restricted form: the name in the file is the original's, what is
called is ours and accepts only what such a checkpoint needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer

_STATISTICS = ("min", "max", "current", "mean")
_NUMERIC = re.compile(r"[biuf][1248]")  # numpy's codes of booleans, integers and floats
_NUMPY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")  # as numpy 1 and numpy 2 write it


def _restricted_getattr(owner: object, name: str) -> Any:
    """Stand in for ``getattr``: nothing but ``HistoryBuffer``'s four statistics."""
    if owner is HistoryBuffer and name in _STATISTICS:
        return getattr(HistoryBuffer, name)
    msg = f"Refused `getattr({owner!r}, {name!r})`: only a HistoryBuffer's statistics are allowed."
    raise UnpicklingError(msg)


def _restricted_dtype(code: object, align: bool = False, copy: bool = False) -> np.dtype[Any]:
    """Stand in for ``numpy.dtype``: numbers only, so no array of objects can be made."""
    if isinstance(code, str) and _NUMERIC.fullmatch(code):
        return np.dtype(code, align, copy)
    msg = f"Refused `numpy.dtype({code!r})`: only booleans, integers and floats are allowed."
    raise UnpicklingError(msg)


def _restricted_reconstruct(kind: object, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    """Stand in for numpy's ``_reconstruct``: an empty plain array, to be filled by its state."""
    if kind is np.ndarray and shape == (0,) and code in (b"b", "b"):
        return np.ndarray((0,), np.int8)
    msg = f"Refused numpy's `_reconstruct({kind!r}, {shape!r}, {code!r})`: only plain arrays are allowed."
    raise UnpicklingError(msg)


def _restricted_scalar(dtype: Any, data: object) -> Any:
    """Stand in for numpy's ``scalar``: one number of exactly as many bytes as its type has."""
    is_number = isinstance(dtype, np.dtype) and dtype.kind in "biuf"
    if is_number and isinstance(data, bytes) and len(data) == dtype.itemsize:
        return np.frombuffer(data, dtype)[0]
    msg = f"Refused numpy's `scalar({dtype!r}, {data!r})`: only numbers are allowed."
    raise UnpicklingError(msg)


def _under_name(function: Callable[..., Any], module: str, name: str) -> Callable[..., Any]:
    """Return a wrapper that torch finds under ``module.name`` (pairs of object and name need torch 2.6)."""

    def stand_in(*arguments: Any) -> Any:
        return function(*arguments)

    stand_in.__module__, stand_in.__name__, stand_in.__qualname__ = module, name, name
    return stand_in


_ALLOWED: list[Any] = [
    HistoryBuffer,
    np.ndarray,
    *{type(np.dtype(kind + size)) for kind in "iu" for size in "1248"},
    *{type(np.dtype(code)) for code in ("b1", "f2", "f4", "f8")},
    _under_name(_restricted_getattr, "builtins", "getattr"),
    _under_name(_restricted_getattr, "__builtin__", "getattr"),
    _under_name(_restricted_dtype, "numpy", "dtype"),
    *(_under_name(_restricted_reconstruct, module, "_reconstruct") for module in _NUMPY_MODULES),
    *(_under_name(_restricted_scalar, module, "scalar") for module in _NUMPY_MODULES),
]


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` read MMEngine's checkpoints. Calling it again changes nothing."""
    present = set(map(id, torch.serialization.get_safe_globals()))
    torch.serialization.add_safe_globals([item for item in _ALLOWED if id(item) not in present])
