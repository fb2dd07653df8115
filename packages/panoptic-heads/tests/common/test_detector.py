"""The base detector: scopes, losses with and without targets, the border of raw outputs, what samples get."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.structures import DetDataSample
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import DefaultScope
from torch import Tensor

from panoptic_fusion import PanopticSegmentation, RawOutputs
from panoptic_heads.common import PanopticTwoStageDetector, TrainingState
from panoptic_heads.registry import MODELS

Make = Callable[..., dict[str, Any]]


def _losses(model: PanopticTwoStageDetector, batch: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    data = model.data_preprocessor(batch, training=True)
    return model.parse_losses(model.loss(data["inputs"], data["data_samples"]))


def _predict(model: PanopticTwoStageDetector, batch: dict[str, Any]) -> list[DetDataSample]:
    data = model.data_preprocessor(batch, training=False)
    with torch.no_grad():
        return model.eval().predict(data["inputs"], data["data_samples"])


@pytest.mark.parametrize("scope", [None, "mmdet", "mmengine", "panoptic_heads"])
@pytest.mark.parametrize("registry", [MODELS, MMDET_MODELS, MMENGINE_MODELS], ids=["ours", "mmdet", "root"])
def test_string_config_builds_in_any_scope(scope: str | None, registry: Any, model_config: Make) -> None:
    with DefaultScope.overwrite_default_scope(scope):
        model = registry.build(model_config())
    assert isinstance(model, PanopticTwoStageDetector)
    assert type(model.backbone).__module__.startswith("mmdet.")


@pytest.mark.parametrize(
    "kinds",
    [("things", "things"), ("things", "stuff"), ("stuff", "stuff"), ("crowd", "crowd"), ("void", "void")],
    ids="+".join,
)
def test_every_parameter_has_a_gradient_whatever_the_targets(
    kinds: tuple[str, ...], model_config: Make, make_batch: Make
) -> None:
    torch.manual_seed(0)
    model = MODELS.build(model_config()).train()
    total, logs = _losses(model, make_batch(*kinds))
    total.backward()
    names = {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_mask", "loss_semantic", "loss"}
    assert names <= logs.keys()
    assert all(torch.isfinite(value).all() for value in logs.values())
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    if "things" not in kinds:
        assert logs["loss_bbox"] == logs["loss_mask"] == logs["loss_rpn_bbox"] == 0
    if kinds == ("void", "void"):
        assert logs["loss_semantic"] == 0


def test_no_proposal_at_all_still_attaches_the_box_head(model_config: Make, make_batch: Make) -> None:
    model = MODELS.build(model_config()).train()
    model.train_cfg.rpn_proposal.min_bbox_size = 10_000
    total, logs = _losses(model, make_batch("stuff"))
    total.backward()
    assert logs["loss_cls"] == 0
    assert all(p.grad is not None for p in model.roi_head.bbox_head.parameters())


def test_training_leaves_the_samples_as_they_are(model_config: Make, make_batch: Make) -> None:
    model = MODELS.build(model_config()).train()
    batch = make_batch("things")
    before = copy.deepcopy(batch["data_samples"][0])
    data = model.data_preprocessor(batch, training=True)
    model.loss(data["inputs"], data["data_samples"])
    after = data["data_samples"][0]
    assert torch.equal(after.gt_instances.labels, before.gt_instances.labels)
    assert torch.equal(after.gt_instances.bboxes, before.gt_instances.bboxes)


class _Spy(PanopticTwoStageDetector):
    def extra_losses(self, state: TrainingState) -> dict[str, Tensor]:
        self.state = state
        return {"loss_of_mine": state.sem_logits.sum() * 0}


def test_extra_losses_see_the_step(model_config: Make, make_batch: Make) -> None:
    model = _Spy(**{k: v for k, v in model_config().items() if k != "type"}).train()
    _, logs = _losses(model, make_batch("things", "stuff"))
    state = model.state
    assert "loss_of_mine" in logs
    assert len(state.features) == 6
    assert state.sem_logits.shape == (2, 5, 16, 24)
    assert state.sem_logits_full.shape == (2, 5, *state.input_size) == (2, 5, 64, 96)
    first, second = state.rois.mask_logits
    positives = len(state.rois.boxes[0])
    assert positives >= 2  # ground-truth boxes are among the RoIs
    assert first.shape == (positives, 8, 8)
    assert second.shape == (0, 8, 8)
    assert first.requires_grad
    assert torch.equal(
        state.rois.labels[0], state.samples[0].gt_instances.labels[state.rois.target_indices[0]]
    )
    for scores, deltas, result in zip(
        state.rois.cls_scores, state.rois.box_deltas, state.rois.sampling_results, strict=True
    ):
        assert len(scores) == len(deltas) == len(result.priors)


def test_prediction_fills_the_samples(model_config: Make, make_batch: Make) -> None:
    torch.manual_seed(0)
    config = model_config()
    config["test_cfg"]["rcnn"]["score_thr"] = 0.0  # an untrained network is not sure of anything
    model = MODELS.build(config)
    batch = make_batch("things", "stuff", size=(50, 70))
    for sample in batch["data_samples"]:
        sample.set_metainfo({"ori_shape": (100, 140), "scale_factor": (0.5, 0.5)})
    for sample in _predict(model, batch):
        seg = sample.pred_panoptic
        assert isinstance(seg, PanopticSegmentation)
        assert seg.shape == (100, 140)
        assert sample.pred_panoptic_seg.sem_seg.shape == (1, 100, 140)
        assert sample.pred_sem_seg.sem_seg.shape == (1, 100, 140)
        found = sample.pred_instances
        assert 0 < len(found) <= 100
        assert found.bboxes[:, 2].max() > 70  # in the image's own pixels
        assert (found.bboxes >= 0).all()
        assert (found.bboxes <= torch.tensor([140.0, 100.0, 140.0, 100.0])).all()
        assert found.masks.mask_logits.shape == (len(found), 8, 8)
        assert (found.scores[:-1] >= found.scores[1:]).all()


def test_collapsed_things_have_no_semantic_prediction(model_config: Make, make_batch: Make) -> None:
    config = model_config()
    config["semantic_head"]["collapse_things"] = True
    sample = _predict(MODELS.build(config), make_batch("things"))[0]
    assert "pred_sem_seg" not in sample
    assert set(sample.pred_panoptic.labels[~sample.pred_panoptic.is_thing].tolist()) <= {2, 3, 4}


def test_raw_transforms_sit_before_fusion(model_config: Make, make_batch: Make) -> None:
    model = MODELS.build(model_config())

    def oracle(raw: RawOutputs, sample: DetDataSample) -> RawOutputs:
        raw.sem_seg = sample.gt_sem_seg.sem_seg[0]
        return raw

    model.raw_transforms.append(oracle)
    batch = make_batch("stuff")
    expected = batch["data_samples"][0].gt_panoptic.label_map()
    sample = _predict(model, batch)[0]
    stuff = sample.pred_panoptic.select(~sample.pred_panoptic.is_thing).label_map()
    assert torch.equal(stuff[stuff != 255], expected[stuff != 255])
    assert (stuff != 255).any()


def test_panoptic_box_filter_never_touches_average_precision(model_config: Make, make_batch: Make) -> None:
    config = model_config()
    config["test_cfg"]["rcnn"]["score_thr"] = 0.0
    batch = make_batch("things")
    torch.manual_seed(1)
    plain = MODELS.build(config)
    state = plain.state_dict()
    config["test_cfg"]["panoptic"] = {
        "score_thr": 0.0,
        "nms": {"type": "nms", "iou_threshold": 0.1},
        "max_per_img": 7,
    }
    filtered = MODELS.build(config)
    filtered.load_state_dict(state)
    outputs = []
    for model in (plain, filtered):
        data = model.eval().data_preprocessor(copy.deepcopy(batch), training=False)
        with torch.no_grad():
            outputs.append(model.predict_raw(data["inputs"], data["data_samples"])[0])
    assert torch.equal(outputs[0].instances.bboxes, outputs[1].instances.bboxes)
    assert torch.equal(outputs[0].instances.scores, outputs[1].instances.scores)
    torch.testing.assert_close(outputs[0].instances.masks.mask_logits, outputs[1].instances.masks.mask_logits)
    assert len(outputs[0].raw.masks) == len(outputs[0].instances)  # no filter of its own: the same boxes
    assert len(outputs[1].raw.masks) <= 7


def test_winner_and_kept_logits_agree(model_config: Make, make_batch: Make) -> None:
    model = MODELS.build(model_config()).eval()
    data = model.data_preprocessor(make_batch("things"), training=False)
    with torch.no_grad():
        lean = model.predict_raw(data["inputs"], data["data_samples"])[0].raw
        model.keep_sem_logits = True
        full = model.predict_raw(data["inputs"], data["data_samples"])[0].raw
    assert lean.sem_logits is None
    assert torch.equal(full.sem_logits.argmax(dim=0), lean.sem_seg)
    assert torch.equal(full.sem_seg, lean.sem_seg)


def test_tensor_mode_runs_every_head(model_config: Make) -> None:
    model = MODELS.build(model_config()).eval()
    outputs = model(torch.randn(1, 3, 64, 96), mode="tensor")
    assert outputs[-1].shape == (1, 5, 16, 24)
    assert len(outputs[0]) == 6  # the RPN's levels


def test_autocast_keeps_losses_in_float32(model_config: Make, make_batch: Make) -> None:
    model = MODELS.build(model_config()).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, logs = _losses(model, make_batch("things"))
    total.backward()
    assert logs["loss_semantic"].dtype == torch.float32
    assert all(torch.isfinite(value).all() for value in logs.values())
