"""Shapes, sharing and switches of Panoptic-DeepLab's network."""

from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_heads.panoptic_deeplab import PanopticDeepLabHead
from panoptic_heads.registry import MODELS

WIDTHS = {"aspp_channels": 8, "decoder_channels": 8, "projections": (4, 2), "head_channels": 8}
CHANNELS = (8, 16, 32, 64)


def make_head(**changes: Any) -> PanopticDeepLabHead:
    settings = {"in_channels": CHANNELS, "semantic": WIDTHS, "instance": {**WIDTHS, "head_channels": 4}}
    head: PanopticDeepLabHead = MODELS.build(
        {
            "type": "panoptic_heads.PanopticDeepLabHead",
            "num_things_classes": 2,
            "num_stuff_classes": 3,
            **settings,
            **changes,
        }
    )
    return head


def features_of(height: int, width: int, strides: tuple[int, ...] = (4, 8, 16, 16)) -> list[Tensor]:
    """Random maps of an image, as a convolution with padding makes them: sides are rounded up."""
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, channels, -(-height // stride), -(-width // stride), generator=generator)
        for channels, stride in zip(CHANNELS, strides, strict=True)
    ]


@pytest.mark.parametrize("strides", [(4, 8, 16, 16), (4, 8, 16, 32)], ids=["16", "32"])
@pytest.mark.parametrize("size", [(65, 129), (64, 96), (37, 50)], ids=["k*s+1", "k*s", "odd"])
def test_outputs_are_on_the_finest_grid(size: tuple[int, int], strides: tuple[int, ...]) -> None:
    features = features_of(*size, strides)
    out = make_head()(features)
    grid = features[0].shape[2:]
    assert out.sem_logits.shape == (2, 5, *grid)
    assert out.heatmap.shape == (2, 1, *grid)
    assert out.offsets.shape == (2, 2, *grid)
