"""Fusion by affinity: the argmax of the P that training sees, at the image's own resolution."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_fusion import BoxMasks, RawOutputs
from panoptic_heads.common.resize import Sizes
from panoptic_heads.dense_affinity import (
    AffinityFeatures,
    AffinityFusion,
    AffinityHead,
    Detections,
    DynamicPotential,
    affinity_maps,
    valid_cells,
)
from panoptic_heads.registry import MODELS

NUM_THINGS, NUM_CLASSES = 2, 5
GRID = (8, 10)
PADDED, IMAGE, OUTPUT = (32, 40), (27, 38), (41, 57)  # factors of 41/27 and 1.5: not the same


def _parts() -> tuple[Detections, Tensor, AffinityFeatures]:
    generator = torch.Generator().manual_seed(0)
    boxes = torch.tensor([[2.0, 3.0, 20.0, 25.0], [10.0, 1.0, 38.0, 20.0], [25.0, 9.0, 36.0, 27.0]])
    scores = torch.tensor([0.9, 0.8, 0.3])
    masks = torch.randn(3, 7, 7, generator=generator) + 3
    logits = torch.randn(NUM_CLASSES, *GRID, generator=generator)
    logits[:NUM_THINGS] += 2  # else stuff wins nearly everywhere
    features = AffinityFeatures(*(torch.rand(4, *GRID, generator=generator) for _ in "01"))
    return Detections(boxes, torch.tensor([0, 1, 1]), scores, masks), logits, features


def _raw(gamma: float = 3.0) -> RawOutputs:
    detections, logits, features = _parts()
    assert detections.mask_logits is not None
    masks = BoxMasks.from_logits(detections.mask_logits, detections.boxes)
    return RawOutputs(
        size=OUTPUT,
        num_things=NUM_THINGS,
        num_classes=NUM_CLASSES,
        masks=masks.rescale(OUTPUT[1] / IMAGE[1], OUTPUT[0] / IMAGE[0]),
        labels=detections.labels,
        scores=detections.scores,
        affinity=affinity_maps(logits, Sizes(PADDED, IMAGE, OUTPUT), features, gamma),
    )


@pytest.mark.parity
@pytest.mark.parametrize("affinity", [True, False])
def test_is_the_argmax_of_what_training_sees(affinity: bool) -> None:
    detections, logits, features = _parts()
    detections = detections[torch.tensor([True, True, False])]  # 0.3 is below the threshold
    head = AffinityHead(in_channels=4, feat_channels=4, num_convs=1, num_groups=2, channels=4)
    head.gamma.data.fill_(3.0 if affinity else 0.0)
    potential = DynamicPotential(NUM_THINGS)(logits, detections, PADDED)
    revised = head.revise(potential, features, valid_cells(IMAGE, PADDED, GRID))
    # In cells of 4 the last centres in the image are at 26 of 27 and 34 of 38: the other cells are padding.
    revised = revised[:, :7, :9]
    # From cells to pixels of the result: centres at (i + 0.5) * stride.
    y, x = (
        (torch.arange(out) + 0.5) / out * image / known * 2 - 1
        for out, image, known in zip(OUTPUT, IMAGE, (28, 36), strict=True)
    )
    places = torch.stack(torch.broadcast_tensors(x, y[:, None]), dim=-1)[None]
    full = F.grid_sample(revised[None], places, padding_mode="border", align_corners=False)[0]
    values, winners = full.topk(2, dim=0).values, full.argmax(dim=0)
    labels = torch.tensor([0, 1, 2, 3, 4])  # two detections, of classes 0 and 1, then stuff
    seg = AffinityFusion(affinity=affinity, stuff_area_limit=0)(_raw())
    clear = values[0] - values[1] > 1e-5
    assert clear.float().mean() > 0.99
    assert torch.equal(seg.label_map(255)[clear], labels[winners][clear])
    assert seg.scores[seg.is_thing].tolist() == pytest.approx([0.9, 0.8])


def test_threshold_and_form() -> None:
    assert AffinityFusion().score_thr == 0.5  # Cityscapes; COCO: 0.75
    fusion = MODELS.build(
        {
            "type": "panoptic_heads.AffinityFusion",
            "score_thr": 0.85,
            "form": "mask_free",
            "stuff_area_limit": 0,
        }
    )
    seg = fusion(_raw())
    assert int(seg.is_thing.sum()) <= 1
    assert not torch.equal(seg.id_map, AffinityFusion(0.85, stuff_area_limit=0)(_raw()).id_map)


def test_any_box_based_network_without_an_affinity() -> None:
    raw = _raw()
    logits = torch.randn(NUM_CLASSES, *OUTPUT, generator=torch.Generator().manual_seed(3))
    plain = RawOutputs(
        OUTPUT, NUM_THINGS, NUM_CLASSES, logits, masks=raw.masks, labels=raw.labels, scores=raw.scores
    )
    fusion = AffinityFusion(stuff_area_limit=0)
    assert fusion.needs_sem_logits
    assert fusion(plain).shape == OUTPUT
    plain.sem_logits = None
    with pytest.raises(ValueError, match="`sem_logits` of 5 channels, one for each class, got none"):
        fusion(plain)
    plain.masks = None
    with pytest.raises(ValueError, match="needs a box-based network"):
        fusion(plain)


def test_maps_of_the_grid() -> None:
    logits, features = _parts()[1:]
    maps = affinity_maps(logits, Sizes(PADDED, IMAGE, OUTPUT), features, torch.tensor(3.0))
    # 32 pixels in 8 cells, 27 of them shown as 41; 40 in 10, 38 as 57.
    assert maps.stride == pytest.approx((4 * 41 / 27, 6.0))
    assert maps.phi1 is features.phi1
    alone = affinity_maps(logits, Sizes(PADDED, IMAGE, OUTPUT), None)
    assert alone.phi0 is None
    raw = _raw()
    without = AffinityFusion(affinity=False, stuff_area_limit=0)(raw)
    raw.affinity = alone
    assert torch.equal(AffinityFusion(stuff_area_limit=0)(raw).id_map, without.id_map)


def test_a_file_gives_the_same(tmp_path: Path) -> None:
    fusion = AffinityFusion(stuff_area_limit=0)
    _raw().save(tmp_path / "one.npz")
    assert torch.equal(fusion(RawOutputs.load(tmp_path / "one.npz")).id_map, fusion(_raw()).id_map)
    assert not torch.equal(fusion(_raw(0.0)).id_map, fusion(_raw()).id_map)
