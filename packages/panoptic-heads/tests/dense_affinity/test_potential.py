"""Detections that stay in the graph, and the potential that training makes of them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_fusion.testing.literal_affinity import dynamic_potential_literally
from panoptic_heads.common.structures import RoITrainingContext
from panoptic_heads.dense_affinity import Detections, DynamicPotential
from panoptic_heads.registry import MODELS

NUM_THINGS, NUM_STUFF = 2, 3
SIZE, GRID = (24, 32), (6, 8)  # stride 4


def _detections(count: int = 3, masks: bool = True) -> Detections:
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(count, 2, 2, generator=generator) * torch.tensor([32.0, 24.0])
    boxes = torch.cat([corners.amin(dim=1), corners.amax(dim=1) + 2], dim=1)
    return Detections(
        boxes,
        torch.arange(count) % NUM_THINGS,
        torch.rand(count, generator=generator).requires_grad_(),
        torch.randn(count, 4, 4, generator=generator).requires_grad_() if masks else None,
    )


def _sem_logits(channels: int = NUM_THINGS + NUM_STUFF) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(channels, *GRID, generator=generator).requires_grad_()


@pytest.mark.parity
@pytest.mark.parametrize("form", ["product", "sum", "logit_sum", "mask_free"])
def test_forms_and_gradients_equal_the_literal_ones(form: Any) -> None:
    logits, detections = _sem_logits(), _detections()
    inputs = [logits, detections.scores, detections.mask_logits]
    assert detections.mask_logits is not None
    ours = DynamicPotential(NUM_THINGS, form=form)(logits, detections, SIZE)
    logit_sum = form == "logit_sum"
    expected = dynamic_potential_literally(
        logits if logit_sum else logits.softmax(dim=0),
        detections.boxes / 4,
        detections.labels,
        detections.scores,
        detections.mask_logits if logit_sum else detections.mask_logits.sigmoid(),
        num_things=NUM_THINGS,
        form=form,
    )
    torch.testing.assert_close(ours, expected)
    weights = torch.linspace(-1, 1, ours.numel()).view(ours.shape)
    gradients = [
        torch.autograd.grad((each * weights).sum(), inputs, allow_unused=True) for each in (ours, expected)
    ]
    for name, own, other in zip(("logits", "scores", "masks"), *gradients, strict=True):
        unused = (name, form) in {("scores", "logit_sum"), ("masks", "mask_free")}
        assert (own is None or not own.any()) == unused
        if not unused:
            torch.testing.assert_close(own, other)


def test_by_hand_with_a_true_box() -> None:
    # One thing class, one stuff class, both of probability 0.5; the left half is the box. Product without
    # masks is s * V = 1 * 0.5 inside, 0 outside; stuff is 0.5 everywhere.
    truth = Detections(torch.tensor([[0.0, 0.0, 8.0, 4.0]]), torch.tensor([0]), torch.ones(1))
    potential = DynamicPotential(1)(torch.zeros(2, 1, 4), truth, (4, 16))
    assert potential.tolist() == [[[0.5, 0.5, 0.0, 0.0]], [[0.5, 0.5, 0.5, 0.5]]]


def test_no_detections_and_no_stuff_classes() -> None:
    logits = _sem_logits()
    make = DynamicPotential(NUM_THINGS)
    none = _detections()[torch.zeros(3, dtype=torch.bool)]
    assert len(none) == 0
    potential = make(logits, none, SIZE)
    torch.testing.assert_close(potential, logits.softmax(dim=0)[NUM_THINGS:])
    only_things = make(_sem_logits(NUM_THINGS), _detections(), SIZE)
    assert only_things.shape == (3, *GRID)
    assert make(_sem_logits(NUM_THINGS), none, SIZE).shape == (0, *GRID)


def test_float32_under_autocast() -> None:
    logits, detections = _sem_logits(), _detections()
    make = DynamicPotential(NUM_THINGS)
    expected = make(logits.bfloat16().float(), detections, SIZE)
    with torch.autocast("cpu", torch.bfloat16):
        potential = make(logits.bfloat16(), detections, SIZE)
    assert potential.dtype == torch.float32
    torch.testing.assert_close(potential, expected)


def _step(
    model_config: Callable[..., Any], make_batch: Callable[..., Any], *kinds: str
) -> tuple[Any, Any, RoITrainingContext, Any]:
    torch.manual_seed(0)
    model = MODELS.build(model_config())
    model.init_weights()
    data = model.data_preprocessor(make_batch(*kinds), training=True)
    features = model.extract_feat(data["inputs"])
    _, context = model.thing_losses(features, data["data_samples"])
    return model, features, context, data["data_samples"]


def test_gradient_of_the_potential_reaches_scores_and_masks(
    model_config: Callable[..., Any], make_batch: Callable[..., Any]
) -> None:
    """The potential alone moves box classifier and mask head, and neither box regression nor RPN."""
    model, features, context, samples = _step(model_config, make_batch, "things", "stuff")
    make = DynamicPotential(NUM_THINGS, score_thr=0.0, max_per_img=5)
    detections = make.add_masks(model.roi_head, features, make.detections(model.roi_head, context, samples))
    assert [len(each) for each in detections] == [5, 5]
    logits = model.semantic_logits(features)
    total = sum(make(own, each, (64, 96)).sum() for own, each in zip(logits, detections, strict=True))
    model.zero_grad()
    total.backward()
    head = model.roi_head
    assert head.bbox_head.fc_cls.weight.grad.abs().sum() > 0
    assert head.mask_head.conv_logits.weight.grad.abs().sum() > 0
    assert model.semantic_head.score.weight.grad.abs().sum() > 0
    assert head.bbox_head.fc_reg.weight.grad is None
    assert all(p.grad is None for p in model.rpn_head.parameters())


def test_detections_are_those_of_inference_on_the_sampled_rois(
    model_config: Callable[..., Any], make_batch: Callable[..., Any]
) -> None:
    model, features, context, samples = _step(model_config, make_batch, "things", "stuff")
    make = DynamicPotential(NUM_THINGS, score_thr=0.05)
    found = make.detections(model.roi_head, context, samples)
    for i, (own, sampling, sample) in enumerate(zip(found, context.sampling_results, samples, strict=True)):
        not_true = torch.cat([sampling.pos_is_gt == 0, torch.ones(len(sampling.neg_inds), dtype=torch.bool)])
        proposals = type(sample.gt_instances)(bboxes=sampling.priors[not_true])
        level = [feature[i : i + 1] for feature in features]
        candidates = model.roi_head.candidates(level, [proposals], [sample.metainfo])
        (expected, _) = model.roi_head.filter_candidates(candidates)[0]  # class-wise NMS 0.5, 0.05, 100
        torch.testing.assert_close(own.scores, expected.scores)
        torch.testing.assert_close(own.boxes, expected.bboxes.detach())
        assert torch.equal(own.labels, expected.labels)
        assert own.scores.requires_grad
        assert not own.boxes.requires_grad


def test_ground_truth_and_no_rois(model_config: Callable[..., Any], make_batch: Callable[..., Any]) -> None:
    model, features, context, samples = _step(model_config, make_batch, "things", "stuff")
    truth = DynamicPotential(NUM_THINGS, truth=True)
    found = truth.add_masks(model.roi_head, features, truth.detections(model.roi_head, context, samples))
    assert [len(each) for each in found] == [2, 0]
    assert torch.equal(found[0].boxes, samples[0].gt_instances.bboxes)
    assert found[0].scores.tolist() == [1, 1]
    assert found[1].mask_logits is not None
    assert found[1].mask_logits.requires_grad  # attached to the mask head without any box

    for sampling in context.sampling_results:
        sampling.pos_priors, sampling.neg_priors = (sampling.pos_priors[:0], sampling.neg_priors[:0])
        sampling.pos_is_gt, sampling.neg_inds = sampling.pos_is_gt[:0], sampling.neg_inds[:0]
    context.cls_scores = [each[:0] for each in context.cls_scores]
    context.box_deltas = [each[:0] for each in context.box_deltas]
    empty = DynamicPotential(NUM_THINGS).detections(model.roi_head, context, samples)
    assert [len(each) for each in empty] == [0, 0]
    assert empty[0].scores.requires_grad


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"`form` to be one of .*'product'.* got 'A'"):
        DynamicPotential(2, form="A")  # type: ignore[arg-type]
    box_only: Any = SimpleNamespace(with_mask=False)
    with pytest.raises(ValueError, match="mask head for form='sum', got none"):
        DynamicPotential(2, form="sum").add_masks(box_only, [], [_detections()])
    assert len(DynamicPotential(2, form="mask_free").add_masks(box_only, [], [_detections()])) == 1
