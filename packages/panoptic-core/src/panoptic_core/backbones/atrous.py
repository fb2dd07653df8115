"""Denser feature maps from the same weights: strides become distances between taps (arXiv:1412.7062)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

from torch import nn

OUTPUT_STRIDES = (8, 16, 32)


class AtrousBackbone:
    """What makes a module's output stride a setting, one for training and one for testing.

    The module is the other base class. It calls :meth:`init_output_stride` when its convolutions are there,
    and has :meth:`apply_output_stride`.
    """

    output_stride: int
    test_output_stride: int
    _current_stride: int

    def init_output_stride(self, output_stride: int, test_output_stride: int | None) -> None:
        """Take both output strides; None: the same one in testing."""
        self.output_stride = output_stride
        self.test_output_stride = test_output_stride or output_stride
        for stride in (self.test_output_stride, output_stride):  # both must be possible
            self.set_output_stride(stride)

    def apply_output_stride(self, output_stride: int) -> None:
        """Give the convolutions their strides and dilations."""
        raise NotImplementedError

    def set_output_stride(self, output_stride: int) -> None:
        """Change strides and dilations of the last blocks in place; weights stay as they are.

        Raises:
            ValueError: If it is not 8, 16 or 32.
        """
        if output_stride not in OUTPUT_STRIDES:
            msg = f"Expected `output_stride` to be 8, 16 or 32, got {output_stride}."
            raise ValueError(msg)
        self.apply_output_stride(output_stride)
        self._current_stride = output_stride

    def train(self, mode: bool = True) -> Self:
        """Switch between training and testing, and the output stride with it."""
        super().train(mode)  # type: ignore[misc]  # the module's
        self.set_output_stride(self.output_stride if mode else self.test_output_stride)
        return self


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
