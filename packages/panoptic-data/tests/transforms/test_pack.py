from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mmdet.datasets.transforms import Pad, RandomFlip, Resize
from mmdet.structures.mask import BitmapMasks
from numpy.typing import NDArray

from panoptic_data.transforms import (
    InstanceTable,
    PackPanopticInputs,
    PadPanoptic,
    RandomScaledCrop,
    SegmentTable,
)

# Rows: 1 = car 50, 2 = sky 60, 3 = a crowd of cars 55, 4 = person 52; two thing classes, one stuff class.
SEGMENTS = SegmentTable.from_columns([50, 60, 55, 52], [0, 2, 0, 1], [0, 0, 1, 0], num_things=2)
ROW_MAP = np.array([[1, 1, 2, 3], [1, 2, 2, 3], [2, 2, 0, 0]], dtype=np.int32)


def make_results(row_map: NDArray = ROW_MAP, **extra: Any) -> dict[str, Any]:
    size = row_map.shape[:2]
    return {
        "img": np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(*size, 3),
        "img_path": "a.png",
        "img_id": 5,
        "img_shape": size,
        "ori_shape": size,
        "gt_seg_map": row_map,
        "segments": SEGMENTS,
        "instances": InstanceTable.from_segments(SEGMENTS),
        **extra,
    }


def test_training_sample_by_hand() -> None:
    packed = PackPanopticInputs()(make_results())
    sample = packed["data_samples"]
    assert packed["inputs"].shape == (3, 3, 4)
    assert packed["inputs"].is_contiguous()
    assert packed["inputs"][:, 0, 1].tolist() == [3, 4, 5]
    # The car covers (0,0) (1,0) (0,1); the person is out of sight; the crowd is the right column.
    assert sample.gt_instances.bboxes.tolist() == [[0, 0, 2, 2]]
    assert sample.gt_instances.bboxes.dtype == torch.float32
    assert sample.gt_instances.labels.tolist() == [0]
    assert sample.gt_instances.segment_ids.tolist() == [50]
    assert isinstance(sample.gt_instances.masks, BitmapMasks)
    assert sample.gt_instances.masks.masks.tolist() == [[[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]]
    assert sample.ignored_instances.bboxes.tolist() == [[3, 0, 4, 2]]
    assert sample.ignored_instances.labels.tolist() == [0]
    sem_seg = sample.gt_sem_seg.sem_seg
    assert sem_seg.tolist() == [[[0, 0, 2, 0], [0, 2, 2, 0], [2, 2, 255, 255]]]
    assert sem_seg.dtype == torch.int64
    panoptic = sample.gt_panoptic
    assert panoptic.id_map.tolist() == [[50, 50, 60, 55], [50, 60, 60, 55], [60, 60, 0, 0]]
    assert panoptic.ids.tolist() == [50, 60, 55]
    assert panoptic.areas.tolist() == [3, 5, 2]
    assert panoptic.iscrowd.tolist() == [False, False, True]
    assert panoptic.is_thing.tolist() == [True, False, True]
    assert sample.img_id == 5
    assert sample.ori_shape == (3, 4)
    assert sample.scale_factor == (1.0, 1.0)


def test_testing_sample_by_hand() -> None:
    results = make_results(img=np.zeros((6, 8, 3), dtype=np.uint8), img_shape=(6, 8), scale_factor=(2.0, 2.0))
    packed = PackPanopticInputs(test_mode=True)(results)
    sample = packed["data_samples"]
    assert packed["inputs"].shape == (3, 6, 8)
    assert sample.gt_panoptic.shape == (3, 4)
    assert sample.gt_instances.bboxes.tolist() == [[0, 0, 2, 2], [3, 0, 4, 2]]
    assert sample.gt_instances.iscrowd.tolist() == [False, True]
    full = sample.gt_instances.masks.to_full((3, 4))
    assert full.int().tolist() == [
        [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]],
    ]
    assert sample.scale_factor == (2.0, 2.0)


def overlapping_results() -> dict[str, Any]:
    """Return a person of 3x3 pixels with a bag of 1x1 on top, the person's full mask on channel 1."""
    visible = np.zeros((5, 6), dtype=np.int32)
    visible[1:4, 1:4] = 4
    visible[2, 2] = 1
    full = np.zeros_like(visible)
    full[1:4, 1:4] = 1
    instances = InstanceTable(
        labels=np.array([1, 0]),
        iscrowd=np.array([False, False]),
        channels=np.array([1, 0]),
        values=np.array([1, 1], dtype=np.int32),
        segment_ids=np.array([52, 50], dtype=np.int32),
    )
    return make_results(np.stack([visible, full], axis=-1), instances=instances)


@pytest.mark.parametrize("test_mode", [False, True])
def test_overlapping_masks_come_out_whole(test_mode: bool) -> None:
    sample = PackPanopticInputs(test_mode=test_mode)(overlapping_results())["data_samples"]
    masks = sample.gt_instances.masks
    full = masks.to_full((5, 6)).int() if test_mode else torch.from_numpy(masks.masks)
    assert full.sum(dim=(1, 2)).tolist() == [9, 1]
    assert sample.gt_instances.labels.tolist() == [1, 0]
    assert sample.gt_instances.bboxes.tolist() == [[1, 1, 4, 4], [2, 2, 3, 3]]
    assert dict(zip(sample.gt_panoptic.ids.tolist(), sample.gt_panoptic.areas.tolist(), strict=True)) == {
        50: 1,
        52: 8,
    }


def test_thin_instances_are_no_targets() -> None:
    sample = PackPanopticInputs(min_side=2)(overlapping_results())["data_samples"]
    assert sample.gt_instances.labels.tolist() == [1]
    assert 50 in sample.gt_panoptic.ids.tolist()  # it stays on the maps


