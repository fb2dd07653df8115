"""Sparse weighted sums of rows: the one kernel under RoIAlign and deformable convolution.

Both operators read a feature map at fractional places, so each of their outputs is a short weighted sum of
pixels, the same for all channels. With the map stored channels-last a pixel is one row of numbers, and the
sum over a *bag* of rows is what :func:`torch.nn.functional.embedding_bag` computes: vectorised over the
channels, threaded over the bags, on the CPU and on a GPU, with no copy of the gathered rows.

The transposed sum (the gradient of the rows) is again such a sum, of bags sorted by row, hence deterministic.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_CACHED = 1 << 20  # numbers that may be written in passing: 4 MB


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the type to compute in: float64 stays, every narrower type is widened to float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Keep autocast from narrowing the matrix products inside of an operator, as a compiled one would."""
    if device.type == "meta":
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def index_dtype(num_rows: int) -> torch.dtype:
    """Return the narrowest index type of :func:`sum_rows` that reaches ``num_rows`` rows."""
    return torch.int32 if num_rows < 2**31 else torch.int64


def sum_rows(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Compute ``out[b] = sum_t weight[b, t] * rows[index[b, t]]``.

    Args:
        rows: ``(R, C)``, float32 or float64.
        index: ``(B, T)`` int32 or int64, values in ``[0, R)``.
        weight: ``(B, T)``, of the type of ``rows``.

    Returns:
        ``(B, C)``.
    """
    if index.numel() == 0 or rows.shape[1] == 0:
        return rows.new_zeros(index.shape[0], rows.shape[1])
    if rows.is_meta:  # shapes alone; PyTorch's kernel does not know how to say them
        return rows.new_empty(index.shape[0], rows.shape[1])
    return F.embedding_bag(index, rows, mode="sum", per_sample_weights=weight)


def spread_rows(grad: Tensor, bag: Tensor, index: Tensor, weight: Tensor, num_rows: int) -> Tensor:
    """Compute the transpose of :func:`sum_rows`: ``out[index[m]] += weight[m] * grad[bag[m]]``.

    Args:
        grad: ``(B, C)``, float32 or float64.
        bag: ``(M,)`` int32 or int64, values in ``[0, B)``.
        index: ``(M,)`` of the same type, values in ``[0, num_rows)``.
        weight: ``(M,)``, of the type of ``grad``.
        num_rows: Rows ``R`` of the result.

    Returns:
        ``(R, C)``.
    """
    if index.numel() == 0 or grad.shape[1] == 0:
        return grad.new_zeros(num_rows, grad.shape[1])
    row, order = torch.sort(index, stable=True)
    first = torch.searchsorted(row, torch.arange(num_rows + 1, device=row.device, dtype=row.dtype))
    return F.embedding_bag(
        bag[order],
        grad,
        first.to(bag.dtype),
        mode="sum",
        per_sample_weights=weight[order],
        include_last_offset=True,
    )


def dot_rows(grad: Tensor, rows: Tensor, index: Tensor) -> Tensor:
    """Compute ``out[b, t] = <grad[b], rows[index[b, t]]>``: the gradient of :func:`sum_rows`'s weights.

    Args:
        grad: ``(B, C)``, float32 or float64.
        rows: ``(R, C)``, of the type of ``grad``.
        index: ``(B, T)`` int32 or int64, values in ``[0, R)``.

    Returns:
        ``(B, T)``.
    """
    out = grad.new_zeros(index.shape)
    if index.numel() == 0 or grad.shape[1] == 0:
        return out
    step = max(1, _CACHED // grad.shape[1])
    for begin in range(0, len(grad), step):
        part = slice(begin, begin + step)
        with torch.enable_grad():  # the sum is linear in its weights: any of them will do
            weight = torch.ones_like(out[part], requires_grad=True)
            sums = F.embedding_bag(index[part], rows, mode="sum", per_sample_weights=weight)
        out[part] = torch.autograd.grad(sums, weight, grad[part])[0]
    return out
