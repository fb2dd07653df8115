"""The best class of every pixel, held against torch's argmax."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptic_fusion import label_map_from_logits


@pytest.mark.parity
@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 9),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
)
def test_matches_the_first_maximum(seed: int, classes: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(-3, 4, (classes, 5, 7), generator=generator).to(dtype)
    before = logits.clone()
    labels = label_map_from_logits(logits)
    assert labels.dtype == torch.int64
    for y in range(5):
        for x in range(7):
            column = logits[:, y, x].tolist()
            assert int(labels[y, x]) == column.index(max(column))
    assert torch.equal(logits, before)


@pytest.mark.parametrize("classes", [256, 257, 300])
def test_many_classes_and_many_rows(classes: int) -> None:
    logits = torch.randn(classes, 130, 300, generator=torch.Generator().manual_seed(classes))
    assert torch.equal(label_map_from_logits(logits), logits.argmax(dim=0))
    turned = logits.permute(0, 2, 1)
    assert torch.equal(label_map_from_logits(turned), turned.argmax(dim=0))


def test_one_class_no_pixels_numpy_and_minus_infinity() -> None:
    assert label_map_from_logits(torch.zeros(1, 2, 2)).tolist() == [[0, 0], [0, 0]]
    assert label_map_from_logits(torch.zeros(3, 0, 2)).shape == (0, 2)
    assert label_map_from_logits(torch.zeros(3, 2, 0)).shape == (2, 0)
    assert label_map_from_logits(np.array([[[-np.inf]], [[-9.0]]])).tolist() == [[1]]


def test_doubles_are_not_rounded() -> None:
    logits = torch.tensor([[[1.0]], [[1.0 + 1e-12]]], dtype=torch.float64)
    assert label_map_from_logits(logits).tolist() == [[1]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rejects_logits_that_are_not_finite(value: float) -> None:
    logits = torch.zeros(3, 4, 5)
    logits[1, 2, 3] = value
    with pytest.raises(ValueError, match=r"`sem_logits` to be finite"):
        label_map_from_logits(logits)


def test_rejects_what_does_not_fit() -> None:
    with pytest.raises(TypeError, match=r"`sem_logits` to be floats, got torch.int64"):
        label_map_from_logits(torch.zeros(3, 2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"at least one class, got \(0, 2, 2\)"):
        label_map_from_logits(torch.zeros(0, 2, 2))
    with pytest.raises(ValueError, match=r"`sem_logits` to have the shape \(C, H, W\), got \(2, 2\)"):
        label_map_from_logits(torch.zeros(2, 2))
