"""Denser feature maps from the same weights: strides become distances between taps (arXiv:1412.7062)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn


def set_atrous(conv: nn.Conv2d, *, stride: int = 1, dilation: int = 1) -> None:
    """Give a convolution another stride and another distance between its taps.

    Args:
        conv: Of any odd kernel size; its weights stay as they are. Changed in place.
        stride: Between outputs.
        dilation: Between taps; the padding follows it.
    """
    conv.stride = (stride, stride)
    conv.dilation = (dilation, dilation)
    conv.padding = tuple(dilation * (side - 1) // 2 for side in conv.kernel_size)


def plan_strides(strides: Iterable[int], *, start: int, output_stride: int) -> Iterator[tuple[int, int]]:
    """Say how blocks with strides become blocks of a network with a smaller output stride.

    While the output stride is not reached, a block keeps its stride. Afterwards its stride is 1, and all
    blocks behind it have their taps so much further apart.

    Args:
        strides: Of each block.
        start: Output stride before the first of them.
        output_stride: Not to be exceeded.

    Yields:
        Each block's stride and dilation.

    Raises:
        ValueError: If the output stride cannot be reached.

    Example:
        >>> list(plan_strides([2, 1, 2, 1], start=8, output_stride=16))
        [(2, 1), (1, 1), (1, 1), (1, 2)]
    """
    current, dilation = start, 1
    strides = tuple(strides)
    plan = []
    for stride in strides:
        if current * stride <= output_stride:
            plan.append((stride, dilation))
            current *= stride
        else:
            plan.append((1, dilation))
            dilation *= stride
    if current != output_stride:
        reachable = [start]
        for stride in strides:
            reachable.append(reachable[-1] * stride)
        msg = f"Expected `output_stride` to be one of {sorted(set(reachable))}, got {output_stride}."
        raise ValueError(msg)
    yield from plan
