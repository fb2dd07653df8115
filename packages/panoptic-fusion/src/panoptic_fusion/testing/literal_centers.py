"""Panoptic-DeepLab's steps, word by word, over full-size maps and every pair of a center and a pixel."""

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion.segmentation import PanopticSegmentation
from panoptic_fusion.testing.literal import _add_stuff


def find_centers_literally(
    heatmap: Tensor, *, threshold: float = 0.1, nms_kernel: int = 7, top_k: int = 200
) -> tuple[Tensor, Tensor]:
    """Do what `panoptic_fusion.find_centers` promises, pixel by pixel of an ``(H, W)`` map."""
    reach = nms_kernel // 2
    found = []
    for y, x in (heatmap > threshold).nonzero().tolist():
        top, left = max(y - reach, 0), max(x - reach, 0)
        square = heatmap[top : y + reach + 1, left : x + reach + 1]
        equal = [(top + row, left + column) for row, column in (square == heatmap[y, x]).nonzero().tolist()]
        if not bool((square > heatmap[y, x]).any()) and equal[0] == (y, x):
            found.append((y, x))
    found.sort(key=lambda place: -float(heatmap[place]))
    positions = torch.tensor(found[:top_k], dtype=torch.int64, device=heatmap.device).view(-1, 2)
    return positions, heatmap[positions[:, 0], positions[:, 1]].float()


def pooled_centers_literally(heatmap: Tensor, threshold: float, nms_kernel: int, top_k: int) -> Tensor:
    """Find peaks by one max pooling of the whole map, as is usual: all of equal neighbours stay."""
    heatmap = torch.where(heatmap > threshold, heatmap, -1.0)
    pooled = F.max_pool2d(heatmap[None, None], nms_kernel, stride=1, padding=nms_kernel // 2)[0, 0]
    positions = ((heatmap == pooled) & (heatmap > 0)).nonzero()
    if len(positions) <= top_k:
        return positions
    return positions[heatmap[positions[:, 0], positions[:, 1]].argsort(descending=True)[:top_k]]


def group_pixels_literally(centers: Tensor, offsets: Tensor, thing_mask: Tensor) -> Tensor:
    """Do what `panoptic_fusion.group_pixels` promises: every center against every pixel, ``(K, H, W)``."""
    height, width = thing_mask.shape
    device = offsets.device
    if not len(centers):
        return torch.zeros(height, width, dtype=torch.int32, device=device)
    y = offsets[0].float() + torch.arange(height, device=device)[:, None]
    x = offsets[1].float() + torch.arange(width, device=device)
    points = centers.float()[:, :, None, None]  # (K, 2, 1, 1)
    distances = (y - points[:, 0]) ** 2 + (x - points[:, 1]) ** 2  # (K, H, W)
    return ((distances.argmin(dim=0) + 1) * thing_mask).int()


def group_pixels_as_published(centers: Tensor, offsets: Tensor, thing_mask: Tensor) -> Tensor:
    """Group as is usual: the vectors from all centers to all pixels, ``(K, H * W, 2)``, then their norms."""
    height, width = thing_mask.shape
    grid = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = (torch.stack(grid).to(offsets.device) + offsets).reshape(2, -1).T  # (H * W, 2)
    distances = (centers[:, None] - places[None]).norm(dim=-1)  # (K, H * W)
    return ((distances.argmin(dim=0).view(height, width) + 1) * thing_mask).int()


def fuse_by_centers_literally(
    heatmap: Tensor,
    offsets: Tensor,
    sem_seg: Tensor,
    *,
    num_things: int,
    sem_logits: Tensor | None = None,
    threshold: float = 0.1,
    nms_kernel: int = 7,
    top_k: int = 200,
    stuff_area_limit: int = 2048,
    ignore_index: int = 255,
    as_published: bool = False,
) -> PanopticSegmentation:
    """Do what `panoptic_fusion.fuse_by_centers` promises, over full-size maps, a mask for each instance.

    `as_published` takes `pooled_centers_literally` and `group_pixels_as_published`: what is usual, and the
    same but for equal heat and equal distances.
    """
    group = group_pixels_as_published if as_published else group_pixels_literally
    if as_published:
        centers = pooled_centers_literally(heatmap, threshold, nms_kernel, top_k)
    else:
        centers, _ = find_centers_literally(heatmap, threshold=threshold, nms_kernel=nms_kernel, top_k=top_k)
    things = (sem_seg >= 0) & (sem_seg < num_things) & (sem_seg != ignore_index)
    instance_map = (
        group(centers, offsets, things) if len(centers) else torch.zeros_like(sem_seg, dtype=torch.int32)
    )
    panoptic = torch.zeros_like(sem_seg, dtype=torch.int32)
    rows: list[tuple[int, bool, float]] = []
    for k, (y, x) in enumerate(centers.tolist()):
        mask = instance_map == k + 1
        if not bool(mask.any()):
            continue
        votes = [int((mask & (sem_seg == label)).sum()) for label in range(num_things)]
        label = votes.index(max(votes))
        agreement = (sem_seg[mask] == label).double()
        if sem_logits is not None:
            agreement = sem_logits.double().softmax(dim=0)[label][mask]
        rows.append((label, True, float(heatmap[y, x].double() * agreement.mean())))
        panoptic[mask] = len(rows)
    return _add_stuff(panoptic, rows, sem_seg, num_things, stuff_area_limit, ignore_index)


def encode_centers_literally(
    seg: PanopticSegmentation, sigma: float = 8.0
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Do what `panoptic_fusion.encode_centers` promises by default, one instance after another.

    Returns:
        The heat map ``(H, W)``, the offsets ``(2, H, W)``, both masks, the semantic weights.
    """
    height, width = seg.shape
    y = torch.arange(height, device=seg.device)[:, None].expand(height, width)
    x = torch.arange(width, device=seg.device).expand(height, width)
    heatmap = torch.zeros(height, width, device=seg.device)
    offsets = torch.zeros(2, height, width, device=seg.device)
    heatmap_mask = seg.id_map > 0
    offset_mask = torch.zeros_like(heatmap_mask)
    weight = torch.ones(height, width, device=seg.device)
    reach = int(3 * sigma + 1)
    for segment in seg.segments:
        mask = seg.id_map == segment.id
        if segment.iscrowd:
            heatmap_mask &= ~mask
        if segment.iscrowd or not segment.is_thing or not bool(mask.any()):
            continue
        middle_y, middle_x = float(y[mask].double().mean()), float(x[mask].double().mean())
        peak_y, peak_x = round(middle_y), round(middle_x)  # halves to the even one
        top, bottom = max(peak_y - reach, 0), min(peak_y + reach + 1, height)
        left, right = max(peak_x - reach, 0), min(peak_x + reach + 1, width)
        window = heatmap[top:bottom, left:right]
        away = (y[top:bottom, left:right] - peak_y) ** 2 + (x[top:bottom, left:right] - peak_x) ** 2
        window.copy_(torch.maximum(window, torch.exp(-away.double() / (2 * sigma**2)).float()))
        offsets[0][mask] = torch.tensor(middle_y, device=seg.device) - y[mask]
        offsets[1][mask] = torch.tensor(middle_x, device=seg.device) - x[mask]
        offset_mask |= mask
        if int(mask.sum()) < 4096:
            weight[mask] = 3.0
    return heatmap, offsets, heatmap_mask, offset_mask, weight
