"""Dropping small stuff, the last step of most methods."""

import torch

from panoptic_fusion._checks import check_count
from panoptic_fusion.regions import row_runs, run_components
from panoptic_fusion.segmentation import PanopticSegmentation


def drop_small_stuff(
    seg: PanopticSegmentation, area_limit: int, *, connected: bool = False, connectivity: int = 8
) -> PanopticSegmentation:
    """Turn small stuff into void.

    Args:
        seg: A panoptic map.
        area_limit: Pixels; stuff with fewer goes. 0 and 1 keep everything.
        connected: Judge each connected region of a stuff segment by itself (as OANet does,
            arXiv:1903.05027) instead of the whole segment.
        connectivity: 8 (edges and corners join) or 4, for `connected`.

    Returns:
        A new map; things, ids and scores are unchanged, areas are counted anew. Stuff segments without a
        pixel left are gone.

    Raises:
        ValueError: If the limit or the connectivity is not legal.

    Example:
        >>> id_map = torch.tensor([[1, 1, 0, 1], [1, 2, 2, 2]])
        >>> seg = PanopticSegmentation.from_id_map(id_map, [1, 2], labels=[5, 6], is_thing=[False, False])
        >>> drop_small_stuff(seg, 4).id_map.tolist()
        [[1, 1, 0, 1], [1, 0, 0, 0]]
        >>> drop_small_stuff(seg, 3, connected=True).id_map.tolist()
        [[1, 1, 0, 0], [1, 2, 2, 2]]
    """
    check_count(area_limit, "area_limit")
    if not connected:
        return seg.select(seg.is_thing | (seg.areas >= area_limit))
    runs = row_runs(seg.id_map)
    component = run_components(seg.id_map, runs, connectivity)
    areas = torch.zeros_like(component).index_add_(0, component, runs.lengths)
    known, order = torch.cat([seg.ids.new_zeros(1), seg.ids]).sort()  # 0 is void
    owner = order[torch.searchsorted(known, runs.values)]  # (R,), 0 is void, else 1 + column
    is_stuff = torch.cat([seg.is_thing.new_zeros(1), ~seg.is_thing])[owner]
    small = is_stuff & (areas[component] < area_limit)
    values = torch.where(small, 0, runs.values)
    left = torch.zeros(len(seg) + 1, dtype=torch.int64, device=seg.device)
    left.index_add_(0, owner, runs.lengths * ~small)
    present = seg.is_thing | (left[1:] > 0)
    return PanopticSegmentation(
        id_map=values.repeat_interleave(runs.lengths).view(seg.id_map.shape),
        ids=seg.ids[present],
        labels=seg.labels[present],
        is_thing=seg.is_thing[present],
        scores=seg.scores[present],
        areas=left[1:][present],
        iscrowd=seg.iscrowd[present],
    )
