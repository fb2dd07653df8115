"""Mean IoU: by hand and against a literal loop; void on either side."""

import math

import numpy as np
import pytest
import torch

from panoptic_core.metrics import confusion_matrix, mean_iou
from panoptic_core.testing import tiny_scene


def test_seven_pixels_by_hand() -> None:
    # target 0 0 0 1 1 2 V      class 0: 2 hits, 3 annotated, 3 predicted (one on class 1): 2 / 4
    # pred   0 0 V 0 1 1 0      class 1: 1 hit, 2 annotated, 2 predicted: 1 / 3; class 2: 0 / 1; class 3:
    # absent
    target = torch.tensor([[0, 0, 0, 1, 1, 2, 255]])
    pred = torch.tensor([[0, 0, 255, 0, 1, 1, 0]])
    confusion = confusion_matrix(pred, target, 4)
    assert confusion.tolist() == [[2, 0, 0, 0, 1], [1, 1, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert confusion.dtype == np.int64
    result = mean_iou(confusion, ["a", "b", "c", "d"])
    assert result.per_class["a"] == 50
    assert result.per_class["b"] == pytest.approx(100 / 3)
    assert result.per_class["c"] == 0
    assert math.isnan(result.per_class["d"])
    assert result.miou == pytest.approx((50 + 100 / 3 + 0) / 3)
    assert result.pixel_accuracy == pytest.approx(100 * 3 / 6)


@pytest.mark.parity
@pytest.mark.parametrize("ignore_index", [255, -1, 4])
def test_matches_literal_loop(ignore_index: int) -> None:
    rng = np.random.default_rng(0)
    values = np.array([0, 1, 2, 3, ignore_index])
    pred, target = values[rng.integers(0, 5, (2, 3, 20, 30))]
    total = sum(
        confusion_matrix(p, t, 4, ignore_index=ignore_index) for p, t in zip(pred, target, strict=True)
    )
    result = mean_iou(total)
    for label in range(4):
        a, b = (target == label), (pred == label) & (target != ignore_index)
        assert result.per_class[str(label)] == pytest.approx(100 * (a & b).sum() / (a | b).sum())


def test_nothing_annotated() -> None:
    void = torch.full((2, 2), 255)
    result = mean_iou(confusion_matrix(torch.zeros_like(void), void, 2))
    assert math.isnan(result.miou)
    assert math.isnan(result.pixel_accuracy)


def test_label_map_of_a_segmentation() -> None:
    scene = tiny_scene()
    labels = scene.segmentation.label_map()
    result = mean_iou(confusion_matrix(labels, labels, 5), scene.table)
    assert (result.miou, result.pixel_accuracy) == (100, 100)
    assert tuple(result.per_class) == scene.table.names


def test_errors_name_the_image() -> None:
    zeros = torch.zeros(2, 2, dtype=torch.long)
    with pytest.raises(ValueError, match=r"Image 9: expected .* of one size, got \(2, 2\) and \(2, 3\)"):
        confusion_matrix(zeros, torch.zeros(2, 3), 1, image=9)
    with pytest.raises(
        ValueError, match=r"Image 'x': expected predicted labels in \[0, 2\) or 255 \(void\), got 3"
    ):
        confusion_matrix(zeros + 3, zeros, 2, image="x")
    with pytest.raises(ValueError, match=r"ground-truth labels in \[0, 2\) or 255 \(void\), got -1"):
        confusion_matrix(zeros, zeros - 1, 2)
    with pytest.raises(ValueError, match="`ignore_index` to be -1 or at least 2, got 1"):
        confusion_matrix(zeros, zeros, 2, ignore_index=1)
    with pytest.raises(ValueError, match=r"predicted labels in \[0, 2\) or -1 \(void\), got -2"):
        confusion_matrix(zeros - 2, zeros, 2, ignore_index=-1)
    with pytest.raises(ValueError, match=r"predicted labels in \[0, 2\) or 9 \(void\), got 255"):
        confusion_matrix(zeros + 255, zeros, 2, ignore_index=9)
    with pytest.raises(
        TypeError, match=r"Image 4: expected ground-truth labels as integers, got torch\.float32"
    ):
        confusion_matrix(zeros, zeros.float(), 2, image=4)
    with pytest.raises(ValueError, match=r"to be \(C, C \+ 1\), got \(2, 2\)"):
        mean_iou(np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="each of the 2 classes, got 1 names"):
        mean_iou(np.zeros((2, 3), dtype=np.int64), ["a"])
