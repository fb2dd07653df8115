"""Oracles on a network with known faults: each lifts what it should, by an amount worked out by hand."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample
from torch import Tensor

from panoptic_core.categories import Category, CategoryTable
from panoptic_core.metrics import PQResult, count_segments, summarize
from panoptic_core.oracles import OracleError, apply_oracles
from panoptic_fusion import PanopticSegmentation
from panoptic_heads.common import NetworkOutput, PanopticTwoStageDetector, ViewSettings
from panoptic_heads.registry import MODELS

Make = Callable[..., dict[str, Any]]

# Two things of each class in the annotation, which is twice as large as the network's input.
BOXES = [(8, 8, 40, 40), (60, 16, 100, 48), (16, 72, 56, 112), (120, 60, 180, 124)]
LABELS = [0, 0, 1, 1]
TABLE = CategoryTable("toy", tuple(Category(i, f"class {i}", i < 2, (i, i, i)) for i in range(5)))


def _sample() -> DetDataSample:
    ids = torch.full((128, 192), 10)
    ids[48:] = 11
    for number, (x0, y0, x1, y1) in enumerate(BOXES):
        ids[y0:y1, x0:x1] = 20 + number
    ids[:4, 140:], ids[126:, :] = 30, 0  # a crowd, void
    sample = DetDataSample(metainfo={"img_shape": (64, 96), "ori_shape": (128, 192), "img_id": 1})
    sample.gt_panoptic = PanopticSegmentation.from_id_map(
        ids,
        [10, 11, 20, 21, 22, 23, 30],
        [3, 2, *LABELS, 0],
        [False, False, True, True, True, True, True],
        iscrowd=[False] * 6 + [True],
    )
    return sample


@pytest.fixture
def model(model_config: Make) -> PanopticTwoStageDetector:
    """A network that misses the second and fourth thing, takes the fourth for class 0, and sees one stuff."""
    model = MODELS.build(model_config()).eval()
    model.data_preprocessor = None
    model.extract_feat = lambda inputs: [inputs]
    truth = torch.tensor(BOXES) / 2.0
    probs = torch.tensor([[0.9, 0.0, 0.1], [0.8, 0.0, 0.2], [0.0, 0.7, 0.3], [0.6, 0.1, 0.3]])

    def candidates(features: Any, proposals: Any, metas: Any) -> list[tuple[Tensor, Tensor]]:
        which = [(truth == box).all(1).nonzero().item() for box in proposals[0].bboxes]
        return [(proposals[0].bboxes + 1, probs[which])]  # its regression would spoil the boxes

    def masks(features: Any, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        assert [len(each) for each in boxes] == [len(each) for each in labels]
        return [torch.full((len(each), 8, 8), 20.0) for each in boxes]

    model.predict_candidates = lambda features, samples: [(truth[[0, 2]], probs[[0, 2]])]
    model.roi_head.candidates = candidates
    model.roi_head.mask_logits_in_boxes = masks
    model.semantic_head.forward = lambda features: torch.tensor([0.0, 0, 0, 5, 0])[
        None, :, None, None
    ].expand(1, 5, 16, 24)
    return model


def _predict(model: PanopticTwoStageDetector, sample: DetDataSample) -> DetDataSample:
    with torch.no_grad():
        return model.predict(torch.zeros(1, 3, 64, 96), [sample])[0]


def _quality(model: PanopticTwoStageDetector, *names: str) -> PQResult:
    if names:
        apply_oracles(model, names)
    sample = _predict(model, _sample())
    return summarize(count_segments(sample.pred_panoptic, sample.gt_panoptic, 5), TABLE)


@pytest.mark.parametrize(
    ("names", "things", "stuff"),
    [
        # Class 0: 1 of 2 is found, 1 / (1 + 1/2). Class 1: the same. Stuff 3 lies over stuff 2: none matches.
        ((), 66.7, 0),
        # The second is found; the fourth is one too many of class 0, 2 / (2 + 1/2), and missing in class 1.
        (("boxes",), (80 + 66.7) / 2, 0),
        (("boxes", "classes"), 100, 0),
        (("classes",), 66.7, 0),  # what was found had the right class
        (("semantics",), 66.7, 100),
        (("boxes", "classes", "semantics"), 100, 100),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_boxes_and_classes_lift_things_and_semantics_lift_stuff(
    names: tuple[str, ...], things: float, stuff: float, model: PanopticTwoStageDetector
) -> None:
    result = _quality(model, *names)
    # Within one percent: where masks are pasted, the corners of boxes are round.
    assert (result.things.pq, result.stuff.pq) == pytest.approx((things, stuff), abs=1)


def test_semantics_lift_the_most(model: PanopticTwoStageDetector) -> None:
    without = _quality(copy.deepcopy(model)).all.pq
    lifted = {
        names: _quality(copy.deepcopy(model), *names).all.pq - without
        for names in [("boxes",), ("boxes", "classes"), ("semantics",)]
    }
    assert 0 < lifted["boxes",] < lifted["boxes", "classes"] < lifted["semantics",]


def _output(model: PanopticTwoStageDetector, *samples: DetDataSample) -> NetworkOutput:
    with torch.no_grad():
        return model.predict_raw(torch.zeros(len(samples), 3, 64, 96), list(samples))[0]


def test_each_true_box_is_one_detection(model: PanopticTwoStageDetector) -> None:
    model.use_true_boxes(with_classes=False)
    found = _output(model, _sample()).instances
    assert found.bboxes.tolist() == [list(map(float, BOXES[i])) for i in (0, 1, 2, 3)]  # no crowd
    assert found.scores.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert found.labels.tolist() == [0, 0, 1, 0]
    model.test_cfg["panoptic"] = {"score_thr": 0.65, "nms": None, "max_per_img": 1}
    output = _output(model, _sample())
    assert len(output.instances) == 4
    assert len(output.raw.masks) == 3  # its own threshold, no other limit
    model.use_true_boxes(with_classes=True)
    found = _output(model, _sample()).instances
    assert found.labels.tolist() == LABELS
    assert found.scores.tolist() == [1, 1, 1, 1]


def test_the_real_heads_in_a_batch_with_an_image_without_things(model_config: Make) -> None:
    torch.manual_seed(0)
    model = MODELS.build(model_config()).eval()
    model.test_cfg["rcnn"]["score_thr"] = 0.0
    empty = _sample()
    truth = empty.gt_panoptic
    empty.gt_panoptic = truth.select(~truth.is_thing | truth.iscrowd)
    with torch.no_grad():
        for with_classes in (False, True):
            model.use_true_boxes(with_classes=with_classes)
            outputs = model.predict_raw(torch.randn(2, 3, 64, 96), [_sample(), empty])
            assert [len(output.raw.masks) for output in outputs] == [4, 0]
            assert {tuple(box) for box in outputs[0].raw.masks.boxes.tolist()} == set(BOXES)
            assert all(isinstance(model.fuse(output.raw), PanopticSegmentation) for output in outputs)
    assert outputs[0].raw.labels.tolist() == LABELS


def test_with_views_of_the_semantics_alone(model: PanopticTwoStageDetector) -> None:
    plain = _predict(model, _sample()).pred_panoptic
    model.use_true_boxes(with_classes=True)
    lifted = _predict(model, _sample()).pred_panoptic
    for scales in ([1.0, 2.0], [0.5, 2.0]):
        model.tta = ViewSettings(scales=tuple(scales), semantics_only=True)
        model.use_true_boxes(with_classes=True)
        assert torch.equal(_predict(model, _sample()).pred_panoptic.id_map, lifted.id_map)
    assert not torch.equal(plain.id_map, lifted.id_map)


def test_errors(model: PanopticTwoStageDetector) -> None:
    model.use_true_boxes(with_classes=True)
    bare = DetDataSample(metainfo=_sample().metainfo)
    with pytest.raises(OracleError, match=r"`gt_panoptic` for the oracle `boxes`, got none\. Put"):
        _predict(model, bare)
    model.tta = ViewSettings(scales=(1.0, 2.0))
    with pytest.raises(OracleError, match="`tta` with `semantics_only=True` for true boxes"):
        model.use_true_boxes(with_classes=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_all_oracles_on_a_gpu(model_config: Make) -> None:
    torch.manual_seed(0)
    model = MODELS.build(model_config(data_preprocessor=None)).eval()
    image = torch.randn(1, 3, 64, 96)
    apply_oracles(model, ["boxes", "classes", "semantics"])
    with torch.no_grad():
        on_cpu = model.predict(image, [_sample()])[0]
        on_gpu = model.cuda().predict(image.cuda(), [_sample().cuda()])[0]
    assert on_gpu.pred_panoptic.device.type == "cuda"
    torch.testing.assert_close(on_gpu.pred_instances.bboxes.cpu(), on_cpu.pred_instances.bboxes)
    assert torch.equal(on_gpu.pred_sem_seg.sem_seg.cpu(), on_cpu.pred_sem_seg.sem_seg)
