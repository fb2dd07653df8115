"""TASCNet: the loss inside a training step, staged training, the residual, the config's choices."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.structures import PixelData
from torch import Tensor

from panoptic_heads.registry import METRICS, MODELS
from panoptic_heads.tascnet import TASCNet, semantic_thing_map, tasc_loss, valid_pixels
from panoptic_heads.tascnet.consistency import flatten_batch

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def tascnet(model_config: Make) -> Callable[..., TASCNet]:
    def make(**changes: Any) -> TASCNet:
        torch.manual_seed(0)
        fusion = {"type": "panoptic_heads.MaskGuidedFusion"}
        model: TASCNet = MODELS.build(
            model_config(type="panoptic_heads.TASCNet", panoptic_fusion_head=fusion, **changes)
        )
        return model

    return make


def _losses(model: TASCNet, batch: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    data = model.train().data_preprocessor(batch, training=True)
    return model.parse_losses(model.loss(data["inputs"], data["data_samples"]))


@pytest.mark.parametrize("resolution", ["image", "quarter"])
@pytest.mark.parametrize(
    "kinds", [("things", "things"), ("things", "void"), ("crowd", "stuff"), ("void", "void")], ids="+".join
)
def test_every_parameter_has_a_gradient_whatever_the_targets(
    resolution: str, kinds: tuple[str, ...], tascnet: Callable[..., TASCNet], make_batch: Make
) -> None:
    model = tascnet(tasc_resolution=resolution)
    total, logs = _losses(model, make_batch(*kinds))
    total.backward()
    assert all(torch.isfinite(value).all() for value in logs.values())
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    if kinds == ("void", "void"):
        assert logs["loss_tasc"] == 0


def test_loss_is_the_functions_put_together(tascnet: Callable[..., TASCNet], make_batch: Make) -> None:
    model = tascnet(tasc_weight=0.5)
    states = []
    original = model.extra_losses
    model.extra_losses = lambda state: (states.append(state), original(state))[1]
    _, logs = _losses(model, make_batch("things", "crowd", size=(60, 90)))
    (state,) = states
    assert state.input_size == (64, 96)  # padded
    valid = valid_pixels([sample.gt_panoptic for sample in state.samples], (64, 96))
    assert not valid[:, 60:].any()
    assert not valid[1, 10:30, 10:40].any()
    things = flatten_batch(state.rois.mask_logits, state.rois.boxes, (64, 96))
    semantic = semantic_thing_map(state.sem_logits_full, 2)
    assert logs["loss_tasc"].item() == pytest.approx(0.5 * tasc_loss(things, semantic, valid).item())
    assert logs["loss_tasc"] > 0


def test_the_loss_alone_reaches_both_heads(tascnet: Callable[..., TASCNet], make_batch: Make) -> None:
    model = tascnet()
    # Confident everywhere: masks say 0.9, semantics say thing.
    torch.nn.init.constant_(model.roi_head.mask_head.conv_logits.bias, 2.2)
    torch.nn.init.constant_(model.semantic_head.score.bias, 0.0)
    model.semantic_head.score.bias.data[0] = 3.0
    data = model.train().data_preprocessor(make_batch("things"), training=True)
    model.loss(data["inputs"], data["data_samples"])["loss_tasc"].backward()
    assert model.roi_head.mask_head.conv_logits.weight.grad.abs().sum() > 0
    assert model.semantic_head.score.weight.grad.abs().sum() > 0
    assert model.backbone.conv1.weight.grad.abs().sum() > 0
    assert model.roi_head.bbox_head.fc_cls.weight.grad is None  # boxes are where the masks are, no more


def test_weight_zero_is_no_loss(tascnet: Callable[..., TASCNet], make_batch: Make) -> None:
    _, logs = _losses(tascnet(tasc_weight=0.0), make_batch("things"))
    assert "loss_tasc" not in logs


@pytest.mark.parametrize(
    ("stage", "frozen", "missing"),
    [
        ("things", ("semantic_head",), {"loss_semantic", "loss_tasc"}),
        ("stuff", ("rpn_head", "roi_head"), {"loss_rpn_cls", "loss_cls", "loss_mask", "loss_tasc"}),
    ],
)
def test_a_stage_trains_one_head(
    stage: str,
    frozen: tuple[str, ...],
    missing: set[str],
    tascnet: Callable[..., TASCNet],
    make_batch: Make,
) -> None:
    model = tascnet(stage=stage)
    total, logs = _losses(model, make_batch("things", "stuff"))
    total.backward()
    assert not missing & logs.keys()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith(frozen), name


def test_joint_training_loads_what_a_stage_saved(tascnet: Callable[..., TASCNet]) -> None:
    assert tascnet(stage="stuff").state_dict().keys() == tascnet().state_dict().keys()


def test_a_stage_predicts_its_own_kind(tascnet: Callable[..., TASCNet], make_batch: Make) -> None:
    for stage in ("things", "stuff"):
        model = tascnet(stage=stage).eval()
        data = model.data_preprocessor(make_batch("things"), training=False)
        with torch.no_grad():
            sample = model.predict(data["inputs"], data["data_samples"])[0]
        assert not sample.pred_panoptic.is_thing.any()
        if stage == "things":  # no semantic map: nothing guides the fusion, and there is no stuff
            assert len(sample.pred_panoptic) == 0
            assert "pred_sem_seg" not in sample
        else:
            assert len(sample.pred_instances) == 0
            assert len(sample.pred_panoptic) > 0


def test_residual_is_predicted_on_demand_and_measured(
    tascnet: Callable[..., TASCNet], make_batch: Make
) -> None:
    model = tascnet(predict_residual=True).eval()
    model.semantic_head.score.bias.data[1] = 9.0  # semantics see class 1 everywhere; detections are not sure
    data = model.data_preprocessor(make_batch("things", size=(60, 90)), training=False)
    with torch.no_grad():
        sample = model.predict(data["inputs"], data["data_samples"])[0]
    residual = sample.pred_residual.residual
    assert residual.shape == (1, 60, 90)
    assert (residual < -0.9).all()
    metric = METRICS.build({"type": "ThingsStuffResidual"})
    metric.process({}, [sample.to_dict()])
    assert metric.evaluate(1)["tasc/residual"] == pytest.approx(residual.square().mean().item())


def test_residual_metric_leaves_out_void_and_crowd(make_batch: Make) -> None:
    metric = METRICS.build({"type": "ThingsStuffResidual"})
    crowd, void = make_batch("crowd", "void")["data_samples"]
    residual = torch.zeros(1, 64, 96)
    residual[:, 10:30, 10:40] = 1.0  # the crowd
    residual[:, 0, 0] = 0.5
    for sample in (crowd, void):
        sample.pred_residual = PixelData(residual=residual)
        metric.process({}, [sample.to_dict()])
    # 0.5^2 at one of the 64 * 96 - 20 * 30 annotated pixels
    assert metric.evaluate(2)["tasc/residual"] == pytest.approx(0.25 / (64 * 96 - 600))


def test_errors(tascnet: Callable[..., TASCNet], make_batch: Make) -> None:
    with pytest.raises(
        ValueError, match=r"`tasc_resolution` to be one of \['image', 'quarter'\], got 'half'"
    ):
        tascnet(tasc_resolution="half")
    with pytest.raises(ValueError, match=r"`stage` to be one of .*, got 'both'"):
        tascnet(stage="both")
    with pytest.raises(ValueError, match=r"`tasc_weight` to be 0 or more, got -1"):
        tascnet(tasc_weight=-1)
    batch = make_batch("things")
    del batch["data_samples"][0].gt_panoptic
    with pytest.raises(ValueError, match=r"`gt_panoptic`, .*End the training pipeline with"):
        _losses(tascnet(), batch)
