"""Boxes of a network without mask head: kept and moved like masks, and nobody takes them for masks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from panoptic_fusion import (
    BoxMasks,
    RawOutputs,
    argmax_panoptic_logits,
    flip_raw_outputs,
    fuse_by_affinity,
    fuse_by_confidence,
    fuse_by_mask_guidance,
    fuse_by_panoptic_logits,
    fuse_by_ranking,
    mask_nms,
    prune_masks,
)

SIZE = (4, 6)
NO_MASKS = r"instances with masks, got boxes alone.*mask_free"


def raw_outputs(count: int = 2) -> RawOutputs:
    """Two things beside each other, one thing class and one stuff class."""
    sem_logits = torch.zeros(2, *SIZE)
    sem_logits[0, 1:3, :5] = 3.0
    boxes = torch.tensor([[0.0, 1.0, 2.5, 3.0], [2.5, 1.0, 5.0, 3.0]])
    return RawOutputs(
        SIZE,
        1,
        2,
        sem_logits=sem_logits,
        masks=BoxMasks.from_boxes(boxes[:count]),
        labels=torch.zeros(count, dtype=torch.int64),
        scores=torch.tensor([0.9, 0.8])[:count],
        ranking=torch.zeros(1, *SIZE),
    )


def test_affinity_needs_no_masks_by_hand() -> None:
    # V(thing) = 1 / (1 + e^-3) = 0.95 in rows 1 and 2, columns 0-4: 0.9 * 0.95 and 0.8 * 0.95 beat stuff's
    # 0.05 in their boxes. Column 2 has its centre at 2.5, where the first box ends and the second begins.
    # Outside of the boxes stuff is all there is.
    raw = raw_outputs()
    parts = raw.masks, raw.labels, raw.scores, raw.sem_logits
    seg = fuse_by_affinity(*parts, num_things=1, form="mask_free")
    rows = [[3] * 6, [1, 1, 1, 2, 2, 3], [1, 1, 1, 2, 2, 3], [3] * 6]
    assert seg.id_map.tolist() == rows


@pytest.mark.parametrize("count", [0, 2], ids=["none", "two"])
def test_what_reads_masks_says_so(count: int) -> None:
    raw = raw_outputs(count)
    sem_seg = raw.semantic_labels()
    instances = raw.masks, raw.labels, raw.scores
    readers: list[Callable[[], object]] = [
        lambda: fuse_by_confidence(*instances, sem_seg, num_things=1),
        lambda: fuse_by_mask_guidance(*instances, sem_seg, num_things=1),
        lambda: fuse_by_ranking(*instances, raw.ranking, sem_seg, num_things=1),
        lambda: fuse_by_panoptic_logits(*instances, raw.sem_logits, num_things=1),
        lambda: argmax_panoptic_logits(raw.sem_logits, raw.masks, raw.labels, num_things=1),
        lambda: mask_nms(raw.masks, raw.scores, 0.5, size=SIZE),
        lambda: prune_masks(raw.masks, raw.labels, raw.scores, size=SIZE),
        *(
            lambda form=form: fuse_by_affinity(*instances, raw.sem_logits, num_things=1, form=form)
            for form in ("product", "sum", "logit_sum")
        ),
    ]
    for read in readers:
        with pytest.raises(ValueError, match=NO_MASKS):
            read()


@pytest.mark.parametrize(
    "read",
    [
        lambda masks: masks.crop(0, SIZE),
        lambda masks: masks.crop_logits(0, SIZE),
        lambda masks: masks.areas(SIZE),
        lambda masks: masks.to_full(SIZE),
    ],
    ids=["crop", "crop_logits", "areas", "to_full"],
)
def test_there_is_no_mask_to_look_at(read: Callable[[BoxMasks], object]) -> None:
    masks = BoxMasks.from_boxes(torch.tensor([[0.0, 0.0, 2.0, 2.0]]))
    with pytest.raises(ValueError, match=NO_MASKS):
        read(masks)


def test_boxes_move_as_masks_do() -> None:
    masks = BoxMasks.from_boxes(torch.tensor([[1.0, 0.5, 3.0, 2.0], [-2.0, 0.0, 1.0, 9.0]]))
    assert not masks.has_masks
    assert "boxes" in repr(masks)
    assert masks.windows(SIZE) == BoxMasks.from_logits(torch.zeros(2, 1, 1), masks.boxes).windows(SIZE)
    assert masks.rescale(2, 4).boxes.tolist() == [[2, 2, 6, 8], [-4, 0, 2, 36]]
    assert masks[[1, 0]].boxes.tolist() == masks.boxes.flip(0).tolist()
    assert not masks[[1]].has_masks
    assert BoxMasks.cat([masks, masks[[0]]]).boxes.shape == (3, 4)
    assert not BoxMasks.cat([masks[[]], masks[[]]]).has_masks
    assert masks.finite().tolist() == [True, True]
    assert masks.to("meta").boxes.device.type == "meta"
    with pytest.raises(ValueError, match=r"parts of one form"):
        BoxMasks.cat([masks, BoxMasks.from_logits(torch.zeros(2, 1, 1), masks.boxes)])
    with pytest.raises(ValueError, match=r"\(N, 4\)"):
        BoxMasks.from_boxes(torch.zeros(2, 5))


@pytest.mark.parametrize("count", [0, 2], ids=["none", "two"])
def test_file_and_back_and_mirrored(tmp_path: Path, count: int) -> None:
    raw = raw_outputs(count)
    raw.save(tmp_path / "one.npz")
    back = RawOutputs.load(tmp_path / "one.npz")
    assert back.masks is not None
    assert not back.masks.has_masks
    assert torch.equal(back.masks.boxes, raw.masks.boxes)
    mirrored = flip_raw_outputs(raw)
    assert mirrored.masks is not None
    assert not mirrored.masks.has_masks
    assert mirrored.masks.boxes.tolist() == [[3.5, 1, 6, 3], [1, 1, 3.5, 3]][:count]


def test_a_broken_box_is_named() -> None:
    raw = raw_outputs()
    masks = BoxMasks.from_boxes(torch.tensor([[0.0, 0.0, float("nan"), 1.0], [0.0, 0.0, 1.0, 1.0]]))
    raw = replace(raw, masks=masks)
    with pytest.raises(ValueError, match=r"`boxes` to be finite, got 1 NaN"):
        fuse_by_affinity(raw.masks, raw.labels, raw.scores, raw.sem_logits, num_things=1, form="mask_free")
