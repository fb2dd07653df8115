"""A box-based model without a mask head: it trains and predicts, and what needs masks says so when built."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from panoptic_core.complexity import measure
from panoptic_core.oracles import apply_oracles
from panoptic_fusion import RawOutputs
from panoptic_heads.common import PanopticTwoStageDetector
from panoptic_heads.common.tta import ViewSettings
from panoptic_heads.registry import MODELS

Make = Callable[..., dict[str, Any]]
FUSION = {"type": "panoptic_heads.dense_affinity.AffinityFusion", "form": "mask_free", "stuff_area_limit": 0}


@pytest.fixture
def config(model_config: Make) -> Make:
    """Return a function that makes the tiny model's config without a mask head."""

    def make(**changes: Any) -> dict[str, Any]:
        config = model_config(panoptic_fusion_head=FUSION)
        config["roi_head"].update(mask_head=None, mask_roi_extractor=None)
        config["test_cfg"]["rcnn"]["score_thr"] = 0.0
        return {**config, **changes}

    return make


@pytest.fixture
def model(config: Make) -> PanopticTwoStageDetector:
    torch.manual_seed(0)
    model: PanopticTwoStageDetector = MODELS.build(config())
    return model


def _predict(model: PanopticTwoStageDetector, batch: dict[str, Any]) -> list[DetDataSample]:
    data = model.data_preprocessor(copy.deepcopy(batch), training=False)
    with torch.no_grad():
        return model.eval().predict(data["inputs"], data["data_samples"])


@pytest.mark.parametrize(
    "kinds", [("things", "stuff"), ("stuff", "stuff"), ("crowd", "void")], ids=lambda kinds: "+".join(kinds)
)
@pytest.mark.parametrize("with_truth", [True, False], ids=["masks in the truth", "boxes in the truth"])
def test_training(
    kinds: tuple[str, ...], with_truth: bool, model: PanopticTwoStageDetector, make_batch: Make
) -> None:
    batch = make_batch(*kinds)
    if not with_truth:
        for sample in batch["data_samples"]:
            del sample.gt_instances.masks
    data = model.data_preprocessor(batch, training=True)
    total, logs = model.parse_losses(model.loss(data["inputs"], data["data_samples"]))
    total.backward()
    assert "loss_mask" not in logs
    assert {"loss_cls", "loss_bbox", "loss_semantic"} <= logs.keys()
    assert all(torch.isfinite(value).all() for value in logs.values())
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def test_training_context_has_boxes_alone(model: PanopticTwoStageDetector, make_batch: Make) -> None:
    data = model.data_preprocessor(make_batch("things"), training=True)
    proposals = [InstanceData(bboxes=torch.tensor([[8.0, 8.0, 41.0, 40.0]]))]
    features = model.extract_feat(data["inputs"])
    _, context = model.roi_head.loss_and_context(features, proposals, data["data_samples"])
    assert context.mask_logits is None
    assert [len(boxes) for boxes in context.boxes] == [3]  # two true boxes and the proposal


@pytest.mark.parametrize(
    "tta", [None, {"scales": [1.0, 0.5]}, {"scales": [0.5], "semantics_only": True}], ids=["", "tta", "sem"]
)
def test_prediction(
    tta: dict[str, Any] | None, model: PanopticTwoStageDetector, make_batch: Make, tmp_path: Path
) -> None:
    model.tta = None if tta is None else ViewSettings.read(tta)
    raws: list[RawOutputs] = []

    def keep(raw: RawOutputs, sample: DetDataSample) -> RawOutputs:
        raws.append(raw)
        return raw

    model.raw_transforms = [keep]
    batch = make_batch("things", "stuff")
    for sample in batch["data_samples"]:  # the result is twice as large as the network's input
        sample.set_metainfo({"ori_shape": (128, 192), "scale_factor": (0.5, 0.5)})
    samples = _predict(model, batch)
    for raw, sample in zip(raws, samples, strict=True):
        found = sample.pred_instances
        assert "masks" not in found
        assert len(found)
        assert len(found.bboxes) == len(found.scores) == len(found.labels)
        assert 96 < float(found.bboxes[:, 2].max()) <= 192
        assert raw.masks is not None
        assert not raw.masks.has_masks
        assert torch.equal(raw.masks.boxes, found.bboxes)  # one filter for both
        assert sample.pred_panoptic.shape == (128, 192)
        raw.save(tmp_path / "one.npz")
        back = RawOutputs.load(tmp_path / "one.npz")
        assert torch.equal(model.fuse(back).id_map, sample.pred_panoptic.id_map)


