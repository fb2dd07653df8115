"""What the ranking module sees: class maps, conflicts, masks from either source."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks

from panoptic_fusion import BoxMasks, PanopticSegmentation
from panoptic_heads.oanet.class_maps import class_map, conflict_labels, enlarge, shrink, to_box_masks


def test_by_hand() -> None:
    # One row. Person 0 covers pixels 0-3, person 1 pixels 3-5, a tie (class 1) pixels 2-4, all overlapping.
    masks = torch.tensor([[[1, 1, 1, 1, 0, 0]], [[0, 0, 0, 1, 1, 1]], [[0, 0, 1, 1, 1, 0]]]).bool()
    drawn = class_map(BoxMasks.from_full(masks), torch.tensor([0, 0, 1]), (1, 6), 3)
    assert drawn.int().tolist() == [[[1, 1, 1, 1, 1, 1]], [[0, 0, 1, 1, 1, 0]], [[0, 0, 0, 0, 0, 0]]]
    # Two persons on pixel 3 are one class; the conflicts are pixels 2, 3, 4, where person and tie lie.
    target = PanopticSegmentation.from_id_map(
        torch.tensor([[1, 1, 3, 2, 3, 2]]), [1, 2, 3], [0, 0, 1], [True] * 3
    )
    assert conflict_labels(drawn, target).tolist() == [[255, 255, 1, 0, 1, 255]]


def test_stuff_void_and_crowd_on_top_are_no_conflict() -> None:
    drawn = torch.ones(2, 1, 5, dtype=torch.bool)  # both classes everywhere
    ids = torch.tensor([[0, 1, 2, 3, 4]])  # void, stuff (label 2), a crowd of class 0, things of 0 and 1
    target = PanopticSegmentation.from_id_map(
        ids, [1, 2, 3, 4], [2, 0, 0, 1], [False, True, True, True], iscrowd=[False, True, False, False]
    )
    assert conflict_labels(drawn, target).tolist() == [[255, 255, 255, 0, 1]]


def test_no_instances() -> None:
    empty = BoxMasks.from_full(torch.zeros(0, 4, 5, dtype=torch.bool))
    drawn = class_map(empty, torch.zeros(0, dtype=torch.int64), (4, 5), 3)
    assert drawn.shape == (3, 4, 5)
    assert not drawn.any()


@pytest.mark.parametrize("windowed", [False, True])
def test_masks_of_both_kinds(windowed: bool) -> None:
    generator = np.random.default_rng(0)
    full = (generator.random((4, 9, 11)) > 0.7).astype(np.uint8)
    full[2] = 0
    if windowed:
        window = np.array([0, 0, 11, 9])
        given = SimpleNamespace(crops=list(full), windows=np.stack([window] * 4))
    else:
        given = BitmapMasks(full, 9, 11)
    masks = to_box_masks(given, torch.device("cpu"))
    assert torch.equal(masks.to_full((9, 11)), torch.from_numpy(full).bool())
    if not windowed:
        assert masks.windows((9, 11))[2] == (0, 0, 0, 0)
        assert not len(to_box_masks(BitmapMasks(full[:0], 9, 11), torch.device("cpu")))


def test_every_fourth_pixel_and_back() -> None:
    maps = torch.arange(8 * 12).reshape(1, 8, 12)
    assert shrink(maps, 4).tolist() == [[[26, 30, 34], [74, 78, 82]]]  # rows 2, 6; columns 2, 6, 10
    assert shrink(maps[:, :7, :9], 4).shape == (1, 2, 3)
    assert shrink(maps[:, :1, :3], 4).shape == (1, 1, 1)
    assert shrink(maps, 1) is maps
    assert enlarge(torch.full((2, 2, 3), 0.5), (8, 12)).eq(0.5).all()
