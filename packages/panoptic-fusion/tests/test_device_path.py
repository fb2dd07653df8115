"""The path of other devices, run on the CPU: no NumPy in windows, float64 products, no table of ids."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from panoptic_fusion import (
    BoxMasks,
    PanopticSegmentation,
    drop_small_stuff,
    encode_centers,
    find_centers,
    fuse_by_centers,
    fuse_by_confidence,
    fuse_by_mask_guidance,
    fuse_by_ranking,
    mask_nms,
)
from panoptic_fusion.testing import example_segmentation

CENTERS = ("centers.grouping", "centers.peaks", "centers.targets")


@pytest.fixture
def other_device(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a switch: from then on host memory is treated as a GPU's is."""

    def switch() -> None:
        for module in ("_canvas", "_instances"):
            monkeypatch.setattr(f"panoptic_fusion.{module}.on_host", lambda values: values)
        monkeypatch.setattr("panoptic_fusion.paste._float32_products_are_exact", lambda device: False)
        for module in ("_windows", "_id_maps", "_canvas", "paste", "ranking", *CENTERS):
            monkeypatch.setattr(f"panoptic_fusion.{module}.is_host", lambda tensor: False)

    return switch


def equal(first: PanopticSegmentation, second: PanopticSegmentation) -> bool:
    return torch.equal(first.id_map, second.id_map) and first.segments == second.segments


def fuse_by_some_ranking(
    masks: object, labels: Tensor, scores: Tensor, sem_seg: Tensor, **options: object
) -> PanopticSegmentation:
    ranking = torch.randn(3, *sem_seg.shape, generator=torch.Generator().manual_seed(0))
    return fuse_by_ranking(masks, labels, scores, ranking, sem_seg, **options)


@pytest.mark.parametrize("fuse", [fuse_by_confidence, fuse_by_mask_guidance, fuse_by_some_ranking])
def test_fusions_give_the_same(scene: Callable, other_device: Callable[[], None], fuse: Callable) -> None:
    scenes = [scene(seed, count=18) for seed in range(4)]
    full = [one.masks.to_full(tuple(one.sem_seg.shape)) for one in scenes]
    options = {"num_things": 3, "score_threshold": 0.3, "stuff_area_limit": 30}

    def results() -> list[PanopticSegmentation]:
        return [
            fuse(masks, one.labels, one.scores, one.sem_seg, **options)
            for one, mask in zip(scenes, full, strict=True)
            for masks in (BoxMasks.from_logits(one.masks.mask_logits, one.masks.boxes), mask)
        ]

    on_host = results()
    other_device()
    assert all(equal(first, second) for first, second in zip(on_host, results(), strict=True))


def test_the_rest_gives_the_same(scene: Callable, other_device: Callable[[], None]) -> None:
    one = scene(7, count=18)
    size = tuple(one.sem_seg.shape)
    seg = example_segmentation()

    def results() -> list[object]:
        masks = BoxMasks.from_logits(one.masks.mask_logits, one.masks.boxes)
        full = masks.to_full(size)
        return [
            mask_nms(masks, one.scores, 0.3, size).tolist(),
            masks.areas(size).tolist(),
            BoxMasks.from_full(full).boxes.tolist(),
            seg.label_map().tolist(),
            seg.select(~seg.is_thing).id_map.tolist(),
            drop_small_stuff(seg, 30, connected=True).id_map.tolist(),
        ]

    on_host = results()
    other_device()
    assert results() == on_host


def test_centers_give_the_same(other_device: Callable[[], None]) -> None:
    generator = torch.Generator().manual_seed(0)
    heat = (torch.rand(60, 90, generator=generator) * 20).floor() / 20
    offsets = 9 * torch.randn(2, 60, 90, generator=generator)
    sem_seg = torch.randint(0, 5, (60, 90), generator=generator)
    seg = example_segmentation()

    def results() -> list[object]:
        targets = encode_centers(seg)
        fused = fuse_by_centers(heat, offsets, sem_seg, num_things=3, stuff_area_limit=0)
        return [
            find_centers(heat).positions.tolist(),
            fused.id_map.tolist(),
            fused.segments,
            [part.tolist() for part in targets],
        ]

    on_host = results()
    other_device()
    assert results() == on_host
