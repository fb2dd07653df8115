from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mmdet.datasets.transforms import Pad, RandomFlip
from mmengine.dataset import pseudo_collate
from mmengine.structures import PixelData
from numpy.typing import NDArray

from panoptic_data.transforms import (
    InstanceTable,
    MakeCenterTargets,
    PackPanopticInputs,
    RandomScaledCrop,
    SegmentTable,
)
from panoptic_fusion import encode_centers

# Rows: 1 = car 50, 2 = sky 60, 3 = a crowd of cars 55, 4 = person 52; two thing classes, one stuff class.
SEGMENTS = SegmentTable.from_columns([50, 60, 55, 52], [0, 2, 0, 1], [0, 0, 1, 0], num_things=2)
FIELDS = ("heatmap", "offsets", "heatmap_mask", "offset_mask", "semantic_weight")


def make_results(row_map: NDArray, **extra: Any) -> dict[str, Any]:
    size = row_map.shape[:2]
    return {
        "img": np.zeros((*size, 3), dtype=np.uint8),
        "img_path": "a.png",
        "img_shape": size,
        "ori_shape": size,
        "gt_seg_map": row_map,
        "segments": SEGMENTS,
        "instances": InstanceTable.from_segments(SEGMENTS),
        **extra,
    }


def make_targets(row_map: NDArray, **options: Any) -> PixelData:
    return MakeCenterTargets(**options)(make_results(np.asarray(row_map, dtype=np.int32)))["gt_centers"]


def assert_same(ours: PixelData, theirs: PixelData) -> None:
    for name in FIELDS:
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=0, atol=1e-5, msg=name)


def test_by_hand() -> None:
    # The car's center of mass: y (0 + 0 + 1) / 3 = 1/3, x (0 + 1 + 0) / 3 = 1/3. Column 2 is sky, column 3
    # the crowd, the rest void.
    targets = make_targets([[1, 1, 2, 3], [1, 2, 2, 3], [0, 0, 0, 0]], sigma=1.0)
    third = 1 / 3
    offsets = torch.zeros(2, 3, 4)
    offsets[:, 0, 0] = torch.tensor([third, third])
    offsets[:, 0, 1] = torch.tensor([third, third - 1])
    offsets[:, 1, 0] = torch.tensor([third - 1, third])
    torch.testing.assert_close(targets.offsets, offsets)
    car = torch.tensor([[[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]]).bool()
    assert torch.equal(targets.offset_mask, car)
    assert torch.equal(
        targets.heatmap_mask, torch.tensor([[[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]]).bool()
    )
    assert torch.equal(targets.semantic_weight, torch.where(car, 3.0, 1.0))
    # The peak is pixel (0, 0): exp(-(y**2 + x**2) / 2).
    y, x = torch.arange(3.0)[:, None], torch.arange(4.0)
    torch.testing.assert_close(targets.heatmap, torch.exp(-(y**2 + x**2) / 2)[None])


def test_shapes_and_dtypes() -> None:
    targets = make_targets(np.ones((3, 5)))
    assert targets.shape == (3, 5)
    assert {name: (tuple(getattr(targets, name).shape), getattr(targets, name).dtype) for name in FIELDS} == {
        "heatmap": ((1, 3, 5), torch.float32),
        "offsets": ((2, 3, 5), torch.float32),
        "heatmap_mask": ((1, 3, 5), torch.bool),
        "offset_mask": ((1, 3, 5), torch.bool),
        "semantic_weight": ((1, 3, 5), torch.float32),
    }


def test_options_reach_the_targets() -> None:
    # Columns 0 to 3: the center of mass is 1.5, which rounds to 2 (the even one) and is floored to 1.
    row_map = np.array([[1, 1, 1, 1, 0, 0]])
    assert int(make_targets(row_map).heatmap.argmax()) == 2
    assert int(make_targets(row_map, peak="floored").heatmap.argmax()) == 1
    assert float(make_targets(row_map, peak="exact").heatmap.max()) < 1
    assert float(make_targets(row_map).offsets[1, 0, 0]) == 1.5
    assert float(make_targets(row_map, offset_to="peak").offsets[1, 0, 0]) == 2
    assert float(make_targets(row_map, small_area=4).semantic_weight.max()) == 1
    assert float(make_targets(row_map, small_weight=2.0).semantic_weight.max()) == 2
    sharp, wide = make_targets(row_map, sigma=1.0).heatmap, make_targets(row_map, sigma=10.0).heatmap
    assert float(sharp[0, 0, 5]) < float(wide[0, 0, 5])


row_maps = arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 4))


