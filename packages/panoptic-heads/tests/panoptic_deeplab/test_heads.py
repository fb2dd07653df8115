"""Shapes, sharing and switches of Panoptic-DeepLab's network."""

from typing import Any

import panoptic_heads  # noqa: F401 - before mmdet: it makes the operators available

# isort: split
import pytest
import torch
from torch import Tensor, nn

from panoptic_heads.panoptic_deeplab import ASPP, Decoder, PanopticDeepLabHead
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


def test_single_aspp_and_single_decoder_share() -> None:
    single = make_head(dual_aspp=False, dual_decoder=False)
    assert single.instance_aspp is None
    assert single.instance_decoder is None
    decoders = make_head(dual_aspp=False)
    assert decoders.instance_aspp is None
    assert decoders.instance_decoder is not None
    # Both decoders read the semantic branch's ASPP: without it, all three outputs change.
    features = features_of(64, 64)
    decoders.eval()
    with torch.no_grad():
        before = decoders(features)
        decoders.semantic_aspp.project.conv.weight.zero_()
        after = decoders(features)
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_dual_branches_do_not_share() -> None:
    head = make_head().eval()
    features = features_of(64, 64)
    with torch.no_grad():
        before = head(features)
        head.semantic_aspp.project.conv.weight.zero_()
        after = head(features)
    assert not torch.equal(before.sem_logits, after.sem_logits)
    assert torch.equal(before.heatmap, after.heatmap)
    assert torch.equal(before.offsets, after.offsets)


def test_semantic_only() -> None:
    head = make_head(instance=None)
    out = head(features_of(64, 64))
    assert head.semantic_only
    assert out.heatmap is None
    assert out.offsets is None


def test_deeplabv3_plus_reads_the_finest_level_alone() -> None:
    widths = {**WIDTHS, "projections": (2,)}
    head = make_head(skips=(0,), semantic=widths, instance=widths, decoder_kernel=3, decoder_convs=2).eval()
    features = features_of(65, 65)
    with torch.no_grad():
        before = head(features)
        features[1].zero_()  # the level of stride 8
        after = head(features)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_every_parameter_gets_a_gradient() -> None:
    head = make_head()
    sum(out.square().mean() for out in head(features_of(64, 64))).backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_predictions_start_near_zero() -> None:
    head = make_head()
    head.init_weights()
    with torch.no_grad():
        out = head(features_of(64, 64))
    assert max(float(map_.abs().max()) for map_ in out) < 0.1


def test_heatmap_values() -> None:
    logits = torch.tensor([[[[0.0, 2.0]]]])
    assert torch.equal(make_head().heatmap_values(logits), logits)
    torch.testing.assert_close(
        make_head(heatmap_activation="sigmoid").heatmap_values(logits), torch.tensor([[[[0.5, 0.880797]]]])
    )


@pytest.mark.parametrize("head_channels", [4, None])
def test_autocast_does_not_round_offsets_and_heat(head_channels: int | None) -> None:
    head = make_head(instance={**WIDTHS, "head_channels": head_channels}).eval()
    for part, value in ((head.heatmap_head, 0.503), (head.offset_head, 1003.0)):  # bfloat16: 0.5039, 1004
        score = part.get_submodule("score")
        nn.init.zeros_(score.weight)
        nn.init.constant_(score.bias, value)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        out = head(features_of(33, 33))
    assert out.sem_logits.dtype == torch.bfloat16
    assert torch.equal(out.offsets, torch.full_like(out.offsets, 1003.0))
    assert torch.equal(out.heatmap, torch.full_like(out.heatmap, 0.503))
    assert out.offsets.dtype == out.heatmap.dtype == torch.float32


def test_resized_corners_fall_on_corners() -> None:
    # The row 0, 2 on three cells: with corners on corners the new cell in the middle is their mean.
    decoder = Decoder(1, skip_channels=[1], projections=[1], channels=1).eval()
    seen: list[Tensor] = []
    decoder.fusions[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    decoder(torch.tensor([[[[0.0, 2.0]]]]), [torch.zeros(1, 1, 1, 3)])
    torch.testing.assert_close(seen[0][0, 0], torch.tensor([[0.0, 1.0, 2.0]]))


def test_image_pooling_by_hand() -> None:
    # A window of 1 x 2 on the row 0, 2, 6 has the means 1 and 4; stretched over three cells: 1, 2.5, 4.
    aspp = ASPP(1, 1, pooling_window=(1, 2)).eval()
    pooling = aspp.branches[-1]
    with torch.no_grad():
        pooling.conv.weight.fill_(1.0)
        pooled = pooling(torch.tensor([[[[0.0, 2.0, 6.0]]]]))
    torch.testing.assert_close(pooled, torch.tensor([[[[1.0, 2.5, 4.0]]]]), rtol=1e-4, atol=1e-4)


def test_image_pooling_of_a_window_as_large_as_the_map_is_the_mean_of_all() -> None:
    feature = torch.rand(1, 4, 3, 5)
    torch.manual_seed(0)
    window = ASPP(4, 2, pooling_window=(9, 9)).eval()
    whole = ASPP(4, 2).eval()
    whole.load_state_dict(window.state_dict())
    torch.testing.assert_close(window(feature), whole(feature))


def test_image_pooling_trains_on_a_single_image() -> None:
    aspp = ASPP(4, 2).train()
    out = aspp(torch.rand(1, 4, 3, 5))  # one value a channel: a batch statistic says nothing
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert aspp.branches[-1].conv.weight.grad is not None


def test_rates_outside_of_training() -> None:
    aspp = ASPP(4, 2, rates=(6, 12, 18), test_rates=(12, 24, 36))

    def rates() -> list[int]:
        convs = [m for m in aspp.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
        return [conv.dilation[0] for conv in convs]

    assert rates() == [6, 12, 18]
    aspp.eval()
    assert rates() == [12, 24, 36]
    aspp.train()
    assert rates() == [6, 12, 18]


@pytest.mark.parametrize("size", [(65, 129), (37, 50)], ids=["k*s+1", "odd"])
def test_hrnets_own_head(size: tuple[int, int]) -> None:
    settings = {"num_things_classes": 2, "num_stuff_classes": 3, "in_channels": CHANNELS}
    features = features_of(*size, (4, 8, 16, 32))
    kind = {"type": "panoptic_heads.PanopticHRNetHead", **settings}
    out = MODELS.build({**kind, "instance_channels": 4})(features)
    grid = features[0].shape[2:]
    assert [map_.shape for map_ in out] == [(2, channels, *grid) for channels in (5, 1, 2)]
    assert MODELS.build({**kind, "semantic_only": True})(features).heatmap is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dual_decoder": False}, "`dual_aspp` with `dual_decoder`"),
        ({"semantic": {"width": 3}}, r"entries of \['aspp_channels'.*got \['width'\]"),
        ({"skips": (0,)}, r"`projections` to have one entry for each of the 1 levels.*got \(4, 2\)"),
        ({"heatmap_activation": "softmax"}, "`heatmap_activation` to be 'none' or 'sigmoid', got 'softmax'"),
        ({"aspp": {"test_rates": (1, 2)}}, "`test_rates` to have as many entries as `rates`"),
    ],
)
def test_rejects(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_head(**changes)


def test_rejects_levels_that_the_backbone_has_not() -> None:
    with pytest.raises(
        ValueError, match=r"`skips` to name some of the backbone's 2 maps, 0 to 1, got \(2, 0\)"
    ):
        PanopticDeepLabHead(1, 1, in_channels=[4, 8], skips=(2, 0))