def test_no_detection(model: PanopticTwoStageDetector, make_batch: Make) -> None:
    model.test_cfg.rcnn.score_thr = model.roi_head.test_cfg.score_thr = 1.0
    (sample,) = _predict(model, make_batch("things"))
    assert len(sample.pred_instances) == 0
    assert "masks" not in sample.pred_instances
    assert not sample.pred_panoptic.is_thing.any()


@pytest.mark.parametrize("oracle", ["boxes", "boxes+classes"])
def test_true_boxes(oracle: str, model: PanopticTwoStageDetector, make_batch: Make) -> None:
    apply_oracles(model, oracle.split("+"))
    (sample,) = _predict(model, make_batch("things"))
    assert "masks" not in sample.pred_instances
    boxes: list[list[float]] = sample.pred_instances.bboxes.tolist()
    assert sorted(boxes) == [[8, 8, 40, 40], [50, 20, 80, 60]]
    if oracle == "boxes+classes":
        assert sample.pred_instances.scores.tolist() == [1, 1]


def test_two_filters(model: PanopticTwoStageDetector) -> None:
    boxes = torch.tensor([[10.0, 0.0, 18.0, 8.0], [40.0, 0.0, 50.0, 8.0]])
    scores = torch.tensor([[0.9, 0.0, 0.1], [0.0, 0.4, 0.6]])
    strict = {"score_thr": 0.5, "nms": {"type": "nms", "iou_threshold": 0.5}, "max_per_img": 4}
    ((ap, panoptic),) = model.roi_head.predict_in_boxes((), [(boxes, scores)], panoptic_filter=strict)
    assert sorted(panoptic.keys()) == ["bboxes", "labels", "scores"]
    assert panoptic.scores.tolist() == pytest.approx([0.9])
    assert ap.scores[ap.scores > 0].tolist() == pytest.approx([0.9, 0.4])


def test_its_parts_are_counted(config: Make) -> None:
    with torch.device("meta"):
        model = MODELS.build(config())
    names = [part.name for part in measure(model, (64, 96)).parts]
    assert "roi_head.bbox_head" in names
    assert not any("mask" in name for name in names)


def _tasc(config: Make) -> dict[str, Any]:
    return config(type="panoptic_heads.tascnet.TASCNet")


def _upsnet(config: Make) -> dict[str, Any]:
    return config(type="panoptic_heads.upsnet.UPSNet")


def _oanet(config: Make) -> dict[str, Any]:
    ranking = {"type": "panoptic_heads.oanet.SpatialRanking", "num_things_classes": 2}
    return config(type="panoptic_heads.oanet.OANet", ranking_head=ranking)


@pytest.mark.parametrize(
    ("make", "reader"),
    [(_tasc, "`tasc_weight` above 0"), (_upsnet, "`panoptic_weight` above 0"), (_oanet, "`ranking_head`")],
    ids=["tascnet", "upsnet", "oanet"],
)
def test_a_method_that_reads_masks_says_so(make: Callable[[Make], Any], reader: str, config: Make) -> None:
    with pytest.raises(ValueError, match=rf"`mask_head` for {reader}, got none"):
        MODELS.build(make(config))


@pytest.mark.parametrize(
    "fusion",
    [
        {"type": "panoptic_heads.ConfidenceFusion"},
        {"type": "panoptic_heads.MaskGuidedFusion"},
        {"type": "panoptic_heads.PanopticLogitsFusion"},
        {"type": "panoptic_heads.RankingFusion", "order": "score"},
        {**FUSION, "form": "product"},
        {**FUSION, "form": "logit_sum"},
    ],
    ids=lambda fusion: fusion["type"].split(".")[-1] + fusion.get("form", ""),
)
def test_a_fusion_that_reads_masks_says_so(
    fusion: dict[str, Any], config: Make, model: PanopticTwoStageDetector, make_batch: Make
) -> None:
    with pytest.raises(ValueError, match=r"reads no masks for a `roi_head` without `mask_head`, got"):
        MODELS.build(config(panoptic_fusion_head=fusion))
    model.panoptic_fusion_head = MODELS.build(fusion)  # put there later
    with pytest.raises(ValueError, match=r"instances with masks, got boxes alone"):
        _predict(model, make_batch("things"))


def test_masks_cannot_be_asked_for(model: PanopticTwoStageDetector) -> None:
    boxes: list[Tensor] = [torch.zeros(0, 4)]
    with pytest.raises(ValueError, match=r"`mask_head` for masks in boxes, got none"):
        model.roi_head.mask_logits_in_boxes((), boxes, [torch.zeros(0, dtype=torch.int64)])
