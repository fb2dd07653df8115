"""Lovasz losses: by hand, against the definition's loop, on hard predictions, gradients, nothing to learn."""

import panoptic_heads  # noqa: F401 - before mmdet: it makes the operators available

# isort: split
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet.registry import MODELS as MMDET_MODELS
from torch import Tensor

from panoptic_heads.common import SemanticCrossEntropy
from panoptic_heads.dense_affinity import lovasz_hinge, lovasz_softmax, lovasz_weights
from panoptic_heads.registry import MODELS

VOID = 255


def _jaccard_loss(wrong: set[int], foreground: set[int]) -> float:
    """Return 1 - IoU of the truth and a prediction that is wrong in some pixels; both empty: 0."""
    predicted = foreground ^ wrong
    union = foreground | predicted
    return 1 - len(foreground & predicted) / len(union) if union else 0.0


def _extension(errors: list[float], foreground: list[bool]) -> float:
    """Return the Lovasz extension of the Jaccard loss by its definition (the paper's definition 2).

    Sum of m_i (loss of the i worst pixels wrong - loss of the i - 1 worst wrong), by falling error.
    """
    truth = {i for i, inside in enumerate(foreground) if inside}
    total, wrong = 0.0, set[int]()
    for i in sorted(range(len(errors)), key=lambda i: -errors[i]):
        total += errors[i] * (_jaccard_loss(wrong | {i}, truth) - _jaccard_loss(wrong, truth))
        wrong.add(i)
    return total


def _literal_softmax(logits: Tensor, target: Tensor, classes: str, per: str) -> float:
    images = [range(len(target))] if per == "batch" else [[i] for i in range(len(target))]
    values = []
    for group in images:
        pixels = [
            (logits[n, :, y, x].softmax(0).tolist(), int(target[n, y, x]))
            for n in group
            for y in range(target.shape[1])
            for x in range(target.shape[2])
            if target[n, y, x] != VOID
        ]
        of_classes = []
        for c in range(logits.shape[1]):
            foreground = [label == c for _, label in pixels]
            errors = [1 - p[c] if label == c else p[c] for p, label in pixels]
            if any(foreground) or classes == "all":
                of_classes.append(_extension(errors, foreground))
        if pixels:
            values.append(sum(of_classes) / len(of_classes))
    return sum(values) / len(values) if values else 0.0


def _logits(*probabilities: tuple[float, ...]) -> Tensor:
    """Logits ``(1, C, 1, W)`` whose softmax at pixel i is ``probabilities[i]``."""
    return torch.tensor(probabilities).log().T[None, :, None]


def test_weights_by_hand() -> None:
    # Foreground: pixels 0 and 2. By falling error pixels 1, 2, 0 become wrong.
    # nothing wrong: IoU 2/2; 1 wrong: 2/3; 1 and 2 wrong: 1/3; all: 0/3. The loss rises by 1/3 each.
    weights = lovasz_weights(torch.tensor([0.2, 0.9, 0.5]), torch.tensor([True, False, True]))
    assert weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    # The other way round, 0, 2, 1: IoU 1/2, 0/2, 0/3; the loss rises by 1/2, 1/2, 0.
    weights = lovasz_weights(torch.tensor([0.9, 0.2, 0.5]), torch.tensor([True, False, True]))
    assert weights.tolist() == pytest.approx([1 / 2, 0, 1 / 2])
    # No foreground: the worst pixel makes the union 1 and the IoU 0.
    assert lovasz_weights(torch.tensor([0.2, 0.9]), torch.tensor([False, False])).tolist() == [0, 1]
    assert lovasz_weights(torch.zeros(2, 0), torch.zeros(2, 0, dtype=torch.bool)).shape == (2, 0)


def test_softmax_by_hand() -> None:
    # Probabilities of class 0: 0.9, 0.6, 0.3; labels 0, 1, 0; a fourth pixel is void.
    logits = _logits((0.9, 0.1, 1e-9), (0.6, 0.4, 1e-9), (0.3, 0.7, 1e-9), (1e-9, 1e-9, 1.0))
    target = torch.tensor([[[0, 1, 0, VOID]]])
    # class 0, foreground pixels 0, 2: errors 0.1, 0.6, 0.7. Pixel 2 wrong: IoU 1/2; then 1: 1/3; then 0: 0.
    first = 0.7 * 1 / 2 + 0.6 * (1 / 2 - 1 / 3) + 0.1 * 1 / 3
    # class 1, foreground pixel 1: errors 0.1, 0.6, 0.7. Pixel 2 wrong: IoU 1/2; then 1: 0; then 0: 0.
    second = 0.7 * 1 / 2 + 0.6 * 1 / 2
    # class 2 is absent: its highest probability, 0.
    assert lovasz_softmax(logits, target).item() == pytest.approx((first + second) / 2)
    assert lovasz_softmax(logits, target, classes="all").item() == pytest.approx((first + second) / 3)


