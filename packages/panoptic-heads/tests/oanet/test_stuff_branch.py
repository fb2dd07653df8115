"""OANet's stuff branch: its parts, and what it is supervised by."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.oanet import StuffBranch

SMALL = {"in_channels": 8, "feat_channels": 8, "num_groups": 4}


def test_two_convolutions_a_level_then_3x3_then_1x1() -> None:
    head = StuffBranch(num_things_classes=2, num_stuff_classes=3, num_levels=2, **SMALL)
    features = [torch.rand(1, 8, 8, 12), torch.rand(1, 8, 4, 6), torch.rand(1, 8, 2, 3)]
    kernels = [m.kernel_size for m in head.modules() if isinstance(m, torch.nn.Conv2d)]
    assert kernels == [(3, 3)] * 5 + [(1, 1)]
    fine, coarse = head.levels[0](features[0]), head.levels[1](features[1])
    coarse = F.interpolate(coarse, size=(8, 12), mode="bilinear", align_corners=False)
    expected = head.score(head.join(torch.cat([fine, coarse], dim=1)))
    torch.testing.assert_close(head(features), expected)
    assert expected.shape == (1, 5, 8, 12)


def test_supervised_by_all_classes_or_by_stuff_alone(make_batch: Callable[..., dict[str, Any]]) -> None:
    samples = make_batch("things", "void")["data_samples"]
    every = StuffBranch(num_things_classes=2, num_stuff_classes=3, **SMALL)
    stuff = StuffBranch(num_things_classes=2, num_stuff_classes=3, supervise="stuff", **SMALL)
    labels = every.targets(samples, (64, 96))
    assert labels.unique().tolist() == [0, 1, 2, 3, 255]
    holes = stuff.targets(samples, (64, 96))
    assert torch.equal(holes, torch.where((labels >= 2) & (labels < 255), labels - 2, 255))
    assert (every.num_channels, stuff.num_channels) == (5, 3)
    assert stuff.channel_labels().tolist() == [2, 3, 4]
    assert every.predicts_every_class
    assert not stuff.predicts_every_class


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"`supervise` to be one of \['all', 'stuff'\], got 'things'"):
        StuffBranch(num_things_classes=2, num_stuff_classes=3, supervise="things", **SMALL)
    with pytest.raises(ValueError, match=r"`collapse_things` to be False, got True. For stuff alone"):
        StuffBranch(num_things_classes=2, num_stuff_classes=3, collapse_things=True, **SMALL)