@pytest.mark.parametrize("test_mode", [False, True])
def test_all_void(test_mode: bool) -> None:
    sample = PackPanopticInputs(test_mode=test_mode)(make_results(np.zeros((3, 4), dtype=np.int32)))[
        "data_samples"
    ]
    assert len(sample.gt_instances) == 0
    assert sample.gt_instances.bboxes.shape == (0, 4)
    assert len(sample.gt_instances.masks) == 0
    assert len(sample.gt_panoptic) == 0
    if not test_mode:
        assert sample.gt_instances.masks.masks.shape == (0, 3, 4)
        assert (sample.gt_sem_seg.sem_seg == 255).all()


@pytest.mark.parametrize("test_mode", [False, True])
def test_image_without_annotation(test_mode: bool) -> None:
    results = {"img": np.zeros((4, 5, 3), dtype=np.uint8), "ori_shape": (4, 5), "img_path": "a.jpg"}
    packed = PackPanopticInputs(test_mode=test_mode)(results)
    assert packed["inputs"].shape == (3, 4, 5)
    assert "gt_panoptic" not in packed["data_samples"]
    assert packed["data_samples"].img_path == "a.jpg"


def test_image_with_negative_strides() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    packed = PackPanopticInputs()({"img": image[:, ::-1]})
    assert packed["inputs"][:, 0, 0].tolist() == [9, 10, 11]


def test_one_column_mirrored() -> None:
    # NumPy calls it contiguous, whatever its stride is.
    results = RandomFlip(prob=1.0)(make_results(np.array([[1], [2]], dtype=np.int32)))
    packed = PackPanopticInputs()(results)
    assert packed["inputs"].shape == (3, 2, 1)
    assert packed["data_samples"].gt_panoptic.id_map.tolist() == [[50], [60]]


label_maps = arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4))


@given(label_maps)
def test_masks_and_maps_agree(row_map: NDArray) -> None:
    sample = PackPanopticInputs()(make_results(row_map))["data_samples"]
    panoptic, sem_seg = sample.gt_panoptic, sample.gt_sem_seg.sem_seg[0]
    assert torch.equal(panoptic.label_map(255), sem_seg)
    assert int(panoptic.areas.sum()) == int((panoptic.id_map > 0).sum())
    # Visible thing masks and crowds cover each thing pixel exactly once and nothing else.
    covered = torch.from_numpy(sample.gt_instances.masks.masks.sum(axis=0).astype(np.int64))
    for segment in panoptic.segments:
        if segment.iscrowd:
            covered += panoptic.mask(segment.id)
    assert torch.equal(covered, (sem_seg < 2).long())
    for box, mask, segment_id in zip(
        sample.gt_instances.bboxes,
        sample.gt_instances.masks.masks,
        sample.gt_instances.segment_ids,
        strict=True,
    ):
        ys, xs = np.nonzero(mask)
        assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert torch.equal(torch.from_numpy(mask).bool(), panoptic.mask(int(segment_id)))


@given(label_maps)
def test_flip_twice_is_identity(row_map: NDArray) -> None:
    flip, pack = RandomFlip(prob=1.0), PackPanopticInputs()
    direct = pack(make_results(row_map))
    twice = pack(flip(flip(make_results(row_map))))
    assert torch.equal(direct["inputs"], twice["inputs"])
    assert torch.equal(direct["data_samples"].gt_panoptic.id_map, twice["data_samples"].gt_panoptic.id_map)
    assert torch.equal(direct["data_samples"].gt_instances.bboxes, twice["data_samples"].gt_instances.bboxes)


def test_crop_drops_what_it_cuts_off() -> None:
    row_map = np.zeros((8, 8), dtype=np.int32)
    row_map[:4, :4], row_map[4:, 4:] = 1, 4
    for seed in range(6):
        np.random.seed(seed)  # noqa: NPY002 - what the transform draws from
        sample = PackPanopticInputs()(RandomScaledCrop((3, 3), (1.0, 1.0))(make_results(row_map)))[
            "data_samples"
        ]
        shown = {int(s) for s in sample.gt_panoptic.id_map.unique()} - {0}
        assert set(sample.gt_instances.segment_ids.tolist()) == shown
        assert sample.gt_instances.masks.masks.shape[1:] == (3, 3)


def test_padding_is_void() -> None:
    sample = PackPanopticInputs()(PadPanoptic(size=(5, 6))(make_results()))["data_samples"]
    assert sample.gt_panoptic.shape == (5, 6)
    assert (sample.gt_sem_seg.sem_seg[0, 3:] == 255).all()
    assert not sample.gt_panoptic.id_map[:, 4:].any()


def test_stock_padding_with_255_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"channel 0 of `gt_seg_map` of a\.png in \[0, 4\], got values in \[0, 255\]"
    ):
        PackPanopticInputs()(Pad(size=(6, 6))(make_results()))
    stock = Pad(size=(6, 5), pad_val={"img": 0, "seg": 0})
    assert PackPanopticInputs()(stock(make_results()))["data_samples"].gt_panoptic.shape == (5, 6)


@pytest.mark.parametrize(
    ("test_mode", "cure"),
    [(True, "testing pipeline put LoadPanoptic after"), (False, "training pipeline put")],
)
def test_wrong_order_names_the_cure(test_mode: bool, cure: str) -> None:
    results = make_results()
    if test_mode:
        results = Resize(scale=(8, 8))(results)
    else:
        results["img"] = np.zeros((6, 8, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=rf"`gt_seg_map` of a\.png to be of size .* {cure}"):
        PackPanopticInputs(test_mode=test_mode)(results)
