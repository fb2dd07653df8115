"""Semantic heads: the layers the papers print, the targets, the meaning of the channels."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import PixelData
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.common.semantic_heads import ConcatSemanticHead, SemanticHead, SumSemanticHead

SIZES = [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2), (1, 1)]  # P2-P7


def _pyramid(channels: int, num_levels: int = 6) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, channels, *size, generator=generator) for size in SIZES[:num_levels]]


def _sample(labels: list[list[int]]) -> DetDataSample:
    sample = DetDataSample()
    sample.gt_sem_seg = PixelData(sem_seg=torch.tensor(labels)[None])
    return sample


def test_stuff_head_has_the_paper_layers() -> None:
    # Section 3.1.2: per level 3x3 256 -> 128, group norm of 16 groups, 3x3 keeping the channels; one final
    # convolution.
    head = ConcatSemanticHead(num_things_classes=8, num_stuff_classes=11)
    assert len(head.levels) == 4
    for level in head.levels:
        convs = [layer for layer in level.modules() if isinstance(layer, nn.Conv2d)]
        assert [(c.in_channels, c.out_channels, c.kernel_size) for c in convs] == [
            (256, 128, (3, 3)),
            (128, 128, (3, 3)),
        ]
        norms = [layer for layer in level.modules() if isinstance(layer, nn.GroupNorm)]
        assert [norm.num_groups for norm in norms] == [16, 16]
    assert (head.score.in_channels, head.score.out_channels) == (512, 19)


@pytest.mark.parity
def test_scoring_before_resizing_equals_the_stacked_map() -> None:
    head = ConcatSemanticHead(
        num_things_classes=2, num_stuff_classes=3, in_channels=8, feat_channels=16, num_groups=4
    )
    features = _pyramid(8)
    stacked = [
        F.interpolate(level(feature), size=(16, 24), mode="bilinear", align_corners=False)
        for level, feature in zip(head.levels, features[:4], strict=True)
    ]
    torch.testing.assert_close(head(features), head.score(torch.cat(stacked, dim=1)), rtol=1e-4, atol=1e-5)


def test_panoptic_fpn_branch_has_one_stage_a_doubling() -> None:
    head = SumSemanticHead(num_things_classes=2, num_stuff_classes=3, in_channels=8, feat_channels=32)
    assert [len(stages) for stages in head.levels] == [1, 1, 2, 3]
    assert head(_pyramid(8)).shape == (2, 5, 16, 24)


@pytest.mark.parametrize("kind", [ConcatSemanticHead, SumSemanticHead])
def test_levels_beyond_p5_are_not_read(kind: type[SemanticHead]) -> None:
    head = kind(num_things_classes=1, num_stuff_classes=2, in_channels=8, feat_channels=16, num_groups=4)
    torch.testing.assert_close(head(_pyramid(8)), head(_pyramid(8, num_levels=4)))


def test_targets_are_padded_with_the_ignored_label() -> None:
    head = ConcatSemanticHead(num_things_classes=2, num_stuff_classes=2)
    target = head.targets([_sample([[0, 3], [255, 1]]), _sample([[2]])], (2, 3))
    expected = [[[0, 3, 255], [255, 1, 255]], [[2, 255, 255], [255, 255, 255]]]
    assert target.tolist() == expected


def test_collapsed_targets_and_labels() -> None:
    # Things 0 and 1 share channel 0; stuff 2 and 3 are channels 1 and 2.
    head = ConcatSemanticHead(num_things_classes=2, num_stuff_classes=2, collapse_things=True)
    assert head.num_channels == 3
    assert head.score.out_channels == 3
    assert head.targets([_sample([[0, 1, 2, 3, 255]])], (1, 5)).tolist() == [[[0, 0, 1, 2, 255]]]
    assert head.channel_labels().tolist() == [0, 2, 3]


def test_channels_are_labels_where_things_are_apart() -> None:
    head = ConcatSemanticHead(num_things_classes=2, num_stuff_classes=2)
    assert (head.num_thing_channels, head.channel_labels().tolist()) == (2, [0, 1, 2, 3])


def test_loss_reaches_every_parameter_without_annotation() -> None:
    head = ConcatSemanticHead(
        num_things_classes=1, num_stuff_classes=2, in_channels=8, feat_channels=16, num_groups=4
    )
    loss = head.loss(head(_pyramid(8)), [_sample([[255]]), _sample([[255]])])["loss_semantic"]
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_other_losses_come_by_config() -> None:
    loss = {"type": "panoptic_heads.BootstrappedCrossEntropy", "top_k": 0.25, "class_weight": [1.0, 2.0, 1.0]}
    head = ConcatSemanticHead(num_things_classes=1, num_stuff_classes=2, loss=loss)
    assert head.semantic_loss.top_k == 0.25
