"""Run-length masks: pycocotools is the reference."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from panoptic_core.files import box_masks_to_rle, rle_to_box_masks, segmentation_to_rle
from panoptic_fusion import BoxMasks


def test_three_by_three_by_hand() -> None:
    # . X .      column by column: 1 off (column 0's first), ... columns are (., ., X), (X, X, .), (., ., .)
    # . X .      flat: 0 0 1 | 1 1 0 | 0 0 0  ->  2 off, 3 on (across the column border), 4 off
    # X . .
    mask = np.array([[0, 1, 0], [0, 1, 0], [1, 0, 0]], dtype=bool)
    (rle,) = box_masks_to_rle(BoxMasks.from_full(mask[None]), (3, 3))
    assert rle == coco_mask.frPyObjects({"size": [3, 3], "counts": [2, 3, 4]}, 3, 3)
    assert rle_to_box_masks([rle]).to_full((3, 3))[0].tolist() == mask.tolist()


masks = st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda s: arrays(np.bool_, s)
)


@settings(max_examples=200, deadline=None)
@given(masks)
def test_agrees_with_pycocotools_and_comes_back(full: np.ndarray) -> None:
    size = full.shape[1], full.shape[2]
    rles = box_masks_to_rle(BoxMasks.from_full(full), size)
    assert rles == [coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in full]
    np.testing.assert_array_equal(rle_to_box_masks(rles).to_full(size).numpy(), full)


@pytest.mark.parity
def test_logit_masks_that_leave_the_image() -> None:
    generator = torch.Generator().manual_seed(0)
    boxes = torch.tensor([[-5.0, -3.0, 9.5, 12.0], [20.2, 4.0, 60.0, 30.0], [50.0, 40.0, 70.0, 60.0]])
    masks = BoxMasks.from_logits(torch.randn(3, 14, 14, generator=generator), boxes)
    size = (24, 32)
    expected = [
        coco_mask.encode(np.asfortranarray(mask.numpy().astype(np.uint8))) for mask in masks.to_full(size)
    ]
    assert box_masks_to_rle(masks, size) == expected


def test_windows_are_tight_and_empty_masks_stay() -> None:
    full = torch.zeros(2, 10, 20, dtype=torch.bool)
    full[0, 3:5, 7:11] = True
    back = rle_to_box_masks(box_masks_to_rle(BoxMasks.from_full(full), (10, 20)))
    assert back.window(0, (10, 20)) == (7, 3, 11, 5)
    assert back.areas((10, 20)).tolist() == [8, 0]
    assert len(rle_to_box_masks([])) == 0


def test_polygons_and_other_forms_become_rle() -> None:
    square = [[2.0, 1.0, 6.0, 1.0, 6.0, 4.0, 2.0, 4.0]]
    rle = segmentation_to_rle(square, (8, 10))
    assert rle == coco_mask.merge(coco_mask.frPyObjects(square, 8, 10))
    assert coco_mask.area(rle) == 12
    text = {"size": rle["size"], "counts": rle["counts"].decode()}  # type: ignore[union-attr]
    plain = {"size": [8, 10], "counts": [17, 3, 5, 3, 5, 3, 5, 3, 36]}
    for form in (text, plain):
        assert rle_to_box_masks([form]).to_full((8, 10)).sum() == 12
        assert coco_mask.area(segmentation_to_rle(form, (8, 10))) == 12


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"counts": [4]}, r"`size` \(height, width\) and `counts`, got the keys \['counts'\]"),
        ({"size": [2, 2], "counts": [1, 2]}, "sum up to 2 x 2 = 4 pixels, got 3"),
        ({"size": [4, 2], "counts": [8]}, r"image's size \[2, 4\] \(height, width\), got \[4, 2\]"),
        ([], "list of polygons"),
        ([[0, 0, 1, 1]], "at least three points"),
        ([[0, 0, 1, 1, 2, 2, 3]], "at least three points"),
        (None, "got None"),
    ],
    ids=["no size", "short", "swapped", "no polygon", "two points", "odd", "none"],
)
def test_bad_segmentations_are_named(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        segmentation_to_rle(value, (2, 4))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=9), st.integers(1, 7))
def test_long_and_empty_runs_decode_as_pycocotools_does(counts: list[int], height: int) -> None:
    counts[-1] += -sum(counts) % height or height
    width = sum(counts) // height
    rle = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    (window,) = rle_to_box_masks([rle]).host_boxes.tolist()
    x, y, w, h = coco_mask.toBbox(rle).tolist()
    area = int(coco_mask.area(rle))
    assert rle_to_box_masks([rle]).areas((height, width)).tolist() == [area]
    assert not area or window == [x, y, x + w, y + h]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (b"0", "fill its size 4 x 6 = 24 pixels, got 0"),
        (b"9", "got 9"),
        ("l1", "got 60"),  # 28 + 1 * 32: the second character continues the first
        (b"", "compressed form, got b''"),
        (b"ab~", "compressed form"),
        (b"P", "compressed form"),  # says that it goes on, and ends
        (b"P" * 13 + b"0", "below 2"),
    ],
)
def test_runs_that_do_not_fill_the_image_are_refused(counts: bytes | str, message: str) -> None:
    # pycocotools hands out uninitialised memory for the first two.
    with pytest.raises(ValueError, match=message):
        rle_to_box_masks([{"size": [4, 6], "counts": counts}])