def test_an_absent_class_costs_its_highest_probability() -> None:
    logits = _logits((0.8, 0.2), (0.7, 0.3))
    target = torch.zeros(1, 1, 2, dtype=torch.int64)
    # class 0: errors 0.2, 0.3, each takes one of two: 0.5 / 2
    assert lovasz_softmax(logits, target).item() == pytest.approx(0.25)
    assert lovasz_softmax(logits, target, classes="all").item() == pytest.approx((0.25 + 0.3) / 2)


def test_hinge_by_hand() -> None:
    # Foreground: pixels 0 and 1. Errors: 1 - 3 < 0; 1 - 0.5 = 0.5; 1 + 1 = 2; 1 - 2 < 0.
    logits = torch.tensor([[3.0, 0.5, 1.0, -2.0]])
    target = torch.tensor([[True, True, False, False]])
    # Pixel 2 wrong: IoU 2/3; then 1: 1/3.
    assert lovasz_hinge(logits, target).item() == pytest.approx(2 * 1 / 3 + 0.5 * 1 / 3)
    # A second mask with one error: 1 - 0 = 1 for its only pixel of the foreground, all of the union.
    logits, target = torch.cat([logits, torch.tensor([[0.0, -9, -9, -9]])]), target.repeat(2, 1)
    target[1, 1] = False
    assert lovasz_hinge(logits, target).item() == pytest.approx((2 / 3 + 0.5 / 3 + 1) / 2)
    # Together, foreground of 3. By error: 2 (IoU 3/4), 1 (2/4), 0.5 (1/4).
    assert lovasz_hinge(logits, target, per="batch").item() == pytest.approx((2 + 1 + 0.5) / 4)


@pytest.mark.parity
@pytest.mark.parametrize("classes", ["present", "all"])
@pytest.mark.parametrize("per", ["image", "batch"])
@pytest.mark.parametrize("seed", range(3))
def test_softmax_is_the_extension_by_definition(classes: Any, per: Any, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 4, 3, 5, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 3, (3, 3, 5), generator=generator)  # class 3 has no pixel
    target[torch.rand(3, 3, 5, generator=generator) < 0.3] = VOID
    target[1] = VOID  # one image without annotation: it does not count
    expected = _literal_softmax(logits, target, classes, per)
    assert lovasz_softmax(logits, target, classes=classes, per=per).item() == pytest.approx(expected)


@pytest.mark.parity
@given(
    rows=st.lists(
        st.lists(st.tuples(st.integers(-12, 12), st.booleans()), min_size=7, max_size=7),
        min_size=1,
        max_size=3,
    )
)
def test_hinge_is_the_extension_by_definition(rows: list[list[tuple[int, bool]]]) -> None:
    logits = torch.tensor([[value / 4 for value, _ in row] for row in rows])
    target = torch.tensor([[inside for _, inside in row] for row in rows])

    def literally(row: list[tuple[int, bool]]) -> float:
        errors = [max(0.0, 1 - value / 4 * (1 if inside else -1)) for value, inside in row]
        return _extension(errors, [inside for _, inside in row])

    expected = sum(map(literally, rows)) / len(rows)
    assert lovasz_hinge(logits, target).item() == pytest.approx(expected, abs=1e-6)
    everything = literally([pixel for row in rows for pixel in row])
    assert lovasz_hinge(logits, target, per="batch").item() == pytest.approx(everything, abs=1e-6)


