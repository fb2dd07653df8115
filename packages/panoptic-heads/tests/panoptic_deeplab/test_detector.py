"""Panoptic-DeepLab, tiny: losses, what testing fills in, views, ensembles; and a head that says the truth."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from torch import Tensor, nn

from panoptic_fusion import PanopticSegmentation, RawOutputs, encode_centers
from panoptic_heads.common import ViewSettings
from panoptic_heads.panoptic_deeplab import CentersFusion, DeepLabOutputs, PanopticDeepLab
from panoptic_heads.registry import MODELS

Make = Callable[..., dict[str, Any]]
NUM_THINGS, NUM_STUFF = 2, 3
LOSSES = ("loss_semantic", "loss_center", "loss_offset")
WIDTHS = {"aspp_channels": 8, "decoder_channels": 8, "projections": (8, 8), "head_channels": 8}


def _config(head: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "type": "panoptic_heads.PanopticDeepLab",
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": [127.0] * 3,
            "std": [64.0] * 3,
            "pad_mask": False,
            "pad_seg": True,
            "seg_pad_value": 255,
        },
        "backbone": {
            "type": "ResNet",
            "depth": 18,
            "base_channels": 8,
            "strides": (1, 2, 2, 1),
            "dilations": (1, 1, 1, 2),
            "norm_eval": False,
        },
        "head": {
            "type": "panoptic_heads.PanopticDeepLabHead",
            "num_things_classes": NUM_THINGS,
            "num_stuff_classes": NUM_STUFF,
            "in_channels": [8, 16, 32, 64],
            "semantic": WIDTHS,
            "instance": WIDTHS,
            **(head or {}),
        },
        "panoptic_fusion_head": {"type": "panoptic_heads.CentersFusion", "stuff_area_limit": 4},
        **changes,
    }


@pytest.fixture
def model() -> PanopticDeepLab:
    torch.manual_seed(0)
    return MODELS.build(_config())


def _with_centers(batch: dict[str, Any]) -> dict[str, Any]:
    for sample in batch["data_samples"]:
        targets = encode_centers(sample.gt_panoptic, sigma=4.0, small_area=1100)
        sample.gt_centers = PixelData(
            heatmap=targets.heatmap,
            offsets=targets.offsets,
            heatmap_mask=targets.heatmap_mask[None],
            offset_mask=targets.offset_mask[None],
            semantic_weight=targets.semantic_weight[None],
        )
    return batch


def _losses(model: PanopticDeepLab, batch: dict[str, Any]) -> dict[str, Tensor]:
    data = model.data_preprocessor(_with_centers(batch), training=True)
    return model.train()(**data, mode="loss")


# --- training


def test_a_training_step_lowers_every_loss(model: PanopticDeepLab, make_batch: Make) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    seen = []
    for _ in range(30):
        total, logs = model.parse_losses(_losses(model, make_batch("things", "stuff")))
        optimizer.zero_grad()
        total.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        seen.append([logs[name].item() for name in LOSSES])
    assert all(last < 0.9 * first for first, last in zip(seen[0], seen[-1], strict=True)), (seen[0], seen[-1])


@pytest.mark.parametrize("kinds", [("void", "void"), ("stuff", "void"), ("crowd", "crowd")])
def test_without_targets_losses_are_zero_with_gradients(
    kinds: Sequence[str], model: PanopticDeepLab, make_batch: Make
) -> None:
    losses = _losses(model, make_batch(*kinds))
    total, _ = model.parse_losses(losses)
    total.backward()
    assert losses["loss_offset"] == 0
    if kinds == ("void", "void"):
        assert total == 0
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_losses_are_those_of_the_maps_at_the_inputs_size(model: PanopticDeepLab, make_batch: Make) -> None:
    # The image ends at 64 x 96; k * 16 + 1 is 65 x 97. In the new row and column nothing counts.
    batch = _with_centers(make_batch("things"))
    (sample,) = batch["data_samples"]
    maps = {"heatmap": torch.full((1, 1, 65, 97), 0.25), "offsets": torch.full((1, 2, 65, 97), 3.0)}
    maps["sem_logits"] = torch.zeros(1, 5, 65, 97)
    model.head.forward = lambda _: DeepLabOutputs(**maps)
    losses = model.loss(torch.zeros(1, 3, 64, 96), [sample])
    centers = sample.gt_centers
    # Equal scores cost log 5. The instance of 32 * 32 pixels has weight 3, the one of 30 * 40 has 1, as has
    # stuff: of the 15 % of all pixels that count most, 945, every one weighs 3.
    torch.testing.assert_close(losses["loss_semantic"], 3 * torch.log(torch.tensor(5.0)))
    torch.testing.assert_close(losses["loss_center"], 200 * (0.25 - centers.heatmap).square().mean())
    off = (3 - centers.offsets).abs()[:, centers.offset_mask[0]]
    torch.testing.assert_close(losses["loss_offset"], 0.25 * off.mean())


def test_images_of_two_sizes_in_a_batch(model: PanopticDeepLab, make_batch: Make) -> None:
    batch = make_batch("things")
    other = make_batch("things", size=(72, 100))
    batch = {name: batch[name] + other[name] for name in batch}
    seen: list[torch.Size] = []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    assert all(torch.isfinite(loss) for loss in _losses(model, batch).values())
    assert seen == [(2, 3, 81, 113)]  # 72 x 100, then k * 16 + 1


def test_autocast_keeps_losses_in_float32(model: PanopticDeepLab, make_batch: Make) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = _losses(model, make_batch("things", "void"))
    assert all(loss.dtype == torch.float32 and torch.isfinite(loss) for loss in losses.values())


def test_targets_are_asked_for(model: PanopticDeepLab, make_batch: Make) -> None:
    data = model.data_preprocessor(make_batch("things"), training=True)
    with pytest.raises(ValueError, match=r"to have `gt_centers`, got .* Put panoptic_data.MakeCenterTargets"):
        model(**data, mode="loss")


def test_targets_of_another_size_are_refused(model: PanopticDeepLab, make_batch: Make) -> None:
    samples = _with_centers(make_batch("things", size=(96, 96)))["data_samples"]
    with pytest.raises(ValueError, match=r"no larger than the batch, \(65, 65\), got \(96, 96\)"):
        model.loss(torch.zeros(1, 3, 64, 64), samples)


def test_a_semantic_network_learns_and_labels(make_batch: Make) -> None:
    model = MODELS.build(_config(head={"instance": None}))
    assert _losses(model, make_batch("things")).keys() == {"loss_semantic"}
    sample = _predict(model, torch.randn(3, 40, 48))
    assert sample.pred_sem_seg.sem_seg.shape == (1, 40, 48)
    assert "pred_panoptic" not in sample
    model.tta = ViewSettings.read({"scales": [1.0, 1.5]})
    assert _predict(model, torch.randn(3, 40, 48)).pred_sem_seg.sem_seg.shape == (1, 40, 48)


# --- testing


def _predict(
    model: PanopticDeepLab, image: Tensor, ori: tuple[int, int] | None = None, **arguments: Any
) -> DetDataSample:
    size = (image.shape[1], image.shape[2])
    sample = DetDataSample(metainfo={"img_shape": size, "ori_shape": ori or size})
    with torch.no_grad():
        (sample,) = model.eval().predict(image[None], [sample], **arguments)
    return sample


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (33, 41)])
@pytest.mark.parametrize("align_corners", [True, False])
def test_prediction_is_of_the_images_own_size(size: tuple[int, int], align_corners: bool) -> None:
    model = MODELS.build(_config(head={"align_corners": align_corners}))
    image = torch.randn(3, *size)
    sample = _predict(model, image, ori=(50, 70))
    assert sample.pred_panoptic.shape == sample.pred_sem_seg.shape == (50, 70)
    assert sample.pred_panoptic_seg.shape == (50, 70)
    assert _predict(model, image, ori=(50, 70), rescale=False).pred_panoptic.shape == size


def test_padding_of_a_batch_does_not_matter(model: PanopticDeepLab) -> None:
    images = torch.randn(2, 3, 48, 64)
    samples = [
        DetDataSample(metainfo={"img_shape": size, "ori_shape": size}) for size in ((48, 64), (40, 56))
    ]
    with torch.no_grad():
        both = model.eval().predict_raw(images, samples)
        alone = model.predict_raw(images[1:, :, :40, :56], samples[1:])
    assert torch.equal(both[1].raw.sem_logits, alone[0].raw.sem_logits)
    assert torch.equal(both[1].raw.offsets, alone[0].raw.offsets)


class _Truth(nn.Module):
    """A head that reads the scene off the image's colours: red is stuff, green and blue are a thing each."""

    num_things_classes, num_stuff_classes, semantic_only = 2, 1, False

    def __init__(self, align_corners: bool = True) -> None:
        super().__init__()
        self.align_corners = align_corners

    def heatmap_values(self, heatmap: Tensor) -> Tensor:
        return heatmap

    def forward(self, images: Tensor) -> DeepLabOutputs:
        (image,) = images
        seg = _scene_of(image)
        targets = encode_centers(seg)
        label = seg.label_map(0)
        logits = 10 * nn.functional.one_hot(label, 3).permute(2, 0, 1).float()
        return DeepLabOutputs(logits[None], targets.heatmap[None], targets.offsets[None])