@given(row_maps)
def test_ids_do_not_matter(row_map: NDArray) -> None:
    """What is made of rows is what the packed ground truth, with the ids of the file, gives."""
    results = MakeCenterTargets()(make_results(row_map))
    sample = PackPanopticInputs(with_instances=False)(results)["data_samples"]
    expected = encode_centers(sample.gt_panoptic)
    assert torch.equal(sample.gt_centers.heatmap, expected.heatmap)
    assert torch.equal(sample.gt_centers.offsets, expected.offsets)
    assert torch.equal(sample.gt_centers.heatmap_mask[0], expected.heatmap_mask)
    assert torch.equal(sample.gt_centers.offset_mask[0], expected.offset_mask)
    assert torch.equal(sample.gt_centers.semantic_weight[0], expected.semantic_weight)


@settings(deadline=None)
@given(row_maps)
def test_targets_of_a_flip_are_the_flipped_targets(row_map: NDArray) -> None:
    # The exact peak: a half rounds to the even pixel, which a mirror does not keep.
    make = MakeCenterTargets(peak="exact", sigma=2.0)
    flipped = make(RandomFlip(prob=1.0)(make_results(row_map)))["gt_centers"]
    straight = make(make_results(row_map))["gt_centers"]
    mirrored = PixelData(**{name: getattr(straight, name).flip(-1) for name in FIELDS})
    mirrored.offsets[1].neg_()
    # Gaussians are cut off 3 sigma + 1 = 7 pixels from the middle; at a tie of the middle the two differ by
    # what lies there: exp(-6.5**2 / 8) = 0.005.
    torch.testing.assert_close(flipped.heatmap, mirrored.heatmap, rtol=0, atol=0.006)
    flipped.heatmap = mirrored.heatmap
    assert_same(flipped, mirrored)


@given(row_maps, st.data())
def test_a_cut_instance_gets_its_visible_centroid(row_map: NDArray, data: st.DataObject) -> None:
    top = data.draw(st.integers(0, row_map.shape[0] - 1))
    left = data.draw(st.integers(0, row_map.shape[1] - 1))
    cut = row_map[top:, left:]
    targets = make_targets(cut)
    for row in (1, 4):
        ys, xs = np.nonzero(cut == row)
        goal = torch.tensor([ys.mean(), xs.mean()]) if len(ys) else torch.zeros(2)
        for y, x in zip(ys, xs, strict=True):
            here = torch.tensor([y, x]) + targets.offsets[:, y, x]
            torch.testing.assert_close(here.double(), goal, rtol=0, atol=1e-5)


def test_what_a_crop_cuts_away_leaves_no_gaussian() -> None:
    row_map = np.zeros((8, 16), dtype=np.int32)
    row_map[:, 14:] = 1  # its Gaussian would reach into the crop
    targets = make_targets(row_map[:, :14])
    assert not targets.heatmap.any()
    assert not targets.heatmap_mask.any()


@given(row_maps)
def test_crowds_leave_no_trace(row_map: NDArray) -> None:
    assert_same(make_targets(row_map), make_targets(np.where(row_map == 3, 0, row_map)))