@given(pixels=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12))
def test_hard_predictions_give_the_jaccard_loss(pixels: list[tuple[int, int]]) -> None:
    predicted, target = (torch.tensor(column) for column in zip(*pixels, strict=True))
    logits = 200.0 * torch.nn.functional.one_hot(predicted, 3).T[None, :, None].float()
    losses = []
    for c in target.unique().tolist():
        here, truth = predicted == c, target == c
        losses.append(1 - int((here & truth).sum()) / int((here | truth).sum()))
    expected = sum(losses) / len(losses)
    assert lovasz_softmax(logits, target[None, None]).item() == pytest.approx(expected, abs=1e-6)

    # A hinge error at a margin of 1 is 2 where the sign is wrong, else 0: twice the Jaccard loss.
    here, truth = predicted == 0, target == 0
    union = int((here | truth).sum())
    expected = 2 * (1 - int((here & truth).sum()) / union) if union else 0.0
    hinge = lovasz_hinge(torch.where(here, 1.0, -1.0)[None], truth[None])
    assert hinge.item() == pytest.approx(expected, abs=1e-6)


@given(
    pixels=st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=20),
)
def test_weights_are_a_partition_of_one(pixels: list[tuple[float, bool]]) -> None:
    weights = lovasz_weights(torch.tensor([e for e, _ in pixels]), torch.tensor([t for _, t in pixels]))
    assert (weights >= 0).all()
    assert weights.sum().item() == pytest.approx(1, abs=1e-5)


