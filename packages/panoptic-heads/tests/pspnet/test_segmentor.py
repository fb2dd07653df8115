"""PSPNet, tiny: shapes, losses, what testing fills in, and its size at full width."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import DefaultScope

from panoptic_core.complexity import measure
from panoptic_heads.common import ViewSettings
from panoptic_heads.pspnet import PSPNet, Windows
from panoptic_heads.registry import MODELS

Make = Callable[..., dict[str, Any]]
NUM_THINGS, NUM_STUFF = 2, 3


def _config(width: int = 8, feat_channels: int = 16, **changes: Any) -> dict[str, Any]:
    classes = {"num_things_classes": NUM_THINGS, "num_stuff_classes": NUM_STUFF}
    return {
        "type": "panoptic_heads.PSPNet",
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
            "base_channels": width,
            "strides": (1, 2, 1, 1),
            "dilations": (1, 1, 2, 4),
            "out_indices": (2, 3),
            "norm_eval": False,
        },
        "semantic_head": {
            "type": "panoptic_heads.PyramidPoolingHead",
            "in_channels": 8 * width,
            "feat_channels": feat_channels,
            **classes,
        },
        "auxiliary_head": {
            "type": "panoptic_heads.AuxiliaryHead",
            "in_channels": 4 * width,
            "feat_channels": feat_channels,
            "loss": {"type": "panoptic_heads.SemanticCrossEntropy", "loss_weight": 0.4},
            **classes,
        },
        **changes,
    }


@pytest.fixture
def model() -> PSPNet:
    torch.manual_seed(0)
    return MODELS.build(_config())


def _labels(model: PSPNet, image: torch.Tensor, ori: tuple[int, int] | None = None) -> torch.Tensor:
    size = (image.shape[1], image.shape[2])
    sample = DetDataSample(metainfo={"img_shape": size, "ori_shape": ori or size})
    with torch.no_grad():
        (sample,) = model.eval()(image[None], [sample], mode="predict")
    return sample.pred_sem_seg.sem_seg[0]


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (33, 40)])
def test_the_map_is_an_eighth_of_the_image(size: tuple[int, int], model: PSPNet) -> None:
    logits = model.eval()(torch.randn(2, 3, *size), mode="tensor")
    assert logits.shape == (2, 5, -(-size[0] // 8), -(-size[1] // 8))


def test_a_training_step_lowers_both_losses(model: PSPNet, make_batch: Make) -> None:
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.05, momentum=0.9)
    seen = []
    for _ in range(12):
        data = model.data_preprocessor(make_batch("things", "stuff"), training=True)
        total, logs = model.parse_losses(model(**data, mode="loss"))
        optimizer.zero_grad()
        total.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        seen.append((logs["loss_semantic"].item(), logs["loss_auxiliary"].item()))
    assert seen[-1][0] < 0.7 * seen[0][0]
    assert seen[-1][1] < 0.7 * seen[0][1]


def test_void_images_have_losses_of_zero_with_gradients(model: PSPNet, make_batch: Make) -> None:
    data = model.data_preprocessor(make_batch("void", "void"), training=True)
    total, logs = model.parse_losses(model.train()(**data, mode="loss"))
    total.backward()
    assert total == logs["loss_semantic"] == logs["loss_auxiliary"] == 0
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_auxiliary_loss_has_its_weight(model: PSPNet, make_batch: Make) -> None:
    data = model.data_preprocessor(make_batch("stuff", "things"), training=True)
    model.auxiliary_head.forward = model.semantic_head.forward
    model.semantic_head.reduce[-1].p = 0.0
    losses = model.train()(**data, mode="loss")
    torch.testing.assert_close(losses["loss_auxiliary"], 0.4 * losses["loss_semantic"])


def test_prediction_is_of_the_images_own_size(model: PSPNet) -> None:
    labels = _labels(model, torch.randn(3, 48, 64), ori=(97, 129))
    assert labels.shape == (97, 129)
    assert labels.dtype == torch.int64
    assert set(labels.unique().tolist()) <= set(range(5))


def test_padding_of_a_batch_does_not_matter(model: PSPNet) -> None:
    images = torch.randn(2, 3, 48, 64)
    samples = [
        DetDataSample(metainfo={"img_shape": size, "ori_shape": size}) for size in ((48, 64), (40, 56))
    ]
    with torch.no_grad():
        both = model.eval()(images, samples, mode="predict")
    assert torch.equal(both[1].pred_sem_seg.sem_seg[0], _labels(model, images[1, :, :40, :56]))


def test_a_window_that_covers_the_image_changes_nothing(model: PSPNet) -> None:
    image = torch.randn(3, 48, 64)
    whole = _labels(model, image)
    for size, stride in (((48, 64), (32, 40)), ((100, 100), (60, 60))):
        model.windows = Windows(size, stride)
        assert torch.equal(_labels(model, image), whole)
    model.windows = Windows((32, 32), (20, 20))
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape[2:])))
    assert _labels(model, image).shape == (48, 64)
    assert seen == [(32, 32)] * 2 * 3


def test_views_come_back_to_the_image(model: PSPNet) -> None:
    def pointwise(images: torch.Tensor) -> torch.Tensor:
        grey = images.sum(1)
        return torch.stack([grey, -grey, grey - 9, grey - 9, grey - 9], dim=1)

    image = torch.randn(3, 48, 64)
    model._logits = pointwise
    plain = _labels(model, image)
    assert 0.3 < plain.float().mean() < 0.7
    for tta in (
        {"scales": [1.0], "flip": False},
        {"scales": [1.0], "flip": True, "space": "logits"},
        {"scales": [2.0], "flip": True},
    ):
        model.tta = ViewSettings.read(tta)
        same = _labels(model, image) == plain
        assert same.float().mean() > (0.9 if tta["scales"] == [2.0] else 0.999), tta  # it is resized


def test_views_of_other_sizes(model: PSPNet) -> None:
    model.tta = ViewSettings.read({"scales": [0.5, 1.5], "flip": True})
    assert _labels(model, torch.randn(3, 48, 64), ori=(24, 30)).shape == (24, 30)


@pytest.mark.parametrize("scope", [None, "mmdet", "panoptic_heads"])
def test_string_config_builds_in_any_scope(scope: str | None) -> None:
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(_config(windows={"size": (9, 9), "stride": (4, 4)}, tta={"scales": [1]}))
    assert model.windows == Windows((9, 9), (4, 4))
    assert len(model.tta.views) == 2


def test_both_networks_have_the_parameters_that_the_paper_prints() -> None:
    # UPSNet, section 4.1: 91.6 M for Mask R-CNN and PSPNet with ResNet-50 on COCO. The auxiliary head, 2.4 M,
    # is no part of the network that is tested.
    spec = importlib.util.find_spec("mmdet")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / ".mim" / "configs" / "mask_rcnn" / "mask-rcnn_r50_fpn_1x_coco.py"
    if not path.is_file():
        pytest.skip("this installation of mmdet brings no configs")
    config = _config(64, 512, auxiliary_head=None)
    config["backbone"]["depth"] = 50
    config["semantic_head"].update(in_channels=2048, num_things_classes=80, num_stuff_classes=53)
    total = 0
    with DefaultScope.overwrite_default_scope("mmdet"), torch.device("meta"):
        for described in (config, Config.fromfile(path).model):
            total += measure(MODELS.build(described), (513, 513)).parameters
    assert total / 1e6 == pytest.approx(91.6, rel=0.01)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_windows_and_views_on_a_gpu(model: PSPNet) -> None:
    image = torch.randn(3, 48, 64)
    model.windows = Windows((32, 32), (20, 20))
    model.tta = ViewSettings.read({"scales": [1.0, 1.5], "flip": True})
    on_cpu = _labels(model, image)
    on_gpu = _labels(model.cuda(), image.cuda())
    assert on_gpu.device.type == "cuda"
    assert (on_gpu.cpu() == on_cpu).float().mean() > 0.99