def test_all_void_and_no_instance() -> None:
    void = make_targets(np.zeros((3, 4)))
    assert not any(getattr(void, name).any() for name in FIELDS[:4])
    assert (void.semantic_weight == 1).all()
    stuff = make_targets(np.full((3, 4), 2))
    assert not stuff.heatmap.any()
    assert stuff.heatmap_mask.all()
    assert not stuff.offset_mask.any()


def test_only_visible_segments_count() -> None:
    """Overlapping masks of an instance file, on further channels, change nothing."""
    visible = np.array([[4, 1, 1, 4, 4]], dtype=np.int32)
    layers = np.stack([visible, np.full_like(visible, 1)], axis=-1)
    assert_same(make_targets(layers), make_targets(visible))


def test_samples_of_a_batch_are_the_single_ones() -> None:
    pipeline = [MakeCenterTargets(), PackPanopticInputs(with_instances=False)]

    def run(seed: int) -> dict[str, Any]:
        row_map = np.random.default_rng(seed).integers(0, 5, (6, 7)).astype(np.int32)
        results = make_results(row_map)
        for transform in pipeline:
            results = transform(results)
        return results

    batch = pseudo_collate([run(0), run(1)])
    for seed, sample in enumerate(batch["data_samples"]):
        assert_same(sample.gt_centers, run(seed)["data_samples"].gt_centers)


def test_scaled_crops_fit_the_image() -> None:
    row_map = np.zeros((20, 30), dtype=np.int32)
    row_map[4:12, 5:25], row_map[12:, :] = 1, 2
    for seed in range(8):
        np.random.seed(seed)  # noqa: NPY002 - what the transform draws from
        results = RandomScaledCrop((17, 17), (0.5, 2.0))(make_results(row_map))
        sample = PackPanopticInputs()(MakeCenterTargets()(results))["data_samples"]
        assert sample.gt_centers.shape == (17, 17)
        labels = sample.gt_sem_seg.sem_seg
        assert torch.equal(sample.gt_centers.offset_mask, labels == 0)
        assert torch.equal(sample.gt_centers.heatmap_mask, labels != 255)


def test_no_instances_are_made_where_none_are_wanted() -> None:
    row_map = np.array([[1, 1, 3], [2, 2, 0]], dtype=np.int32)
    sample = PackPanopticInputs(with_instances=False)(MakeCenterTargets()(make_results(row_map)))[
        "data_samples"
    ]
    assert set(sample.keys()) == {"gt_sem_seg", "gt_panoptic", "gt_centers"}
    assert sample.gt_sem_seg.sem_seg.tolist() == [[[0, 0, 0], [2, 2, 255]]]


def test_a_crowds_class_can_be_ignored() -> None:
    row_map = np.array([[1, 1, 3], [2, 2, 0]], dtype=np.int32)
    sample = PackPanopticInputs(crowd_labels="ignored")(make_results(row_map))["data_samples"]
    assert sample.gt_sem_seg.sem_seg.tolist() == [[[0, 0, 255], [2, 2, 255]]]
    assert sample.gt_panoptic.iscrowd.tolist() == [False, False, True]
    with pytest.raises(ValueError, match=r"`crowd_labels` to be 'kept' or 'ignored', got 'lost'"):
        PackPanopticInputs(crowd_labels="lost")  # type: ignore[arg-type]


def test_image_without_annotation() -> None:
    results = MakeCenterTargets()({"img": np.zeros((4, 5, 3), dtype=np.uint8)})
    assert "gt_centers" not in results


def test_wrong_options_and_padding_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`sigma` to be a number"):
        MakeCenterTargets(sigma=0)
    with pytest.raises(ValueError, match=r"`peak` to be one of"):
        MakeCenterTargets(peak="middle")  # type: ignore[arg-type]
    results = Pad(size=(6, 6))(make_results(np.zeros((3, 4), dtype=np.int32)))
    with pytest.raises(ValueError, match=r"`gt_seg_map` of a\.png in \[0, 4\], got values in \[0, 255\]"):
        MakeCenterTargets()(results)