def test_weights_keep_their_digits_among_many_pixels() -> None:
    count = 1 << 18
    generator = torch.Generator().manual_seed(0)
    errors = torch.rand(count, generator=generator)
    target = torch.rand(count, generator=generator) < 0.5
    found = lovasz_weights(errors, target)
    torch.testing.assert_close(found, lovasz_weights(errors.double(), target).float(), rtol=1e-6, atol=0)


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(2, 3, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 3, (2, 2, 3), generator=generator)
    target[0, 0, 0] = VOID
    for options in ({}, {"per": "image"}, {"classes": "all"}):
        assert torch.autograd.gradcheck(lambda x, o=options: lovasz_softmax(x, target, **o), logits)
    masks = torch.randn(3, 2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    inside = torch.rand(3, 2, 4, generator=generator) < 0.5
    for per in ("mask", "batch"):
        assert torch.autograd.gradcheck(lambda x, p=per: lovasz_hinge(x, inside, per=p), masks)
    lovasz_softmax(logits, target).backward()
    assert (logits.grad[0, :, 0, 0] == 0).all()  # void


def test_training_on_the_losses_learns_the_masks() -> None:
    generator = torch.Generator().manual_seed(1)
    inside = torch.rand(2, 6, 6, generator=generator) < 0.3
    logits = torch.zeros(2, 6, 6, requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=5.0)
    for _ in range(200):
        optimizer.zero_grad()
        lovasz_hinge(logits, inside).backward()
        optimizer.step()
    assert torch.equal(logits > 0, inside)


def test_nothing_annotated_gives_an_attached_zero() -> None:
    void = torch.full((2, 4, 4), VOID)
    for options in ({}, {"per": "image"}, {"classes": "all"}):
        logits = torch.randn(2, 3, 4, 4, requires_grad=True)
        value = lovasz_softmax(logits, void, **options)
        value.backward()
        assert value.item() == 0
        assert torch.equal(logits.grad, torch.zeros_like(logits))
    for per in ("mask", "batch"):
        logits = torch.randn(0, 4, 4, requires_grad=True)
        value = lovasz_hinge(logits, torch.zeros(0, 4, 4, dtype=torch.bool), per=per)
        value.backward()
        assert value.item() == 0
        assert logits.grad.shape == (0, 4, 4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 3, 64, 64, generator=generator).to(dtype)
    target = torch.randint(0, 3, (1, 64, 64), generator=generator)
    masks, inside = logits[0], torch.rand(3, 64, 64, generator=generator) < 0.5
    with torch.autocast("cpu", dtype=torch.bfloat16):
        softmax, hinge = lovasz_softmax(logits, target), lovasz_hinge(masks, inside)
    assert softmax.dtype == hinge.dtype == torch.float32
    torch.testing.assert_close(softmax, lovasz_softmax(logits.float(), target))
    torch.testing.assert_close(hinge, lovasz_hinge(masks.float(), inside))


def test_in_the_place_of_a_semantic_heads_cross_entropy(model_config: Any) -> None:
    # ConcatSemanticHead builds its loss with the head's ignore_index, as SemanticCrossEntropy.
    config = model_config()["semantic_head"]
    config["loss"] = {"type": "panoptic_heads.LovaszSoftmax", "loss_weight": 0.5}
    head = MODELS.build(config)
    assert not isinstance(head.semantic_loss, SemanticCrossEntropy)
    logits, target = _logits((0.8, 0.2), (0.7, 0.3)), torch.zeros(1, 1, 2, dtype=torch.int64)
    assert head.semantic_loss(logits, target).item() == pytest.approx(0.5 * 0.25)
    target[0, 0, 1] = head.ignore_index
    assert head.semantic_loss(logits, target).item() == pytest.approx(0.5 * 0.2)


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_in_the_place_of_a_mask_heads_cross_entropy(class_agnostic: bool) -> None:
    head = MMDET_MODELS.build(
        {
            "type": "FCNMaskHead",
            "num_convs": 0,
            "in_channels": 4,
            "conv_out_channels": 4,
            "num_classes": 3,
            "class_agnostic": class_agnostic,
            "loss_mask": {"type": "panoptic_heads.LovaszHingeMaskLoss", "loss_weight": 2.0},
        }
    )
    generator = torch.Generator().manual_seed(3)
    masks = torch.randn(2, 1 if class_agnostic else 3, 4, 4, generator=generator, requires_grad=True)
    targets = (torch.rand(2, 4, 4, generator=generator) < 0.5).float()
    labels = torch.tensor([2, 1])
    channels = [0, 0] if class_agnostic else [2, 1]
    # As FCNMaskHead.loss_and_target calls it.
    loss = head.loss_mask(masks, targets, torch.zeros_like(labels) if class_agnostic else labels)
    own = torch.stack([masks[0, channels[0]], masks[1, channels[1]]])
    assert loss.item() == pytest.approx(2 * lovasz_hinge(own, targets.bool()).item())
    loss.backward()
    untouched = torch.ones(masks.shape[:2], dtype=torch.bool)
    untouched[[0, 1], channels] = False
    assert (masks.grad[untouched] == 0).all()
    assert (masks.grad[~untouched] != 0).any()


def test_a_detector_trains_with_both(model_config: Any, make_batch: Any) -> None:
    config = model_config()
    config["semantic_head"]["loss"] = {"type": "panoptic_heads.LovaszSoftmax"}
    config["roi_head"]["mask_head"]["loss_mask"] = {"type": "panoptic_heads.LovaszHingeMaskLoss"}
    model = MODELS.build(config).train()
    data = model.data_preprocessor(make_batch("things", "void"), training=True)
    losses = model(**data, mode="loss")
    assert losses["loss_mask"] > 0
    assert losses["loss_semantic"] > 0
    model.parse_losses(losses)[0].backward()
    assert all(p.grad is not None for p in model.roi_head.mask_head.parameters())


def test_errors() -> None:
    with pytest.raises(
        ValueError, match=r"labels in \[0, 2\) or 255, got labels in \[1, 2\]\. Let num_things"
    ):
        lovasz_softmax(torch.zeros(1, 2, 1, 2), torch.tensor([[[1, 2]]]))
    with pytest.raises(ValueError, match=r"`target` to be \(1, 4, 4\)"):
        lovasz_softmax(torch.zeros(1, 2, 4, 4), torch.zeros(1, 8, 8, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"`target` to be \(2, 4\) as the logits, got \(2, 5\)"):
        lovasz_hinge(torch.zeros(2, 4), torch.zeros(2, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"`classes` to be one of 'present', 'all', got 'some'"):
        MODELS.build({"type": "LovaszSoftmax", "classes": "some"})
    with pytest.raises(ValueError, match=r"`per` to be one of 'image', 'batch', got 'mask'"):
        MODELS.build({"type": "LovaszSoftmax", "per": "mask"})
    with pytest.raises(ValueError, match=r"`per` to be one of 'mask', 'batch', got 'roi'"):
        MODELS.build({"type": "LovaszHingeMaskLoss", "per": "roi"})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 9, 11, generator=generator)
    target = torch.randint(0, 4, (2, 9, 11), generator=generator)
    target[0, :3] = VOID
    torch.testing.assert_close(
        lovasz_softmax(logits.cuda(), target.cuda()).cpu(), lovasz_softmax(logits, target)
    )
    masks, inside = logits[0], target[0] < 2
    inside = inside.expand(4, -1, -1)
    torch.testing.assert_close(lovasz_hinge(masks.cuda(), inside.cuda()).cpu(), lovasz_hinge(masks, inside))
