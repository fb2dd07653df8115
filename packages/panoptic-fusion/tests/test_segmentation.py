"""The panoptic map: counting, selecting, looking up."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptic_fusion import PanopticSegmentation, Segment

MAP = torch.tensor([[7, 7, 0], [9, 7, 300]])


def small() -> PanopticSegmentation:
    return PanopticSegmentation.from_id_map(
        MAP, [300, 7, 9], [2, 0, 1], [False, True, True], scores=[1, 0.5, 0.25], iscrowd=[False, False, True]
    )


def test_three_segments_by_hand() -> None:
    seg = small()
    assert seg.shape == (2, 3)
    assert len(seg) == 3
    assert seg.segments == (
        Segment(300, 2, False, 1.0, 1, False),
        Segment(7, 0, True, 0.5, 3, False),
        Segment(9, 1, True, 0.25, 1, True),
    )
    assert seg.label_map().tolist() == [[0, 0, 255], [1, 0, 2]]
    assert seg.label_map(ignore_index=-1).tolist() == [[0, 0, -1], [1, 0, 2]]
    assert seg.mask(7).tolist() == [[True, True, False], [False, True, False]]
    assert not seg.mask(0).any()
    assert [tensor.dtype for tensor in (seg.id_map, seg.ids, seg.labels, seg.areas)] == [
        torch.int32,
        torch.int32,
        torch.int64,
        torch.int64,
    ]


def test_select_makes_the_others_void() -> None:
    seg = small().select(torch.tensor([True, False, True]))
    assert seg.id_map.tolist() == [[0, 0, 0], [9, 0, 300]]
    assert [segment.id for segment in seg.segments] == [300, 9]
    assert seg.areas.tolist() == [1, 1]


def test_absent_ids_are_dropped_or_kept() -> None:
    arguments = MAP, [7, 8, 9, 300], [0, 0, 0, 0], [True] * 4
    assert PanopticSegmentation.from_id_map(*arguments).ids.tolist() == [7, 9, 300]
    kept = PanopticSegmentation.from_id_map(*arguments, keep=True)
    assert kept.areas.tolist() == [3, 0, 1, 1]
    assert kept.label_map().tolist() == [[0, 0, 255], [0, 0, 0]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.int64])
def test_accepts_numpy(dtype: type) -> None:
    id_map = (MAP % 256).numpy().astype(dtype)
    id_map.flags.writeable = False
    seg = PanopticSegmentation.from_id_map(
        id_map[:, ::-1], np.array([7, 9, 44], dtype), np.zeros(3, int), np.ones(3, bool)
    )
    assert seg.areas.tolist() == [3, 1, 1]
    assert seg.id_map.tolist() == [[0, 7, 7], [44, 7, 9]]


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (3, 2)])
def test_empty(shape: tuple[int, int]) -> None:
    seg = PanopticSegmentation.empty(*shape)
    assert seg.shape == shape
    assert seg.segments == ()
    assert seg.label_map().tolist() == torch.full(shape, 255).tolist()
    assert len(seg.select(torch.zeros(0, dtype=torch.bool))) == 0
    again = PanopticSegmentation.from_id_map(seg.id_map, [], [], [])
    assert len(again) == 0


@pytest.mark.parity
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 70, 1 << 16, 1 << 23]), st.booleans())
def test_matches_literal_counts(seed: int, spread: int, noisy: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.arange(1, 9) * spread
    choice = torch.randint(0, 9, (11, 13), generator=generator)
    id_map = torch.cat([torch.zeros(1, dtype=torch.int64), ids])[choice if noisy else choice // 4 * 4]
    order = torch.randperm(8, generator=generator)
    labels = torch.randint(0, 5, (8,), generator=generator)
    seg = PanopticSegmentation.from_id_map(id_map, ids[order], labels[order], labels[order] < 2)
    label_map = torch.full_like(id_map, 255)
    kept = 0
    for segment in seg.segments:
        mask = id_map == segment.id
        assert segment.area == int(mask.sum()) > 0
        assert segment.label == int(labels[ids == segment.id])
        label_map[mask] = segment.label
        kept += 1
    assert kept == id_map[id_map > 0].unique().numel()
    assert torch.equal(seg.label_map(), label_map)
    keep = torch.arange(len(seg)) % 2 == 0
    expected = torch.where(torch.isin(id_map, seg.ids[keep]), id_map, 0)
    assert torch.equal(seg.select(keep).id_map, expected.int())


def test_inputs_are_not_changed() -> None:
    id_map = MAP.int()
    before = id_map.clone()
    seg = PanopticSegmentation.from_id_map(id_map, [7, 9, 300], [0, 0, 0], [True] * 3)
    seg.select(torch.tensor([True, False, False]))
    assert torch.equal(id_map, before)


def test_to_keeps_everything() -> None:
    seg = small()
    assert seg.to("cpu").segments == seg.cpu().segments == seg.segments
    assert seg.to("meta").device.type == "meta"
    assert "segments=3" in repr(seg)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": [7, 9]}, r"`ids` to list every id of `id_map`, but 1 of its ids are missing: 300"),
        ({"ids": [7, 9, 9]}, r"`ids` without repetition, got 3 ids of which 2 are distinct"),
        ({"ids": [0, 9, 7]}, r"`ids` in \[1, 2\*\*31\), got values in \[0, 9\]"),
        ({"labels": [0, 0]}, r"`labels` to have the shape \(S,\) = \(3,\)"),
        ({"labels": [0, -1, 0]}, r"`labels` to be class ids >= 0, got -1"),
        ({"id_map": MAP[0]}, r"`id_map` to have the shape \(H, W\), got \(3,\)"),
        ({"id_map": -MAP}, r"but 3 of its ids are missing: -300, -9, -7"),
        ({"scores": [1.0]}, r"`scores` to have the shape"),
    ],
)
def test_rejects_what_does_not_fit(change: dict, message: str) -> None:
    arguments = {"id_map": MAP, "ids": [7, 9, 300], "labels": [0, 0, 0], "is_thing": [True] * 3}
    arguments.update(change)
    if len(arguments["ids"]) == 2:
        arguments.update(labels=[0, 0], is_thing=[True] * 2)
    with pytest.raises(ValueError, match=message):
        PanopticSegmentation.from_id_map(**arguments)


def test_rejects_wrong_types() -> None:
    with pytest.raises(TypeError, match=r"`id_map` to hold integers, got torch.float32"):
        PanopticSegmentation.from_id_map(MAP.float(), [7], [0], [True])
    with pytest.raises(TypeError, match=r"`id_map` to be a torch tensor or a NumPy array, got list"):
        PanopticSegmentation.from_id_map(MAP.tolist(), [7], [0], [True])
    with pytest.raises(TypeError, match=r"`keep` to be bool"):
        small().select(torch.tensor([1, 0, 1]))
    seg = small()
    with pytest.raises(TypeError, match=r"`areas` to be torch.int64, got torch.int32"):
        PanopticSegmentation(
            seg.id_map, seg.ids, seg.labels, seg.is_thing, seg.scores, seg.areas.int(), seg.iscrowd
        )
