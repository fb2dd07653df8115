"""Views of one image: where boxes lie in them, what is merged, and a network that knows the truth."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.common import NetworkOutput, PanopticTwoStageDetector, ViewSettings
from panoptic_heads.common.tta import Frame, View, make_view
from panoptic_heads.registry import MODELS

Make = Callable[..., dict[str, Any]]
FLIP_ALONE = {"scales": [1.0], "flip": True}
MANY = {"scales": [0.75, 1.0, 1.5], "flip": True}


def _build(model_config: Make, **changes: Any) -> PanopticTwoStageDetector:
    torch.manual_seed(0)
    config = model_config(**changes)
    config["test_cfg"]["rcnn"]["score_thr"] = 0.0  # an untrained network is not sure of anything
    return MODELS.build(config).eval()


def _raw(model: PanopticTwoStageDetector, batch: dict[str, Any], tta: Any = None) -> list[NetworkOutput]:
    model.tta = None if tta is None else ViewSettings.read(tta)
    data = model.data_preprocessor(copy.deepcopy(batch), training=False)
    with torch.no_grad():
        return model.predict_raw(data["inputs"], data["data_samples"])


def _assert_same(ours: NetworkOutput, theirs: NetworkOutput, **tolerance: float) -> None:
    same = {"rtol": 0.0, "atol": 0.0, **tolerance}
    for one, other in ((ours.raw, theirs.raw), (ours.instances, theirs.instances)):
        torch.testing.assert_close(one.masks.boxes, other.masks.boxes, **same)
        torch.testing.assert_close(one.masks.mask_logits, other.masks.mask_logits, **same)
        torch.testing.assert_close(one.scores, other.scores, **same)
        assert torch.equal(one.labels, other.labels)
    assert torch.equal(ours.raw.sem_seg, theirs.raw.sem_seg)
    if theirs.raw.sem_logits is not None:
        torch.testing.assert_close(ours.raw.sem_logits, theirs.raw.sem_logits, **same)


# --- where things lie


def test_boxes_by_hand() -> None:
    # An image of 10 x 20 in a mirrored view of 20 x 30: factors 1.5 in x, 2 in y.
    frame = Frame(flip=True, image=(10, 20), view=(20, 30), padded=(32, 32))
    boxes = torch.tensor([[2.0, 1, 6, 4]])
    in_view = frame.to_view(boxes)
    assert in_view.tolist() == [[30 - 9, 2, 30 - 3, 8]]
    torch.testing.assert_close(frame.to_image(in_view), boxes)
    both = frame.to_view(torch.tensor([[2.0, 1, 6, 4, 0, 0, 20, 10]]))  # a row with a box for each class
    assert both.tolist() == [[21, 2, 27, 8, 0, 0, 30, 20]]
    assert frame.to_image(torch.zeros(0, 8)).shape == (0, 8)
    assert frame.to_image(torch.tensor([[-3.0, 0, 30.0, 21]])).tolist() == [[0, 0, 20, 10]]


def test_a_view_is_made_without_the_padding() -> None:
    inputs = torch.zeros(1, 1, 4, 8)
    inputs[0, 0, :2, :4] = torch.tensor([1.0, 2, 3, 4])
    sample = DetDataSample(metainfo={"img_shape": (2, 4), "ori_shape": (7, 7), "img_id": 5})
    batch, (made,), (frame,) = make_view(inputs, [sample], View(1.0, flip=True), divisor=4, pad_value=-1)
    assert batch[0, 0].tolist() == [[4, 3, 2, 1]] * 2 + [[-1] * 4] * 2
    assert made.metainfo["img_shape"] == (2, 4)
    assert made.metainfo["pad_shape"] == (4, 4)
    assert made.metainfo["img_id"] == 5
    assert frame == Frame(flip=True, image=(2, 4), view=(2, 4), padded=(4, 4))
    batch, (made,), (frame,) = make_view(inputs, [sample], View(2.0, flip=False), divisor=4, pad_value=0)
    # Centres 0.25, 0.75, ... of the old pixels whose centres are 0.5, 1.5, 2.5, 3.5.
    assert batch[0, 0, 0].tolist() == [1, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4]
    assert frame.view == made.metainfo["img_shape"] == (4, 8)
    tiny, _, (frame,) = make_view(inputs, [sample], View(0.01, flip=False), divisor=4, pad_value=0)
    assert (frame.view, tiny.shape) == ((1, 1), (1, 1, 4, 4))
    plain, _, _ = make_view(inputs, [sample], View(1.0, flip=False), divisor=32, pad_value=0)
    assert plain is inputs


# --- one view


@pytest.mark.parametrize("keep_sem_logits", [False, True])
def test_one_plain_view_is_the_plain_path(
    keep_sem_logits: bool, model_config: Make, make_batch: Make
) -> None:
    model = _build(model_config)
    model.keep_sem_logits = keep_sem_logits
    batch = make_batch("things", "stuff", size=(50, 70))
    batch["inputs"][1] = batch["inputs"][1][:, :40]  # images of two sizes in one batch
    batch["data_samples"][1].set_metainfo({"img_shape": (40, 70), "ori_shape": (80, 140)})
    plain = _raw(model, batch)
    merged = _raw(model, batch, {"scales": [1], "flip": False})
    for ours, theirs in zip(merged, plain, strict=True):
        assert len(theirs.raw.masks) > 0
        _assert_same(ours, theirs)


def test_semantics_only_leaves_instances_as_they_are(model_config: Make, make_batch: Make) -> None:
    model = _build(model_config)
    batch = make_batch("things")
    (plain,) = _raw(model, batch)
    for scales in ([0.75, 1.0], [0.75, 1.5]):  # with and without the plain view
        (merged,) = _raw(model, batch, {"scales": scales, "semantics_only": True, "space": "logits"})
        assert torch.equal(merged.raw.masks.boxes, plain.raw.masks.boxes)
        assert torch.equal(merged.instances.masks.mask_logits, plain.instances.masks.mask_logits)
        assert not torch.equal(merged.raw.sem_seg, plain.raw.sem_seg)


# --- many views of an untrained network


def test_order_of_views_does_not_matter(model_config: Make, make_batch: Make) -> None:
    model = _build(model_config)
    model.keep_sem_logits = True
    batch = make_batch("things")
    (there,) = _raw(model, batch, {"scales": [0.75, 1.0, 1.5]})
    (back,) = _raw(model, batch, {"scales": [1.5, 0.75, 1.0]})
    _assert_same(there, back, atol=1e-4, rtol=1e-4)


def test_kept_pyramids_change_nothing(model_config: Make, make_batch: Make) -> None:
    model = _build(model_config)
    calls: list[int] = []
    extract = model.extract_feat
    model.extract_feat = lambda inputs: calls.append(1) or extract(inputs)
    batch = make_batch("things", "stuff")
    again = _raw(model, batch, MANY)
    assert len(calls) == 12  # 6 views, twice
    for ours, theirs in zip(_raw(model, batch, {**MANY, "keep_features": True}), again, strict=True):
        _assert_same(ours, theirs)
    assert len(calls) == 12 + 6


def test_boxes_of_all_views_pass_the_same_filters(model_config: Make, make_batch: Make) -> None:
    model = _build(model_config)
    model.test_cfg["panoptic"] = {
        "score_thr": 0.0,
        "nms": {"type": "nms", "iou_threshold": 0.1},
        "max_per_img": 7,
    }
    batch = make_batch("things")
    batch["data_samples"][0].set_metainfo({"ori_shape": (128, 192)})
    (merged,) = _raw(model, batch, MANY)
    assert 0 < len(merged.raw.masks) <= 7 < len(merged.instances) <= 100
    assert merged.raw.size == (128, 192)
    assert (merged.instances.scores[:-1] >= merged.instances.scores[1:]).all()
    (plain,) = _raw(model, batch)
    assert merged.instances.scores[0] >= plain.instances.scores[0]  # the best box of the plain view is there
    assert (merged.instances.bboxes <= torch.tensor([192.0, 128, 192, 128])).all()
    assert torch.isfinite(merged.raw.masks.mask_logits).all()


def test_no_box_in_any_view(model_config: Make, make_batch: Make) -> None:
    model = _build(model_config)
    model.roi_head.test_cfg["score_thr"] = 2.0
    for cfg in (MANY, {**MANY, "semantics_only": True}):
        (output,) = _raw(model, make_batch("things"), cfg)
        assert len(output.raw.masks) == len(output.instances) == 0
        assert output.raw.masks.mask_logits.shape == (0, 8, 8)
        assert not model.fuse(output.raw).is_thing.any()
    model.predict_candidates = lambda features, samples: (
        [(torch.zeros(0, 4), torch.zeros(0, 3))] * len(samples)
    )
    (output,) = _raw(model, make_batch("things"), MANY)
    assert len(output.raw.masks) == 0


# --- a network that knows the truth: its answer must not depend on how it is asked


class _Oracle:
    """Reads boxes, masks and classes off the input; its channels: thing 0, thing 1, one of two stuffs."""

    def __init__(self, model: PanopticTwoStageDetector) -> None:
        model.data_preprocessor = None
        model.extract_feat = lambda inputs: [inputs]
        model.semantic_head.forward = self.semantics
        model.predict_candidates = self.candidates
        model.roi_head.mask_logits_in_boxes = self.masks

    def semantics(self, features: Sequence[Tensor]) -> Tensor:
        one, two, stuff = F.avg_pool2d(features[0], 4).unbind(dim=1)
        return torch.stack([20 * one, 20 * two, 8 * stuff, 8 - 8 * stuff, torch.zeros_like(stuff)], dim=1)

    def candidates(
        self, features: Sequence[Tensor], samples: list[DetDataSample]
    ) -> list[tuple[Tensor, Tensor]]:
        return [_read_boxes(image) for image in features[0]]

    def masks(
        self, features: Sequence[Tensor], boxes: Sequence[Tensor], labels: Sequence[Tensor]
    ) -> list[Tensor]:
        return [
            torch.stack([_read_mask(image[label], box) for box, label in zip(own, its, strict=True)])
            for image, own, its in zip(features[0], boxes, labels, strict=True)
        ]


def _read_boxes(image: Tensor) -> tuple[Tensor, Tensor]:
    boxes = []
    for channel in image[:2]:
        ys, xs = (channel > 0.5).nonzero(as_tuple=True)
        boxes.append([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    return torch.tensor(boxes).float(), torch.tensor([[0.9, 0.0, 0.1], [0.0, 0.8, 0.2]])


def _read_mask(channel: Tensor, box: Tensor) -> Tensor:
    """Read a channel at the centres of 8 x 8 cells of a box, as logits."""
    x0, y0, x1, y1 = box.tolist()
    cells = (torch.arange(8) + 0.5) / 8
    x = (x0 + (x1 - x0) * cells) / channel.shape[1] * 2 - 1
    y = (y0 + (y1 - y0) * cells) / channel.shape[0] * 2 - 1
    grid = torch.stack([x.expand(8, 8), y[:, None].expand(8, 8)], dim=2)[None]
    return 12 * F.grid_sample(channel[None, None], grid, align_corners=False)[0, 0] - 6


def _painted() -> Tensor:
    image = torch.zeros(1, 3, 64, 96)
    image[0, 0, 8:40, 8:40] = 1  # an L: it is not its own mirror image
    image[0, 0, 8:24, 24:40] = 0
    image[0, 1, 24:56, 56:80] = 1
    image[0, 2, :, :60] = 1
    return image


def _fused(model: PanopticTwoStageDetector, image: Tensor, tta: Any) -> Tensor:
    model.tta = None if tta is None else ViewSettings.read(tta)
    size = (image.shape[2], image.shape[3])
    sample = DetDataSample(metainfo={"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0)})
    with torch.no_grad():
        (sample,) = model.predict(image, [sample])
    assert len(sample.pred_instances) == 2  # the same two in every view
    return sample.pred_panoptic.id_map


def test_an_oracle_and_its_mirror_image_agree(model_config: Make) -> None:
    model = _build(model_config)
    _Oracle(model)
    plain = _fused(model, _painted(), None)
    assert plain.unique().tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(_fused(model, _painted(), FLIP_ALONE), plain)
    assert torch.equal(_fused(model, _painted().flip(-1), FLIP_ALONE), plain.flip(-1))


def test_an_oracle_at_several_scales(model_config: Make) -> None:
    model = _build(model_config)
    _Oracle(model)
    plain = _fused(model, _painted(), None)
    merged = _fused(model, _painted(), {"scales": [0.5, 1.0, 2.0], "flip": True})
    differs = merged != plain
    assert differs.float().mean() < 0.03  # rims alone:
    inside = F.max_pool2d(_edges(plain)[None].float(), 9, 1, 4)[0] == 0
    assert not (differs & inside).any()


def _edges(ids: Tensor) -> Tensor:
    edges = torch.zeros(ids.shape, dtype=torch.bool)
    edges[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    edges[1:] |= ids[1:] != ids[:-1]
    return edges


# --- errors


def test_settings() -> None:
    settings = ViewSettings.read({"scales": [0.5, 1]})
    assert settings.views == [(0.5, False), (0.5, True), (1, False), (1, True)]
    assert ViewSettings.read({"scales": [2], "flip": False}).views == [(2, False)]
    for wrong in ({"scale": [1]}, {"flip": True}, {"scales": [1], "flips": True}):
        with pytest.raises(ValueError, match=r"`tta` to have `scales` and entries among \['flip', "):
            ViewSettings.read(wrong)
    for scales in ([], [0.0], [-1.0], [float("nan")], [float("inf")]):
        with pytest.raises(ValueError, match=r"`tta.scales` to be one or more numbers in \(0, 100\)"):
            ViewSettings.read({"scales": scales})
    with pytest.raises(ValueError, match=r"`tta.scales` to differ"):
        ViewSettings.read({"scales": [1, 1.0]})
    with pytest.raises(ValueError, match=r"`tta.space` to be one of"):
        ViewSettings.read({"scales": [1], "space": "odds"})


def test_the_constructor_reads_the_block(model_config: Make) -> None:
    model = MODELS.build(model_config(tta={"scales": [0.5], "flip": False}))
    assert model.tta.views == [(0.5, False)]
    assert MODELS.build(model_config()).tta is None
