"""Where strides become dilations."""

import panoptic_core.backbones  # noqa: F401 - before mmdet: it makes the operators available

# isort: split
import pytest
from torch import nn

from panoptic_core.backbones.atrous import plan_strides, set_atrous


@pytest.mark.parametrize(
    ("output_stride", "plan"),
    [
        (32, [(2, 1), (1, 1), (2, 1), (1, 1)]),
        # The block that loses its stride keeps its taps; those behind it spread theirs.
        (16, [(2, 1), (1, 1), (1, 1), (1, 2)]),
        (8, [(1, 1), (1, 2), (1, 2), (1, 4)]),
    ],
)
def test_plan(output_stride: int, plan: list[tuple[int, int]]) -> None:
    assert list(plan_strides([2, 1, 2, 1], start=8, output_stride=output_stride)) == plan


def test_plan_rejects_what_cannot_be_reached() -> None:
    with pytest.raises(ValueError, match=r"`output_stride` to be one of \[8, 16, 32\], got 12"):
        list(plan_strides([2, 1, 2, 1], start=8, output_stride=12))


def test_padding_follows_the_dilation() -> None:
    conv = nn.Conv2d(1, 1, 5, stride=2)
    set_atrous(conv, dilation=3)
    assert (conv.stride, conv.dilation, conv.padding) == ((1, 1), (3, 3), (6, 6))
