"""The table of methods: options follow from the functions' signatures."""

from typing import Any

import pytest
import torch

from panoptic_core.files import PanopticFileError
from panoptic_core.fusing import METHODS, ImageParts, SettingError, find_method
from panoptic_fusion import AffinityMaps, BoxMasks, RawOutputs, fuse_by_mask_guidance


def test_options_of_the_signature() -> None:
    options = METHODS["mask_guidance"].options
    assert {name: (option.keyword, option.default) for name, option in options.items()} == {
        "score": ("score_threshold", 0.5),
        "box_nms": ("box_nms_threshold", 0.3),
        "mask_nms": ("mask_nms_threshold", 0.3),
        "overlap": ("overlap_threshold", 0.4),
        "guidance": ("guidance_threshold", 0.7),
        "measure": ("measure", "coverage"),
        "clip": ("clip", True),
        "fill": ("fill", "void"),
        "stuff_area": ("stuff_area_limit", 0),
    }
    assert list(METHODS["confidence"].options) == ["score", "overlap", "stuff_area"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("overlap=0.3,0.5", ("overlap", [0.3, 0.5])),
        ("overlap_threshold=1", ("overlap", [1.0])),
        ("stuff_area=1024", ("stuff_area", [1024])),
        ("clip=False", ("clip", [False])),
        ("measure=iou,coverage", ("measure", ["iou", "coverage"])),
        ("score=-1e3", ("score", [-1000.0])),
    ],
)
def test_settings_are_read(text: str, expected: Any) -> None:
    assert METHODS["mask_guidance"].read_setting(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("overlap", "Expected a setting like score=value, got 'overlap'"),
        ("overlap=", "Expected `overlap` to be a number, got ''"),
        ("overlap=half", "to be a number, got 'half'"),
        ("stuff_area=0.5", "to be a whole number, got '0.5'"),
        ("clip=1", "Expected `clip` to be true or false, got '1'"),
        ("fill=holes", "Expected `fill` to be void or stuff, got 'holes'"),
        ("stuff_seg=3", r"setting of method 'mask_guidance' \(score, .*\), got 'stuff_seg'"),
        ("num_things=3", "got 'num_things'"),
    ],
)
def test_wrong_settings_are_told(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        METHODS["mask_guidance"].read_setting(text)


def test_unknown_methods() -> None:
    with pytest.raises(SettingError, match=r"one of confidence, mask_guidance.*, got 'guess'"):
        find_method("guess")


def raw(**parts: Any) -> RawOutputs:
    masks = BoxMasks.from_full(torch.tensor([[[1, 1, 0, 0]]], dtype=torch.bool))
    labels, scores = torch.tensor([1]), torch.tensor([0.9])
    return RawOutputs((1, 4), 2, 4, masks=masks, labels=labels, scores=scores, **parts)


def test_fill_takes_the_best_stuff_of_the_logits() -> None:
    sem_logits = torch.tensor([[[0.0, 0, 0, 0]], [[9, 9, 9, 0]], [[1, 1, 1, 5]], [[2, 2, 2, 1]]])
    parts = ImageParts(raw(sem_logits=sem_logits), "Image 1")
    assert parts.get("sem_seg").tolist() == [[1, 1, 1, 2]]
    assert parts.get("stuff_seg").tolist() == [[3, 3, 3, 2]]
    seg = METHODS["mask_guidance"].fuse(parts, {"fill": "stuff"})
    assert seg.label_map().tolist() == [[1, 1, 3, 2]]
    expected = fuse_by_mask_guidance(
        *(parts.need(name, "a test") for name in ("masks", "labels", "scores", "sem_seg")), num_things=2
    )
    assert METHODS["mask_guidance"].fuse(parts, {}).id_map.equal(expected.id_map)
    labels_only = ImageParts(raw(sem_seg=torch.tensor([[1, 1, 1, 2]])), "Image 7, a.png")
    with pytest.raises(
        PanopticFileError, match=r"Image 7, a\.png: fill=stuff needs semantic logits, got none"
    ):
        METHODS["mask_guidance"].fuse(labels_only, {"fill": "stuff"})


def test_a_collapsed_head_is_unfolded() -> None:
    # Channels: all things, then stuff 2 and 3.
    sem_logits = torch.tensor([[[9.0, 9, 0, 0]], [[1, 0, 5, 0]], [[0, 1, 0, 5]]])
    parts = ImageParts(raw(sem_logits=sem_logits), "Image 1")
    assert parts.get("sem_seg").tolist() == [[0, 0, 2, 3]]
    assert parts.get("stuff_seg").tolist() == [[2, 3, 2, 3]]


@pytest.mark.parametrize(
    ("method", "message"),
    [("confidence", "'confidence' needs instance masks, got none. Give --instances"),
     ("mask_guidance", "'mask_guidance' needs instance masks")],
)  # fmt: skip
def test_missing_parts_are_named(method: str, message: str) -> None:
    parts = ImageParts(RawOutputs((1, 4), 2, 4, sem_seg=torch.zeros(1, 4, dtype=torch.int64)), "Image 7")
    with pytest.raises(PanopticFileError, match=f"Image 7: method {message}"):
        METHODS[method].fuse(parts, {})
    with pytest.raises(PanopticFileError, match=r"needs a semantic prediction, got none\. Give --semantic"):
        METHODS[method].fuse(ImageParts(raw(), "Image 7"), {})


def test_affinity_reads_the_maps_of_the_grid_first() -> None:
    # On the grid (one row, cells of 2 pixels) stuff 2 is best at the left and 3 at the right; the instance of
    # class 1, on the left, is second there, and what the left gives to itself keeps that order.
    grid = torch.tensor([[[0.0, 0]], [[4, 0]], [[5, 0]], [[0, 5]]])
    left = torch.tensor([[[1.0, 0]]])
    maps = AffinityMaps(grid, left, left, gamma=1.0, stride=(1.0, 2.0))
    full = torch.tensor([[[0.0] * 4], [[0.0] * 4], [[0.0] * 4], [[5.0] * 4]])
    method, settings = METHODS["affinity"], {"form": "sum"}
    assert set(method.options) == {"affinity", "form", "score", "stuff_area"}

    def labels(parts: RawOutputs, **more: Any) -> list[int]:
        return method.fuse(ImageParts(parts, "Image 1"), {**settings, **more}).label_map().tolist()[0]

    # Left: softmax 0.27 of class 1; "sum" gives 0.9 * (0.27 + 1) > 0.72 of stuff 2. "mask_free": 0.24 < 0.72.
    assert labels(raw(affinity=maps, sem_logits=full)) == [1, 1, 3, 3]
    assert labels(raw(affinity=maps), form="mask_free") == [2, 2, 3, 3]
    assert labels(raw(sem_logits=full), form="mask_free") == [3, 3, 3, 3]
    with pytest.raises(PanopticFileError, match=r"'affinity' needs semantic logits of every class, got none"):
        labels(raw(sem_logits=full[1:]))
    with pytest.raises(PanopticFileError, match=r"'affinity' needs semantic logits of every class, got none"):
        labels(raw(sem_seg=torch.zeros(1, 4, dtype=torch.int64)))


def test_affinity_can_be_left_out() -> None:
    # The right cell takes what the left one gives, where stuff 2 is a little better than stuff 3.
    grid = torch.tensor([[[0.0, 0]], [[0, 0]], [[5, 4]], [[0, 5]]])
    maps = AffinityMaps(
        grid, torch.tensor([[[0.0, 1]]]), torch.tensor([[[1.0, 0]]]), gamma=10.0, stride=(1.0, 2.0)
    )
    method = METHODS["affinity"]
    parts = ImageParts(raw(affinity=maps), "Image 1")
    assert method.fuse(parts, {"score": 0.95}).label_map().tolist() == [[2, 2, 2, 2]]
    alone = method.fuse(parts, {"score": 0.95, "affinity": method.options["affinity"].read("false")})
    assert alone.label_map().tolist() == [[2, 2, 3, 3]]
