"""The detector: its loss inside a training step, what it reaches, and that inference is its argmax."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_fusion import apply_affinity
from panoptic_heads.common import NO_TARGET, TrainingState
from panoptic_heads.dense_affinity import (
    AffinityFeatures,
    DenseAffinity,
    Detections,
    PanopticMatchingLoss,
    match_segments,
    matched_target,
)
from panoptic_heads.registry import MODELS

Make = Callable[..., dict[str, Any]]
BRANCH: dict[str, Any] = {"in_channels": 16, "feat_channels": 16, "num_convs": 1, "num_groups": 4}
PARTS: dict[str, Any] = {
    "type": "panoptic_heads.DenseAffinity",
    "semantic_head": {
        "type": "panoptic_heads.DeformableSemanticHead",
        "num_things_classes": 2,
        "num_stuff_classes": 3,
        **BRANCH,
    },
    "potential": {"type": "panoptic_heads.DynamicPotential", "num_things": 2},
    "affinity_head": {
        "type": "panoptic_heads.AffinityHead",
        "channels": 8,
        "initial_gamma": 1.0,
        **BRANCH,
    },
    "panoptic_loss": {"type": "panoptic_heads.PanopticMatchingLoss", "tau": 10.0},
    "panoptic_fusion_head": {
        "type": "panoptic_heads.AffinityFusion",
        "score_thr": 0.05,
        "stuff_area_limit": 0,
    },
}
FREE = {"form": "mask_free"}


@pytest.fixture
def make_model(model_config: Make) -> Callable[..., DenseAffinity]:
    """Return a function that builds a tiny model; keywords replace parts, dicts without type are merged."""

    def make(*, masks: bool = True, **changes: Any) -> DenseAffinity:
        torch.manual_seed(0)
        parts = {**PARTS}
        for key, change in changes.items():
            merged = isinstance(change, dict) and "type" not in change and key in parts
            parts[key] = {**parts[key], **change} if merged else change
        config = model_config(**parts)
        config["neck"] = {**config["neck"], "type": "panoptic_heads.SqueezeExcitationFPN", "reduction": 8}
        if not masks:
            config["roi_head"] = {**config["roi_head"], "mask_head": None, "mask_roi_extractor": None}
            for part in ("potential", "panoptic_fusion_head"):
                config[part] = {**config[part], **FREE}
        model: DenseAffinity = MODELS.build(config)
        return model

    return make


def _losses(model: DenseAffinity, batch: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    data = model.train().data_preprocessor(batch, training=True)
    return model.parse_losses(model.loss(data["inputs"], data["data_samples"]))


def _state(model: DenseAffinity, batch: dict[str, Any]) -> TrainingState:
    states: list[TrainingState] = []
    original = model.extra_losses
    model.extra_losses = lambda state: states.append(state) or {}  # type: ignore[func-returns-value]
    _losses(model, batch)
    model.extra_losses = original  # type: ignore[method-assign]
    return states[0]


# --- training


@pytest.mark.parametrize("variant", ["D", "B", "no affinity", "learned tau"])
@pytest.mark.parametrize(
    "kinds", [("things", "things"), ("things", "void"), ("crowd", "stuff"), ("void", "void")], ids="+".join
)
def test_every_parameter_has_a_gradient_whatever_the_targets(
    variant: str, kinds: tuple[str, ...], make_model: Callable[..., DenseAffinity], make_batch: Make
) -> None:
    changes: dict[str, Any] = {
        "D": {},
        "B": {"masks": False},
        "no affinity": {"affinity_head": None},
        "learned tau": {"panoptic_loss": {"learn_tau": True}},
    }[variant]
    model = make_model(**changes)
    total, logs = _losses(model, make_batch(*kinds))
    total.backward()
    assert all(torch.isfinite(value).all() for value in logs.values())
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert (logs["loss_panoptic"] == 0) == (kinds == ("void", "void"))
    assert ("gamma" in logs) == (variant != "no affinity")
    assert ("tau" in logs) == (variant == "learned tau")


@pytest.mark.parametrize("masks", [True, False])
def test_the_panoptic_loss_alone_reaches_every_part(
    masks: bool, make_model: Callable[..., DenseAffinity], make_batch: Make
) -> None:
    model = make_model(masks=masks)
    data = model.train().data_preprocessor(make_batch("things", "things"), training=True)
    model.loss(data["inputs"], data["data_samples"])["loss_panoptic"].backward()
    parts = [
        model.backbone.conv1,
        model.neck.squeeze.conv1.conv,
        model.semantic_head.branch.score,
        model.roi_head.bbox_head.fc_cls,  # scores stay in the graph (section A.4)
        model.affinity_head.phi0,
        model.affinity_head.phi1,
        model.affinity_head.branch.score,
    ]
    if masks:
        parts += [model.roi_head.mask_head.convs[0].conv, model.roi_head.mask_head.conv_logits]
    for part in parts:
        assert part.weight.grad.abs().sum() > 0
    assert model.affinity_head.gamma.grad != 0
    assert model.roi_head.bbox_head.fc_reg.weight.grad is None  # boxes are constants
    assert model.rpn_head.rpn_cls.weight.grad is None


def test_loss_is_the_functions_put_together(
    make_model: Callable[..., DenseAffinity], make_batch: Make
) -> None:
    model = make_model(panoptic_loss={"loss_weight": 0.5})
    state = _state(model, make_batch("things", "crowd", size=(60, 90)))
    assert state.input_size == (64, 96)  # padded
    features = model.affinity_head(state.features)
    valid = torch.zeros(16, 24, dtype=torch.bool)
    valid[:15, :22] = True  # 60 / 4 rows; the centre of column 22 is at 90: outside
    potentials, targets = [], []
    for i, sample in enumerate(state.samples):
        found = model.potential.detections(model.roi_head, state.rois, state.samples)[i]
        kept, ids = match_segments(found.boxes, found.labels, found.scores, sample.gt_panoptic)
        (own,) = model.potential.add_masks(
            model.roi_head, [level[i : i + 1] for level in state.features], [found[kept]]
        )
        psi = model.potential(state.sem_logits[i], own, (64, 96))
        potentials.append(
            apply_affinity(psi, features.phi0[i], features.phi1[i], model.affinity_head.gamma, valid)
        )
        targets.append(matched_target(sample.gt_panoptic, ids, (16, 24), input_size=(64, 96), num_things=2))
    assert (targets[0][15:] == NO_TARGET).all()  # padding
    expected = PanopticMatchingLoss(tau=10.0, loss_weight=0.5)(potentials, targets)
    torch.testing.assert_close(model.extra_losses(state)["loss_panoptic"], expected)


def test_padding_gives_nothing_to_the_affinity(
    make_model: Callable[..., DenseAffinity], make_batch: Make
) -> None:
    model = make_model()
    state = _state(model, make_batch("things", size=(60, 90)))
    detections = [own for own, _ in model.matched_detections(state)]
    detections = model.potential.add_masks(model.roi_head, state.features, detections)
    alone = model.revised_potentials(state, detections)[0][:, :15, :22]
    features = model.affinity_head(state.features)
    wider = [torch.cat([part, torch.rand(1, 8, 16, 8) * 9], dim=3) for part in features]  # a larger batch
    model.affinity_head.forward = lambda _: AffinityFeatures(*wider)
    padded = replace(
        state,
        sem_logits=torch.cat([state.sem_logits, torch.randn(1, 5, 16, 8)], dim=3),
        sem_logits_full=torch.zeros(1, 5, 64, 128),
    )
    torch.testing.assert_close(model.revised_potentials(padded, detections)[0][:, :15, :22], alone)


def test_the_order_of_the_truth_does_not_matter(
    make_model: Callable[..., DenseAffinity], make_batch: Make
) -> None:
    model = make_model()
    state = _state(model, make_batch("things"))
    before = model.extra_losses(state)["loss_panoptic"]
    truth = state.samples[0].gt_panoptic
    turned = torch.arange(len(truth.ids)).flip(0)
    columns = {
        name: getattr(truth, name)[turned] for name in ("ids", "labels", "is_thing", "areas", "iscrowd")
    }
    state.samples[0].gt_panoptic = replace(truth, **columns, scores=truth.scores[turned])
    torch.testing.assert_close(model.extra_losses(state)["loss_panoptic"], before)


def test_surplus_detections_get_no_channel_and_unmatched_ones_do(
    make_model: Callable[..., DenseAffinity], make_batch: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Truth: class 0 at (8, 8, 40, 40), class 1 at (50, 20, 80, 60).
    model = make_model()
    state = _state(model, make_batch("things"))
    boxes = torch.tensor([[8.0, 8, 40, 40], [8, 8, 40, 36], [50, 20, 80, 60], [0, 0, 9, 9]])
    scores = torch.tensor([0.6, 0.9, 0.8, 0.7])
    found = Detections(boxes, torch.tensor([0, 0, 0, 1]), scores)
    monkeypatch.setattr(model.potential, "detections", lambda *_: [found])
    ((kept, ids),) = model.matched_detections(state)
    # The second is surplus; the third has the wrong class, the last meets nothing: both should win no pixel.
    assert kept.scores.tolist() == scores[[0, 2, 3]].tolist()
    assert ids.tolist() == [100, 0, 0]


def test_true_detections_have_score_one_and_teach_no_box_classifier(
    make_model: Callable[..., DenseAffinity], make_batch: Make
) -> None:
    model = make_model(potential={"truth": True})
    state = _state(model, make_batch("things", "stuff"))
    (own, ids), (none, no_ids) = model.matched_detections(state)
    assert own.scores.tolist() == [1.0, 1.0]
    assert ids.tolist() == [100, 101]
    assert (len(none), len(no_ids)) == (0, 0)
    model.zero_grad()
    model.extra_losses(state)["loss_panoptic"].backward()
    assert model.roi_head.bbox_head.fc_cls.weight.grad is None
    assert model.roi_head.mask_head.conv_logits.weight.grad.abs().sum() > 0


def test_without_detections_stuff_is_still_learnt(
    make_model: Callable[..., DenseAffinity], make_batch: Make
) -> None:
    model = make_model(potential={"score_thr": 1.0})
    state = _state(model, make_batch("things", "stuff"))
    assert [len(own) for own, _ in model.matched_detections(state)] == [0, 0]
    assert model.extra_losses(state)["loss_panoptic"] > 0


def test_neither_affinity_nor_panoptic_loss(
    make_model: Callable[..., DenseAffinity], make_batch: Make
) -> None:
    model = make_model(affinity_head=None, panoptic_loss=None)  # models A and C
    assert "loss_panoptic" not in _losses(model, make_batch("things"))[1]


def test_the_potential_can_be_finer(make_model: Callable[..., DenseAffinity], make_batch: Make) -> None:
    model = make_model(upsample=4)
    state = _state(model, make_batch("things", size=(60, 90)))
    detections = [own for own, _ in model.matched_detections(state)]
    detections = model.potential.add_masks(model.roi_head, state.features, detections)
    (revised,) = model.revised_potentials(state, detections)
    assert revised.shape == (len(detections[0]) + 3, 64, 96)
    fine = replace(state, sem_logits=_larger(state.sem_logits, 4))
    features = AffinityFeatures(*(_larger(part, 4) for part in model.affinity_head(state.features)))
    model.upsample = 1
    model.affinity_head.forward = lambda _: features
    torch.testing.assert_close(model.revised_potentials(fine, detections)[0], revised)
    assert model.extra_losses(fine)["loss_panoptic"] > 0


def _larger(maps: Tensor, factor: int) -> Tensor:
    return torch.nn.functional.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)


# --- testing


def _predict(model: DenseAffinity, batch: dict[str, Any]) -> Sequence[Any]:
    model.eval()
    with torch.no_grad():
        data = model.data_preprocessor(batch, training=False)
        return model.predict(data["inputs"], data["data_samples"])


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("affinity", [True, False])
@pytest.mark.parametrize("upsample", [1, 2])
def test_the_map_is_the_argmax_of_what_training_sees(
    upsample: int, masks: bool, affinity: bool, make_model: Callable[..., DenseAffinity], make_batch: Make
) -> None:
    changes = {} if affinity else {"affinity_head": None, "panoptic_loss": None}
    model = make_model(masks=masks, upsample=upsample, **changes)
    torch.nn.init.normal_(model.semantic_head.branch.score.weight, std=0.5)  # no near ties
    batch = make_batch("things", size=(64, 96))
    (sample,) = _predict(model, batch)
    data = model.data_preprocessor(batch, training=False)
    with torch.no_grad():
        features = model.extract_feat(data["inputs"])
        sem_logits = model.semantic_logits(features)
        ((_, found),) = model.predict_things(features, data["data_samples"])
        own = Detections(found.bboxes, found.labels, found.scores, found.mask_logits if masks else None)
        psi = model.potential(_larger(sem_logits, upsample)[0], own, (64, 96))
        if affinity:
            parts = (_larger(part, upsample) for part in model.affinity_head(features))
            psi = model.affinity_head.revise(psi, AffinityFeatures(*parts).of_image(0))
        full = torch.nn.functional.interpolate(psi[None], size=(64, 96), mode="bilinear")[0]
    assert len(own) > 3
    stuff = torch.tensor([2, 3, 4])
    labels = torch.cat([found.labels, stuff])[full.argmax(dim=0)]
    close = full.topk(2, dim=0).values.diff(dim=0)[0].abs() < 1e-5  # rounding decides there
    agree = sample.pred_panoptic.label_map(255) == labels
    assert agree[~close].all()
    assert (~close).float().mean() > 0.9


def test_single_and_batched_are_the_same(make_model: Callable[..., DenseAffinity], make_batch: Make) -> None:
    model = make_model()
    both = _predict(model, make_batch("things", "things"))
    images = make_batch("things", "things")["inputs"]
    for image, sample in zip(images, both, strict=True):
        batch = make_batch("things")
        (alone,) = _predict(model, {**batch, "inputs": [image]})
        assert torch.equal(alone.pred_panoptic.id_map, sample.pred_panoptic.id_map)


def test_another_fusion_takes_the_same_weights(
    make_model: Callable[..., DenseAffinity], make_batch: Make
) -> None:
    confidence = {"type": "panoptic_heads.ConfidenceFusion", "stuff_area_limit": 0}
    heuristic = make_model(panoptic_fusion_head=confidence)  # model D1
    assert make_model().state_dict().keys() == heuristic.state_dict().keys()
    (sample,) = _predict(heuristic, make_batch("things"))
    assert sample.pred_panoptic.shape == (64, 96)


def test_the_network_alone_runs_the_affinity(make_model: Callable[..., DenseAffinity]) -> None:
    model = make_model()
    seen: list[tuple[int, ...]] = []
    revise = model.affinity_head.revise
    model.affinity_head.revise = lambda psi, features: seen.append(tuple(psi.shape)) or revise(psi, features)
    with torch.no_grad():
        model.eval().fixed_forward(torch.zeros(1, 3, 64, 96), num_boxes=5, num_masks=4)
    assert seen == [(4 + 3, 16, 24)]


# --- parts that do not fit


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"potential": {"num_things": 3}}, "2 thing classes, got num_things=3"),
        ({"panoptic_loss": None}, "Expected a `panoptic_loss` beside an `affinity_head`"),
        ({"tta": {"scales": [1.0]}}, "Expected no `tta`"),
        ({"potential": {"form": "sum"}}, "that of `potential`, 'sum', got 'product'"),
        ({"min_iou": 0.0}, "`min_iou`"),
        ({"upsample": 0}, "`upsample`"),
    ],
)
def test_parts_that_do_not_fit(
    changes: dict[str, Any], message: str, make_model: Callable[..., DenseAffinity]
) -> None:
    with pytest.raises(ValueError, match=message):
        make_model(**changes)


def test_a_potential_with_masks_needs_a_mask_head(
    model_config: Make,
) -> None:
    config = model_config(**PARTS)
    config["roi_head"] = {**config["roi_head"], "mask_head": None, "mask_roi_extractor": None}
    with pytest.raises(ValueError, match="mask"):
        MODELS.build(config)


def test_samples_without_a_panoptic_map(make_model: Callable[..., DenseAffinity], make_batch: Make) -> None:
    batch = make_batch("things")
    del batch["data_samples"][0].gt_panoptic
    with pytest.raises(ValueError, match=r"Expected training samples to have `gt_panoptic`"):
        _losses(make_model(), batch)