def _scene_of(image: Tensor) -> PanopticSegmentation:
    return PanopticSegmentation.from_id_map(
        image.argmax(dim=0) + 1, [1, 2, 3], [2, 0, 1], [False, True, True]
    )


def _image(height: int = 80, width: int = 113) -> Tensor:
    image = torch.zeros(3, height, width)
    image[0] = 1
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    for channel, inside in (
        (1, (y - 30) ** 2 + (x - 35) ** 2 < 20**2),
        (2, (y > 20) & (y < 60) & (x > 60) & (x < 100)),
    ):
        image[:, inside] = 0
        image[channel, inside] = 1
    return image


@pytest.fixture(params=[True, False], ids=["corners", "centres"])
def truthful(request: pytest.FixtureRequest, model: PanopticDeepLab) -> PanopticDeepLab:
    model.backbone, model.head = nn.Identity(), _Truth(request.param)
    model.panoptic_fusion_head = CentersFusion(stuff_area_limit=4)
    return model


def test_true_maps_give_the_true_scene(truthful: PanopticDeepLab) -> None:
    image = _image()
    truth = _scene_of(image)
    sample = _predict(truthful, image)
    assert torch.equal(sample.pred_panoptic.label_map(), truth.label_map())
    assert sample.pred_panoptic.labels.tolist() == [0, 1, 2]
    assert torch.equal(sample.pred_sem_seg.sem_seg[0], truth.label_map())
    # Two detections: the heat map's 1 at the center, times the softmax of (10, 0, 0).
    expected = torch.tensor([10.0, 0.0, 0.0]).softmax(0)[0].expand(2)
    torch.testing.assert_close(sample.pred_instances.scores, expected)
    assert sorted(sample.pred_instances.labels.tolist()) == [0, 1]
    masks = sample.pred_instances.masks.to_full((80, 113))
    for label, mask in zip(sample.pred_instances.labels.tolist(), masks, strict=True):
        assert torch.equal(mask, truth.label_map() == label)


