import pickle

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from numpy.typing import NDArray

from panoptic_data.transforms import WindowMasks


def make(full: NDArray[np.uint8]) -> WindowMasks:
    """Keep each mask in its tight window."""
    windows, crops = np.zeros((len(full), 4), dtype=np.int64), []
    for i, mask in enumerate(full):
        ys, xs = np.nonzero(mask)
        windows[i] = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        x0, y0, x1, y1 = windows[i]
        crops.append(mask[y0:y1, x0:x1])
    return WindowMasks(crops, windows, *full.shape[1:])


def random_masks(count: int, height: int = 23, width: int = 31) -> NDArray[np.uint8]:
    rng = np.random.default_rng(count)
    full = np.zeros((count, height, width), dtype=np.uint8)
    for mask in full:
        y, x = rng.integers(0, height - 1), rng.integers(0, width - 1)
        patch = mask[y : y + rng.integers(1, height), x : x + rng.integers(1, width)]
        patch[:] = rng.random(patch.shape) < 0.7
        patch[0, 0] = 1
    return full


def test_by_hand() -> None:
    masks = WindowMasks([np.array([[True, False], [True, True]])], np.array([[1, 0, 3, 2]]), 3, 4)
    assert masks.masks.tolist() == [[[0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]]
    assert masks.areas.tolist() == [3]
    assert isinstance(masks, BitmapMasks)
    assert masks.to_ndarray().dtype == np.uint8
    assert masks.to_tensor(torch.bool, "cpu").shape == (1, 3, 4)


@pytest.mark.parametrize(
    "index", [0, np.array([2, 0]), np.array([True, False, True, False]), slice(1, 3), torch.tensor([3])]
)
def test_indexing_matches_bitmap_masks(index: object) -> None:
    full = random_masks(4)
    plain = index.numpy() if isinstance(index, torch.Tensor) else index
    assert (make(full)[index].masks == BitmapMasks(full, 23, 31)[plain].masks).all()


@pytest.mark.parametrize("out_shape", [(23, 31), (32, 40)])
def test_padding_matches_bitmap_masks(out_shape: tuple[int, int]) -> None:
    full = random_masks(4)
    padded = make(full).pad(out_shape)
    assert isinstance(padded, WindowMasks)
    assert (padded.masks == BitmapMasks(full, 23, 31).pad(out_shape).masks).all()
    assert (
        make(full).pad(out_shape, pad_val=1).masks == BitmapMasks(full, 23, 31).pad(out_shape, 1).masks
    ).all()


@pytest.mark.parametrize("method", ["flip", "get_bboxes", "areas"])
def test_other_methods_match_bitmap_masks(method: str) -> None:
    full = random_masks(5)
    ours, stock = getattr(make(full), method), getattr(BitmapMasks(full, 23, 31), method)
    if method == "get_bboxes":
        ours, stock = ours("hbox"), stock("hbox")
    elif callable(ours):
        ours, stock = ours(), stock()
    if isinstance(ours, BitmapMasks):
        ours, stock = ours.masks, stock.masks
    if isinstance(ours, HorizontalBoxes):
        ours, stock = ours.tensor, stock.tensor
    assert np.asarray(ours).tolist() == np.asarray(stock).tolist()


@pytest.mark.parity
@pytest.mark.parametrize("binarize", [True, False])
def test_mask_targets_match_bitmap_masks(binarize: bool) -> None:
    full = random_masks(6)
    rng = np.random.default_rng(1)
    corners = rng.uniform(-6, 30, (60, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.01, 25, (60, 2))], axis=1).astype(np.float32)
    inds = rng.integers(0, 6, 60)
    ours = make(full).crop_and_resize(torch.from_numpy(boxes), (14, 14), inds, binarize=binarize)
    stock = BitmapMasks(full, 23, 31).crop_and_resize(
        torch.from_numpy(boxes), (14, 14), inds, binarize=binarize
    )
    if binarize:
        assert ours.masks.dtype == stock.masks.dtype == bool
        assert (ours.masks != stock.masks).mean() < 1e-4  # a sample on the threshold may round either way
    else:
        np.testing.assert_allclose(ours.masks, stock.masks, atol=2e-5)
    assert ours.masks.any()


def test_no_masks_and_no_boxes() -> None:
    none = WindowMasks([], np.zeros((0, 4), dtype=np.int64), 5, 6)
    assert none.masks.shape == (0, 5, 6)
    assert none.pad((8, 8)).masks.shape == (0, 8, 8)
    assert none.crop_and_resize(torch.zeros(0, 4), (3, 3), torch.zeros(0, dtype=torch.long)).masks.shape == (
        0,
        3,
        3,
    )
    some = make(random_masks(2))
    assert some.crop_and_resize(torch.zeros(0, 4), (3, 3), torch.zeros(0, dtype=torch.long)).masks.shape == (
        0,
        3,
        3,
    )
    assert some[np.zeros(0, dtype=np.int64)].masks.shape == (0, 23, 31)


def test_pickle_costs_windows_only() -> None:
    crops, windows = [np.ones((10, 10), dtype=bool)] * 20, np.tile([5, 5, 15, 15], (20, 1))
    masks = WindowMasks(crops, windows, 512, 512)
    data = pickle.dumps(masks)
    assert len(data) < 20_000  # 20 full masks are 5 MB
    assert (pickle.loads(data).masks == masks.masks).all()


def test_cat_keeps_windows() -> None:
    full = random_masks(5)
    joined = WindowMasks.cat([make(full[:2]), make(full[2:])])
    assert isinstance(joined, WindowMasks)
    assert (joined.masks == full).all()
    mixed = WindowMasks.cat([make(full[:2]), BitmapMasks(full[2:], 23, 31)])
    assert (mixed.masks == full).all()
    with pytest.raises(ValueError, match="empty list"):
        WindowMasks.cat([])


def test_works_inside_instance_data() -> None:
    full = random_masks(3)
    instances = InstanceData(labels=torch.tensor([4, 5, 6]), masks=make(full))
    kept = instances[torch.tensor([True, False, True])]
    assert kept.labels.tolist() == [4, 6]
    assert (kept.masks.masks == full[[0, 2]]).all()
    assert len(instances.to("cpu").masks) == 3
