"""Helpers of the contract tests: other instances, and maps held side by side."""

from dataclasses import fields, replace

import torch
from torch import Tensor

from panoptic_fusion.raw_outputs import RawOutputs
from panoptic_fusion.segmentation import PanopticSegmentation


def with_instances(raw: RawOutputs, index: list[int]) -> RawOutputs:
    """Return the same outputs with other instances: a selection, an order, or none."""
    assert raw.masks is not None
    assert raw.labels is not None
    assert raw.scores is not None
    rows = torch.tensor(index, dtype=torch.int64, device=raw.device)
    return replace(raw, masks=raw.masks[rows], labels=raw.labels[rows], scores=raw.scores[rows])


def tensors_of(raw: RawOutputs) -> list[tuple[str, Tensor]]:
    """Return all tensors with their names."""
    found = [(column.name, getattr(raw, column.name)) for column in fields(raw)]
    if raw.affinity is not None:
        found += [(f"affinity.{name}", value) for name, value in raw.affinity.tensors.items()]
    if raw.masks is not None:
        found += [("boxes", raw.masks.boxes), ("mask_logits", raw.masks.mask_logits)]
        found += [(f"crops[{i}]", crop) for i, crop in enumerate(raw.masks.whole_crops or ())]
    return [(name, value) for name, value in found if isinstance(value, Tensor)]


def check_consistent(seg: PanopticSegmentation, raw: RawOutputs) -> None:
    """Assert that ids, areas and classes fit the map and the class counts."""
    assert seg.shape == raw.size
    values, counts = torch.unique(seg.id_map[seg.id_map != 0], return_counts=True)
    assert values.tolist() == sorted(seg.ids.tolist())
    assert counts.tolist() == seg.areas[seg.ids.argsort()].tolist()
    assert bool(((seg.labels >= 0) & (seg.labels < raw.num_classes)).all())
    assert torch.equal(seg.is_thing, seg.labels < raw.num_things)
    assert not seg.iscrowd.any()
    stuff = seg.labels[~seg.is_thing]
    assert torch.unique(stuff).numel() == stuff.numel(), "a stuff class has two segments"
    assert bool((seg.scores[~seg.is_thing] == 1).all())


def shared_ids(first: Tensor, second: Tensor) -> list[tuple[int, int]]:
    """Return the pairs of values that two maps hold at the same pixels, each once."""
    pairs = torch.unique(torch.stack([first.reshape(-1), second.reshape(-1)]), dim=1)
    return [(ours, theirs) for ours, theirs in pairs.T.tolist()]


def assert_same_segments(first: PanopticSegmentation, second: PanopticSegmentation) -> None:
    """Assert that two maps are the same up to the ids."""
    pairs = shared_ids(first.id_map, second.id_map)
    rows = [{segment.id: segment[1:] for segment in seg.segments} for seg in (first, second)]
    assert len(first) == len(second)
    for ours, theirs in pairs:
        assert (ours == 0) == (theirs == 0), f"id {ours} became {theirs}"
        assert ours == 0 or rows[0][ours] == rows[1][theirs], f"{rows[0][ours]} became {rows[1][theirs]}"