@pytest.mark.parametrize("space", ["probabilities", "logits"])
@pytest.mark.parametrize(
    ("scales", "flip", "least"),
    [([1.0], True, 1.0), ([1.0], False, 1.0), ([2.0], True, 0.985), ([0.5, 1.0, 1.75], True, 0.985)],
    ids=["flip", "plain", "twice", "many"],
)
def test_views_of_the_truth_are_the_truth(
    scales: list[float], flip: bool, least: float, space: str, truthful: PanopticDeepLab
) -> None:
    image = _image()
    truth = _scene_of(image).label_map()
    truthful.tta = ViewSettings.read({"scales": scales, "flip": flip, "space": space})
    seg = _predict(truthful, image).pred_panoptic
    assert seg.labels.tolist() == [0, 1, 2]
    assert (seg.label_map() == truth).float().mean() >= least


def test_offsets_of_views_are_those_of_the_image(truthful: PanopticDeepLab) -> None:
    image = _image()
    truth = encode_centers(_scene_of(image))
    sample = DetDataSample(metainfo={"img_shape": (80, 113), "ori_shape": (80, 113)})
    inside = truth.offset_mask & (-nn.functional.max_pool2d(-truth.offset_mask[None].float(), 9, 1, 4)[0] > 0)
    for scales in ([1.0], [2.0], [0.5, 1.5]):
        truthful.tta = ViewSettings.read({"scales": scales, "flip": True})
        (output,) = truthful.predict_raw(image[None], [sample])
        off = (output.raw.offsets - truth.offsets)[:, inside].abs()
        assert off.max() < (1e-3 if scales == [1.0] else 1.2), scales


def test_offsets_at_another_size_are_pixels_of_that_size(truthful: PanopticDeepLab) -> None:
    sample = DetDataSample(metainfo={"img_shape": (80, 113), "ori_shape": (160, 339)})
    (output,) = truthful.predict_raw(_image()[None], [sample])
    truth = encode_centers(_scene_of(_image()))
    # Pixel (60, 105) of the result is read at (29.75, 34.83): 0.25 and 0.17 from pixel (30, 35), the center.
    ways = output.raw.offsets[:, 60, 105]
    where = torch.tensor([29.75, 105.5 / 3 - 0.5])
    center = truth.centers[0]
    torch.testing.assert_close(ways, (center - where) * torch.tensor([2.0, 3.0]), atol=1e-3, rtol=0)


def test_a_sigmoid_makes_values_of_logits(model: PanopticDeepLab) -> None:
    sample = DetDataSample(metainfo={"img_shape": (32, 32), "ori_shape": (32, 32)})
    image = torch.randn(1, 3, 32, 32)
    (plain,) = model.eval().predict_raw(image, [sample])
    model.head.heatmap_activation = "sigmoid"
    (squashed,) = model.predict_raw(image, [sample])
    torch.testing.assert_close(squashed.raw.center_heatmap, plain.raw.center_heatmap.sigmoid())


