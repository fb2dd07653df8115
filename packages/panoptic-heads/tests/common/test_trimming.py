"""Small stuff is dropped last, in every fusion: fusing with a limit is fusing without, and dropping after."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample

from panoptic_fusion import BoxMasks, PanopticSegmentation, RawOutputs, drop_small_stuff
from panoptic_heads.common import (
    ConfidenceFusion,
    MaskGuidedFusion,
    NetworkOutput,
    PanopticLogitsFusion,
    PanopticPrediction,
    RankingFusion,
)
from panoptic_heads.dense_affinity import AffinityFusion
from panoptic_heads.panoptic_deeplab import CentersFusion

LIMIT = 250
FUSIONS: dict[str, Callable[[int], Any]] = {
    "confidence": lambda limit: ConfidenceFusion(score_thr=0.1, stuff_area_limit=limit),
    "mask guidance": lambda limit: MaskGuidedFusion(score_thr=0.1, guidance=0.1, stuff_area_limit=limit),
    "mask guidance, filled": lambda limit: MaskGuidedFusion(
        score_thr=0.1, guidance=0.1, fill="stuff", stuff_area_limit=limit
    ),
    "panoptic logits": lambda limit: PanopticLogitsFusion(score_thr=0.1, box_nms=0.9, stuff_area_limit=limit),
    "ranking": lambda limit: RankingFusion(score_thr=0.1, stuff_area_limit=limit),
    "ranking, by class": lambda limit: RankingFusion(
        score_thr=0.1, stuff_area_by="class", stuff_area_limit=limit
    ),
    "centers": lambda limit: CentersFusion(nms_kernel=5, stuff_area_limit=limit),
    "affinity": lambda limit: AffinityFusion(score_thr=0.1, stuff_area_limit=limit),
}


def _raw(seed: int) -> RawOutputs:
    """Return what every fusion can read: random cells of ten pixels, boxes, centers."""
    generator = torch.Generator().manual_seed(seed)
    count, size = 8, (40, 60)
    corners = torch.rand(count, 2, generator=generator) * torch.tensor([40.0, 25.0])
    sides = torch.rand(count, 2, generator=generator) * 14 + 4
    frequent = torch.tensor([0.0, 0.0, 1.5, 0.5, -1.0, -2.0])[:, None, None]  # the last class is rare
    cells = torch.randn(6, 8, 12, generator=generator) * 2 + frequent
    sem_logits = cells.repeat_interleave(5, 1).repeat_interleave(5, 2)
    return RawOutputs(
        size=size,
        num_things=2,
        num_classes=6,
        sem_logits=sem_logits,
        sem_seg=sem_logits.argmax(dim=0),
        masks=BoxMasks.from_logits(
            torch.randn(count, 7, 7, generator=generator) + 1, torch.cat([corners, corners + sides], dim=1)
        ),
        labels=torch.randint(0, 2, (count,), generator=generator),
        scores=torch.rand(count, generator=generator),
        ranking=torch.randn(2, *size, generator=generator),
        center_heatmap=torch.rand(1, *size, generator=generator),
        offsets=torch.randn(2, *size, generator=generator) * 5,
    )


def _canonical(seg: PanopticSegmentation) -> tuple[Any, ...]:
    """Return what a map says but for the ids of its stuff, which count from the segments that are left."""
    classes = seg.label_map()
    things = torch.where(classes < 2, seg.id_map.long(), 0)
    rows = sorted(zip(*(column.tolist() for column in (seg.labels, seg.areas, seg.scores)), strict=True))
    return classes.tolist(), things.tolist(), rows


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", FUSIONS)
def test_small_stuff_is_dropped_last(name: str, seed: int) -> None:
    raw = _raw(seed)
    fusion = FUSIONS[name](LIMIT)
    before, after = FUSIONS[name](0)(raw), fusion(raw)
    by_region = getattr(fusion, "stuff_area_by", "class") == "component"
    assert _canonical(after) == _canonical(drop_small_stuff(before, LIMIT, connected=by_region))
    assert _canonical(after) != _canonical(before)


class _Detector(PanopticPrediction):
    """Says what it was told."""

    def __init__(self, raw: RawOutputs, fusion: Any) -> None:
        self.raw = raw
        self.init_prediction(fusion)

    def predict_raw(self, *args: Any, **kwargs: Any) -> list[NetworkOutput]:
        return [NetworkOutput(self.raw, None)]


@pytest.mark.parametrize("name", FUSIONS)
def test_samples_get_both_maps(name: str) -> None:
    raw, fusion = _raw(0), FUSIONS[name](LIMIT)
    detector = _Detector(raw, fusion)
    image = torch.zeros(1, 3, *raw.size)
    assert "pred_panoptic_untrimmed" not in detector.predict(image, [DetDataSample()])[0]
    detector.keep_untrimmed = True
    (sample,) = detector.predict(image, [DetDataSample()])
    assert torch.equal(sample.pred_panoptic.id_map, fusion(raw).id_map)  # ids and all, as always
    assert torch.equal(sample.pred_panoptic_untrimmed.id_map, FUSIONS[name](0)(raw).id_map)
    assert fusion.stuff_area_limit == LIMIT


def test_transforms_reach_both_maps() -> None:
    detector = _Detector(_raw(0), FUSIONS["confidence"](LIMIT))
    detector.keep_untrimmed = True
    detector.raw_transforms = [lambda raw, _: replace(raw, sem_seg=torch.full(raw.size, 5))]
    (sample,) = detector.predict(torch.zeros(1, 3, 40, 60), [DetDataSample()])
    for seg in (sample.pred_panoptic, sample.pred_panoptic_untrimmed):
        assert seg.labels[~seg.is_thing].tolist() == [5]


def test_a_fusion_without_a_limit_is_named() -> None:
    detector = _Detector(_raw(0), lambda raw: PanopticSegmentation.empty(*raw.size))
    detector.keep_untrimmed = True
    with pytest.raises(TypeError, match=r"fusion with `stuff_area_limit`, got function\. Leave"):
        detector.predict(torch.zeros(1, 3, 40, 60), [DetDataSample()])
