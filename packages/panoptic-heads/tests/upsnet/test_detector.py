"""UPSNet: its losses inside a training step, what they reach, and that inference is their argmax."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_fusion import BoxMasks, RawOutputs, argmax_panoptic_logits
from panoptic_heads.common import NO_TARGET, PanopticLogitsFusion, TrainingState
from panoptic_heads.registry import MODELS
from panoptic_heads.upsnet import UPSNet, panoptic_cross_entropy, panoptic_target

Make = Callable[..., dict[str, Any]]
HEAD = {
    "type": "panoptic_heads.DeformableSemanticHead",
    "num_things_classes": 2,
    "num_stuff_classes": 3,
    "in_channels": 16,
    "feat_channels": 16,
    "num_convs": 2,
}


@pytest.fixture
def upsnet(model_config: Make) -> Callable[..., UPSNet]:
    def make(**changes: Any) -> UPSNet:
        torch.manual_seed(0)
        parts = {
            "type": "panoptic_heads.UPSNet",
            "semantic_head": HEAD,
            "panoptic_fusion_head": {"type": "panoptic_heads.PanopticLogitsFusion", "stuff_area_limit": 4},
        }
        model: UPSNet = MODELS.build(model_config(**{**parts, **changes}))
        return model

    return make


def _losses(model: UPSNet, batch: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    data = model.train().data_preprocessor(batch, training=True)
    return model.parse_losses(model.loss(data["inputs"], data["data_samples"]))


def _state(model: UPSNet, batch: dict[str, Any]) -> TrainingState:
    states = []
    original = model.extra_losses
    model.extra_losses = lambda state: (states.append(state), original(state))[1]
    _losses(model, batch)
    model.extra_losses = original
    return states[0]


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize(
    "kinds", [("things", "things"), ("things", "void"), ("crowd", "stuff"), ("void", "void")], ids="+".join
)
def test_every_parameter_has_a_gradient_whatever_the_targets(
    unknown: bool, kinds: tuple[str, ...], upsnet: Callable[..., UPSNet], make_batch: Make
) -> None:
    model = upsnet(unknown=unknown)
    total, logs = _losses(model, make_batch(*kinds))
    total.backward()
    assert all(torch.isfinite(value).all() for value in logs.values())
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    if kinds == ("void", "void"):
        assert logs["loss_panoptic"] == logs["loss_semantic_roi"] == 0
    if "things" in kinds:
        assert logs["loss_panoptic"] > 0
        assert logs["loss_semantic_roi"] > 0


def test_the_panoptic_loss_alone_reaches_all_three(upsnet: Callable[..., UPSNet], make_batch: Make) -> None:
    model = upsnet()
    data = model.train().data_preprocessor(make_batch("things", "things"), training=True)
    model.loss(data["inputs"], data["data_samples"])["loss_panoptic"].backward()
    for part in (
        model.backbone.conv1,
        model.semantic_head.branch.score,
        model.semantic_head.branch.layers[0].conv,
        model.semantic_head.branch.layers[0].offset,
        model.roi_head.mask_head.convs[0].conv,
        model.roi_head.mask_head.conv_logits,
    ):
        assert part.weight.grad.abs().sum() > 0
    assert model.roi_head.bbox_head.fc_cls.weight.grad is None  # boxes and classes are the ground truth's
    assert model.rpn_head.rpn_cls.weight.grad is None


def test_loss_is_the_functions_put_together(upsnet: Callable[..., UPSNet], make_batch: Make) -> None:
    model = upsnet(panoptic_weight=0.25, roi_weight=0.1, drop_fraction=0.0)
    state = _state(model, make_batch("things", "crowd", size=(60, 90)))
    assert state.input_size == (64, 96)  # padded
    visible = [torch.ones(2, dtype=torch.bool), torch.zeros(0, dtype=torch.bool)]
    logits = model.panoptic_logits(state, visible)
    # three stuff classes, two instances and none, unknown
    assert [tuple(z.shape) for z in logits] == [(6, 16, 24), (4, 16, 24)]
    targets = [
        panoptic_target(
            sample.gt_panoptic,
            sample.gt_instances.segment_ids,
            own,
            (16, 24),
            input_size=(64, 96),
            num_things=2,
            num_stuff=3,
        )
        for sample, own in zip(state.samples, visible, strict=True)
    ]
    assert (targets[0][15:] == NO_TARGET).all()  # padding
    assert (targets[1] == 3).sum() > 0  # the crowd is unknown
    expected = panoptic_cross_entropy(logits, targets)
    torch.testing.assert_close(model.extra_losses(state)["loss_panoptic"], 0.25 * expected)
    torch.testing.assert_close(model.extra_losses(state)["loss_semantic_roi"], 0.1 * model.roi_loss(state))


def test_dropped_instances_keep_their_other_losses(
    upsnet: Callable[..., UPSNet], make_batch: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = upsnet()
    asked = []
    original = model.roi_head.mask_logits_in_boxes

    def ask(features: Any, boxes: list[Tensor], labels: list[Tensor]) -> Any:
        asked.append([len(each) for each in boxes])
        return original(features, boxes, labels)

    monkeypatch.setattr(model.roi_head, "mask_logits_in_boxes", ask)
    state = _state(model, make_batch("things", "things"))
    # round(2 * 0.7) = 1 of two instances keeps its channel; RoI loss and Mask R-CNN see both.
    assert asked == [[1, 1]]
    assert [len(sample.gt_instances) for sample in state.samples] == [2, 2]
    model.unknown = False
    asked.clear()
    model.extra_losses(state)
    assert asked == [[2, 2]]  # nothing is dropped


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("kind", ["things", "stuff"])
@pytest.mark.parametrize("bias", [0.0, -5.0], ids=["", "all-negative"])
def test_inference_is_the_argmax_of_the_training_logits(
    unknown: bool, kind: str, bias: float, upsnet: Callable[..., UPSNet], make_batch: Make
) -> None:
    model = upsnet(unknown=unknown)
    torch.nn.init.normal_(model.semantic_head.branch.score.weight, std=1.0)
    torch.nn.init.constant_(model.semantic_head.branch.score.bias, bias)
    torch.nn.init.constant_(model.roi_head.mask_head.conv_logits.bias, 3.0)  # an empty mask would be pruned
    state = _state(model, make_batch(kind, size=(64, 96)))
    instances = state.samples[0].gt_instances
    with torch.no_grad():
        (dense,) = model.panoptic_logits(state, [torch.ones(len(instances), dtype=torch.bool)])
        (mask_logits,) = model.roi_head.mask_logits_in_boxes(
            state.features, [instances.bboxes], [instances.labels]
        )
    masks = BoxMasks.from_logits(mask_logits, instances.bboxes).rescale(0.25, 0.25)
    lean = argmax_panoptic_logits(
        state.sem_logits[0].detach(), masks, instances.labels, num_things=2, unknown=unknown
    )
    assert torch.equal(lean.long(), dense.argmax(dim=0))
    assert len(lean.unique()) > 1

    # The fusion that the config names, with its filters open, says the same.
    fusion = PanopticLogitsFusion(
        score_thr=0.0, box_nms=1.0, prune=1.0, resolve=False, stuff_area_limit=0, unknown=unknown
    )
    raw = RawOutputs(
        size=(16, 24),
        num_things=2,
        num_classes=5,
        sem_logits=state.sem_logits[0].detach(),
        masks=masks,
        labels=instances.labels,
        scores=torch.linspace(0.9, 0.8, len(instances)),
    )
    labels = torch.cat([torch.arange(2, 5), instances.labels, torch.tensor([255])])
    assert torch.equal(fusion(raw).label_map(), labels[lean.long()])


def test_predicts(upsnet: Callable[..., UPSNet], make_batch: Make) -> None:
    model = upsnet().eval()
    data = model.data_preprocessor(make_batch("things", "void", size=(60, 90)), training=False)
    with torch.no_grad():
        samples = model.predict(data["inputs"], data["data_samples"])
    for sample in samples:
        assert sample.pred_panoptic.shape == (60, 90)
        assert sample.pred_sem_seg.sem_seg.shape == (1, 60, 90)


def test_augmented_views_change_semantics_alone(upsnet: Callable[..., UPSNet], make_batch: Make) -> None:
    # Sections 4 and 6.1: semantic logits are averaged, boxes and masks are those of the plain input.
    views = {"semantics_only": True, "space": "logits"}
    plain, one, several = (
        upsnet(tta=tta).eval()
        for tta in (None, {"scales": [1.0], "flip": False, **views}, {"scales": [0.5, 1.0], **views})
    )
    data = plain.data_preprocessor(make_batch("things", size=(60, 90)), training=False)
    with torch.no_grad():
        raw, same, merged = (
            model.predict_raw(data["inputs"], data["data_samples"])[0].raw for model in (plain, one, several)
        )
    torch.testing.assert_close(same.sem_logits, raw.sem_logits)
    assert torch.equal(merged.masks.mask_logits, raw.masks.mask_logits)
    assert torch.equal(merged.boxes, raw.boxes)
    assert not torch.allclose(merged.sem_logits, raw.sem_logits)


def test_switches_of_table_6(upsnet: Callable[..., UPSNet], make_batch: Make) -> None:
    batch = make_batch("things")
    assert "loss_panoptic" not in _losses(upsnet(panoptic_weight=0.0), batch)[1]
    assert "loss_semantic_roi" not in _losses(upsnet(roi_weight=0.0), batch)[1]
    everything = _losses(upsnet(divide_by="all"), make_batch("things", "void"))[1]["loss_panoptic"]
    valid = _losses(upsnet(), make_batch("things", "void"))[1]["loss_panoptic"]
    torch.testing.assert_close(everything, valid / 2)  # half of the batch is void


def test_tiny_boxes_and_autocast(upsnet: Callable[..., UPSNet], make_batch: Make) -> None:
    batch = make_batch("things")
    # no pixel centre of the quarter map lies in the first box
    batch["data_samples"][0].gt_instances.bboxes[0] = torch.tensor([8.2, 8.2, 9.2, 9.2])
    model = upsnet(drop_fraction=0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, logs = _losses(model, batch)
    assert torch.isfinite(total)
    assert logs["loss_panoptic"] > 0
    total.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_errors(upsnet: Callable[..., UPSNet], make_batch: Make) -> None:
    with pytest.raises(ValueError, match="`panoptic_weight` to be 0 or more, got -1"):
        upsnet(panoptic_weight=-1)
    with pytest.raises(ValueError, match=r"`drop_fraction` to be in \[0, 1\], got 1.5"):
        upsnet(drop_fraction=1.5)
    with pytest.raises(ValueError, match=r"`divide_by` to be one of \['valid', 'all'\], got 'mean'"):
        upsnet(divide_by="mean")
    with pytest.raises(ValueError, match=r"got `collapse_things=True`: there is no X_thing"):
        upsnet(semantic_head={**HEAD, "collapse_things": True})
    batch = make_batch("things")
    del batch["data_samples"][0].gt_instances.segment_ids
    with pytest.raises(ValueError, match=r"`segment_ids` in `gt_instances`, .*End the training"):
        _losses(upsnet(), batch)
