"""Counting and replacing the values of integer maps, in one or two passes over the pixels."""

import torch
from torch import Tensor

from panoptic_fusion._windows import is_host

_LARGEST_TABLE = 1 << 20  # entries; ids beyond it (COCO's go to 2**24) are looked up run by run


def runs(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the value and the length of each run of equal values of the flattened map, ``(R,)`` both."""
    return torch.unique_consecutive(values.reshape(-1), return_counts=True)


def count_ids(id_map: Tensor, ids: Tensor) -> Tensor:
    """Count the pixels of each id.

    Args:
        id_map: ``(H, W)`` integers >= 0.
        ids: ``(S,)`` int64, distinct, > 0, in any order.

    Returns:
        ``(S,)`` int64.

    Raises:
        ValueError: If the map holds a value that is neither 0 nor in `ids`.
    """
    run_ids, lengths = runs(id_map)
    run_ids = run_ids.long()
    known, order = torch.cat([ids.new_zeros(1), ids]).sort()
    place = torch.searchsorted(known, run_ids).clamp_(max=known.numel() - 1)
    strangers = run_ids[known[place] != run_ids]
    if strangers.numel():
        found = torch.unique(strangers).tolist()
        shown = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
        msg = (
            f"Expected `ids` to list every id of `id_map`, but {len(found)} of its ids are missing: {shown}. "
            "Add them, or set their pixels to 0 (void)."
        )
        raise ValueError(msg)
    areas = torch.zeros_like(known).index_add_(0, order[place], lengths)
    return areas[1:]


def look_up(id_map: Tensor, ids: Tensor, values: Tensor, default: int) -> Tensor:
    """Replace each id of a map by its value.

    Args:
        id_map: ``(H, W)`` int32; all its values are 0 or in `ids`.
        ids: ``(S,)``, distinct, > 0.
        values: ``(S,)``, the new values.
        default: The new value of 0.

    Returns:
        ``(H, W)`` of the dtype of `values`.
    """
    largest = int(ids.max()) if ids.numel() and is_host(id_map) else _LARGEST_TABLE
    if ids.numel() == 0:
        return torch.full_like(id_map, default, dtype=values.dtype)
    if largest < _LARGEST_TABLE:
        table = values.new_full((largest + 1,), default)
        table[ids.long()] = values
        return table.index_select(0, id_map.reshape(-1)).view(id_map.shape)
    known, order = torch.cat([ids.new_zeros(1), ids]).sort()
    table = torch.cat([values.new_full((1,), default), values])[order]
    if is_host(id_map):
        run_ids, lengths = runs(id_map)
        return table[torch.searchsorted(known, run_ids)].repeat_interleave(lengths).view(id_map.shape)
    return table[torch.searchsorted(known, id_map)]


def replace_values(values: Tensor, known: Tensor, new: Tensor) -> Tensor:
    """Replace each value of an integer map by its partner.

    Args:
        values: ``(H, W)`` integers, all of them in `known`.
        known: ``(V,)`` int64, rising.
        new: ``(V,)``, the partner of each.

    Returns:
        ``(H, W)`` of the dtype of `new`.
    """
    run_values, lengths = runs(values)
    return new[torch.searchsorted(known, run_values.long())].repeat_interleave(lengths).view(values.shape)
