"""Non-maximum suppression: by hand, against the textbook loop on both plans and the GPU's plan."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from panoptic_core.ops import nms
from panoptic_core.ops.nms import suppress_by_blocks


def _reference(boxes: Tensor, scores: Tensor, threshold: float, offset: int) -> list[int]:
    """The textbook loop, in float32 (float64 for float64) as the compiled operator computes."""
    kind = np.float64 if boxes.dtype == torch.float64 else np.float32
    x1, y1, x2, y2 = boxes.to(torch.float64).numpy().astype(kind).T
    areas = (x2 - x1 + kind(offset)) * (y2 - y1 + kind(offset))
    kept: list[int] = []
    for j in sorted(range(len(boxes)), key=lambda index: -scores[index].item()):  # stable
        width = np.maximum(np.minimum(x2[kept], x2[j]) - np.maximum(x1[kept], x1[j]) + kind(offset), 0)
        height = np.maximum(np.minimum(y2[kept], y2[j]) - np.maximum(y1[kept], y1[j]) + kind(offset), 0)
        with np.errstate(all="ignore"):
            overlap = width * height / (areas[kept] + areas[j] - width * height)
        if not (overlap > kind(threshold)).any():
            kept.append(j)
    return kept


def _boxes(generator: torch.Generator, count: int, objects: int, extent: float = 100.0) -> Tensor:
    centre = torch.rand(objects, 2, generator=generator)[
        torch.randint(0, objects, (count,), generator=generator)
    ]
    middle = extent * centre + 3 * torch.randn(count, 2, generator=generator)
    half = 2 + 10 * torch.rand(count, 2, generator=generator)
    return torch.cat([middle - half, middle + half], 1)


def test_three_boxes_by_hand() -> None:
    # A (0, 0)-(10, 10), B (0, 0)-(10, 6): IoU 60 / 100 = 0.6; C is far away. B has the highest score.
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 6], [50, 50, 60, 60]])
    scores = torch.tensor([0.8, 0.9, 0.1])
    assert nms(boxes, scores, 0.5).tolist() == [1, 2]
    assert nms(boxes, scores, 0.7).tolist() == [1, 0, 2]


def test_an_iou_equal_to_the_threshold_suppresses_nothing() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])  # IoU 50 / 100, exact in binary
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0, 1]


def test_a_suppressed_box_suppresses_nobody() -> None:
    # Neighbours overlap by 6 of 14 (IoU 0.43), boxes two apart by 2 of 18: the second goes, the third stays.
    boxes = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.4).tolist() == [0, 2]


def test_offset_one_counts_inclusive_pixels() -> None:
    # (0, 0)-(9, 9) is 10x10 pixels, (0, 0)-(9, 4) 10x5: IoU 0.5. With offset 0: 36 / 81 = 0.44.
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 4]])
    scores = torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.47, offset=1).tolist() == [0]
    assert nms(boxes, scores, 0.47, offset=0).tolist() == [0, 1]


def test_equal_scores_keep_their_order() -> None:
    boxes = torch.tensor([[20.0 * i, 0, 20.0 * i + 10, 10] for i in (3, 1, 1, 0, 3)])
    assert nms(boxes, torch.ones(5), 0.5).tolist() == [0, 1, 3]


def test_empty_and_single() -> None:
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).dtype == torch.int64
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).shape == (0,)
    assert nms(torch.zeros(1, 4), torch.ones(1), 0.5).tolist() == [0]


def test_boxes_without_area_are_kept() -> None:
    # Their IoU is 0 / 0, which is not greater than anything.
    assert nms(torch.ones(3, 4), torch.tensor([0.1, 0.3, 0.2]), 0.5).tolist() == [1, 2, 0]


@pytest.mark.parity
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
@pytest.mark.parametrize(
    ("count", "objects", "classes"),
    [(40, 9, 1), (64, 3, 1), (65, 40, 1), (300, 5, 1), (400, 300, 1), (600, 40, 1), (700, 50, 20)],
    ids=["small", "block", "block+1", "on top", "spread", "mixed", "classes"],
)
def test_matches_textbook_loop(count: int, objects: int, classes: int, threshold: float, offset: int) -> None:
    generator = torch.Generator().manual_seed(count)
    boxes = _boxes(generator, count, objects, 100.0 if classes == 1 else 60.0)
    boxes[:: count // 8, 2:] = boxes[:: count // 8, :2]  # without extent
    boxes[1 :: count // 4] = boxes[1 :: count // 4].round()
    boxes += (torch.arange(count) % classes * 90.0)[:, None]
    scores = (torch.rand(count, generator=generator) * 20).round() / 20  # many ties
    expected = _reference(boxes, scores, threshold, offset)
    assert nms(boxes, scores, threshold, offset).tolist() == expected
    order = scores.sort(descending=True, stable=True).indices
    on_gpu = order[suppress_by_blocks(boxes[order].t(), threshold, offset, block=50)]
    assert on_gpu.tolist() == expected


@settings(deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(1, 260),
    st.sampled_from([-0.1, 0.0, 0.25, 0.5, 1.0]),
    st.sampled_from([0, 1]),
)
def test_whole_numbers_many_ties(seed: int, count: int, threshold: float, offset: int) -> None:
    # Small whole coordinates give IoUs that equal the threshold, identical boxes, touching boxes, and boxes
    # whose corners are swapped.
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.randint(0, 12, (count, 4), generator=generator).float()
    boxes += 13 * torch.randint(0, 40, (count, 1), generator=generator)
    scores = torch.randint(0, 4, (count,), generator=generator).float()
    assert nms(boxes, scores, threshold, offset).tolist() == _reference(boxes, scores, threshold, offset)


@pytest.mark.parity
def test_five_thousand_identical_boxes_in_three_places() -> None:
    # More overlapping pairs than a sweep holds in memory, if it were tried.
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]]).repeat(2000, 1)
    assert nms(boxes, torch.ones(6000), 0.5).tolist() == [0, 1, 2]


def test_a_sweep_with_too_many_pairs_falls_back_to_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(7)
    boxes, scores = _boxes(generator, 400, 300), torch.rand(400, generator=generator)
    expected = nms(boxes, scores, 0.1)
    monkeypatch.setattr("panoptic_core.ops._nms_numpy._MAX_PAIRS", 10)
    assert torch.equal(nms(boxes, scores, 0.1), expected)


def test_boxes_that_are_not_finite_harm_no_others() -> None:
    generator = torch.Generator().manual_seed(8)
    boxes, scores = _boxes(generator, 300, 200), torch.rand(300, generator=generator) + 1
    strange = torch.tensor([[torch.nan] * 4, [0, 0, torch.inf, torch.inf], [torch.nan, 0, 5, 5]])
    kept = nms(torch.cat([boxes, strange]), torch.cat([scores, torch.zeros(3)]), 0.5)
    assert [i for i in kept.tolist() if i < 300] == nms(boxes, scores, 0.5).tolist()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_types(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(9)
    boxes, scores = _boxes(generator, 150, 20).to(dtype), torch.rand(150, generator=generator).to(dtype)
    assert nms(boxes, scores, 0.5).tolist() == _reference(boxes, scores, 0.5, 0)


def test_inputs_are_left_alone_and_gradients_ignored() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9]], requires_grad=True)
    scores = torch.tensor([0.1, 0.2], requires_grad=True)
    before = boxes.detach().clone()
    assert not nms(boxes, scores, 0.5).requires_grad
    assert torch.equal(boxes.detach(), before)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"`boxes` of shape \(N, 4\).*got \(2, 5\) and \(2,\)"):
        nms(torch.zeros(2, 5), torch.zeros(2), 0.5)
    with pytest.raises(ValueError, match=r"got \(2, 4\) and \(3,\)"):
        nms(torch.zeros(2, 4), torch.zeros(3), 0.5)
    with pytest.raises(ValueError, match=r"`offset` to be 0 .* or 1 .*, got 2"):
        nms(torch.zeros(2, 4), torch.zeros(2), 0.5, offset=2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("with_torchvision", [True, False])
def test_gpu_matches_cpu(offset: int, with_torchvision: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not with_torchvision:
        monkeypatch.setattr("panoptic_core.ops._torchvision.torchvision_ops", lambda: None)
    generator = torch.Generator().manual_seed(10)
    boxes, scores = _boxes(generator, 5000, 400), torch.rand(5000, generator=generator)
    on_gpu = nms(boxes.cuda(), scores.cuda(), 0.5, offset)
    assert on_gpu.cpu().tolist() == nms(boxes, scores, 0.5, offset).tolist()