def test_votes_need_no_class_scores(model: PanopticDeepLab) -> None:
    image, sample = (
        torch.randn(3, 40, 56),
        DetDataSample(metainfo={"img_shape": (40, 56), "ori_shape": (64, 80)}),
    )
    with torch.no_grad():
        (full,) = model.eval().predict_raw(image[None], [sample])
        model.panoptic_fusion_head = CentersFusion(class_score="votes")
        (lean,) = model.predict_raw(image[None], [sample])
    assert lean.raw.sem_logits is None
    assert torch.equal(lean.raw.sem_seg, full.raw.semantic_labels())


# --- ensembles


def _step(model: PanopticDeepLab, batch: dict[str, Any]) -> list[DetDataSample]:
    with torch.no_grad():
        return model.eval().test_step(batch)


def test_two_copies_are_one(model: PanopticDeepLab, make_batch: Make) -> None:
    copy = MODELS.build(_config())
    copy.load_state_dict(model.state_dict())
    alone = _step(model, make_batch("things", "stuff"))
    model.join([copy.eval()])
    together = _step(model, make_batch("things", "stuff"))
    for one, two in zip(alone, together, strict=True):
        assert torch.equal(one.pred_panoptic.id_map, two.pred_panoptic.id_map)
        assert torch.equal(one.pred_sem_seg.sem_seg, two.pred_sem_seg.sem_seg)
        torch.testing.assert_close(one.pred_panoptic.scores, two.pred_panoptic.scores)
    assert len(list(model.parameters())) == len(list(copy.parameters()))  # partners are no parts


def test_members_are_averaged_and_normalise_for_themselves(model: PanopticDeepLab, make_batch: Make) -> None:
    torch.manual_seed(1)
    other = MODELS.build(_config(tta={"scales": [1.5], "flip": True}))
    other.data_preprocessor.mean.fill_(0.0)
    seen: list[Any] = []

    def look(member: PanopticDeepLab) -> Any:
        with torch.no_grad():
            data = member.eval().data_preprocessor(make_batch("things"), False)
            return member.predict_raw(data["inputs"], data["data_samples"])[0].raw

    model.keep_sem_logits = other.keep_sem_logits = True
    one, two = look(model), look(other)
    model.join([other])
    model.raw_transforms.append(lambda raw, _: seen.append(raw) or raw)
    _step(model, make_batch("things"))
    torch.testing.assert_close(seen[0].offsets, (one.offsets + two.offsets) / 2)
    torch.testing.assert_close(seen[0].center_heatmap, (one.center_heatmap + two.center_heatmap) / 2)
    mean = (one.sem_logits.softmax(0) + two.sem_logits.softmax(0)) / 2
    torch.testing.assert_close(seen[0].sem_logits.softmax(0), mean)


def test_boxes_have_no_mean(model: PanopticDeepLab, model_config: Callable[..., dict[str, Any]]) -> None:
    boxes = MODELS.build(model_config())
    with pytest.raises(TypeError, match="to predict maps alone, got PanopticTwoStageDetector"):
        model.join([boxes])
    with pytest.raises(TypeError, match="to predict maps alone, got PanopticTwoStageDetector"):
        boxes.join([model])


# --- settings


@pytest.mark.parametrize("scope", [None, "mmdet", "panoptic_heads"])
def test_string_config_builds_in_any_scope(scope: str | None) -> None:
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(_config(tta={"scales": [1]}))
    assert model.offset_loss.loss_weight == 0.25
    assert model.center_loss.loss_weight == 200
    assert model.semantic_loss.top_k == 0.15


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tta": {"scales": [1.0], "semantics_only": True}}, "`tta` without `semantics_only`, got True"),
        ({"size_divisor": 0}, "`size_divisor` to be at least 1, got 0"),
        (
            {"panoptic_fusion_head": {"type": "panoptic_heads.CentersFusion", "class_score": "mean"}},
            "`class_score` to be 'probability' or 'votes', got 'mean'",
        ),
    ],
)
def test_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MODELS.build(_config(**changes))


def test_fusion_asks_for_centers() -> None:
    with pytest.raises(ValueError, match="with `center_heatmap` and `offsets`, got none"):
        CentersFusion()(RawOutputs((2, 2), 1, 2, sem_seg=torch.zeros(2, 2).long()))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_views_on_a_gpu(truthful: PanopticDeepLab) -> None:
    truthful.tta = ViewSettings.read({"scales": [1.0, 1.5], "flip": True})
    image = _image()
    on_cpu = _predict(truthful, image).pred_panoptic
    on_gpu = _predict(truthful.cuda(), image.cuda()).pred_panoptic
    assert on_gpu.device.type == "cuda"
    assert (on_gpu.id_map.cpu() == on_cpu.id_map).float().mean() > 0.99
