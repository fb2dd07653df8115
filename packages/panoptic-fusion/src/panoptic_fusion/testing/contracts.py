"""Contract tests: what every fusion promises, whatever its method.

A test file inherits a contract and says how its function is called; pytest then runs the contract's tests::

    class TestFuseByConfidence(InstanceFusionContract):
        def fuse(self, raw: RawOutputs) -> PanopticSegmentation:
            return fuse_by_confidence(
                raw.masks,
                raw.labels,
                raw.scores,
                raw.semantic_labels(),
                num_things=raw.num_things,
                stuff_area_limit=1,
            )

Limits on small stuff have to be off (0 or 1): the scenes are tiny.
"""

import copy
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

import pytest
import torch

from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.raw_outputs import RawOutputs
from panoptic_fusion.segmentation import PanopticSegmentation
from panoptic_fusion.testing.compare import (
    assert_same_segments,
    check_consistent,
    shared_ids,
    tensors_of,
    with_instances,
)
from panoptic_fusion.testing.inputs import (
    NUM_CLASSES,
    NUM_THINGS,
    example_segmentation,
    raw_outputs_from_segmentation,
)
from panoptic_fusion.testing.memory import LargestTensor


class FusionContract(ABC):
    """What holds for any fusion."""

    @abstractmethod
    def fuse(self, raw: RawOutputs) -> PanopticSegmentation:
        """Call the fusion under test."""

    def make_raw(self, **options: Any) -> RawOutputs:
        """Return perfect inputs of `example_segmentation`."""
        return raw_outputs_from_segmentation(
            example_segmentation(), num_things=NUM_THINGS, num_classes=NUM_CLASSES, **options
        )

    def test_truth_comes_back(self) -> None:
        """Perfect inputs give the ground truth wherever it says something definite."""
        truth = example_segmentation()
        seg = self.fuse(self.make_raw())
        crowd_ids = truth.ids[truth.iscrowd]
        definite = (truth.id_map > 0) & ~torch.isin(truth.id_map, crowd_ids)
        pairs = shared_ids(truth.id_map[definite], seg.id_map[definite])
        found = {segment.id: segment for segment in seg.segments}
        for segment in truth.segments:
            if segment.iscrowd:
                continue
            partners = [other for one, other in pairs if one == segment.id]
            assert len(partners) == 1, f"segment {segment.id} came back as {partners}"
            assert found[partners[0]].label == segment.label
            assert found[partners[0]].is_thing == segment.is_thing
        assert len({other for _, other in pairs}) == len(pairs), "two segments became one"

    def test_result_is_consistent(self) -> None:
        """Ids, areas and classes say the same as the map."""
        raw = self.make_raw()
        check_consistent(self.fuse(raw), raw)

    def test_leaves_inputs_alone(self) -> None:
        """No input tensor is written to."""
        raw = self.make_raw()
        before = copy.deepcopy(raw)
        self.fuse(raw)
        for (name, ours), (_, theirs) in zip(tensors_of(raw), tensors_of(before), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True, msg=name)

    def test_same_inputs_same_result(self) -> None:
        """Nothing is drawn by chance."""
        raw = self.make_raw()
        first, second = self.fuse(raw), self.fuse(raw)
        assert torch.equal(first.id_map, second.id_map)
        assert first.segments == second.segments

    def test_device_is_kept(self) -> None:
        """All parts of the result lie where the inputs lie."""
        assert self.fuse(self.make_raw()).device == torch.device("cpu")

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_gpu_gives_the_same(self) -> None:
        """A GPU gives the map of the CPU, on the GPU."""
        raw = self.make_raw()
        there = self.fuse(raw.to("cuda"))
        assert there.device.type == "cuda"
        here = self.fuse(raw)
        assert torch.equal(there.id_map.cpu(), here.id_map)
        assert there.ids.tolist() == here.ids.tolist()
        assert there.labels.tolist() == here.labels.tolist()


class InstanceFusionContract(FusionContract):
    """What holds for fusions of instance masks with a semantic map."""

    def test_order_of_instances_does_not_matter(self) -> None:
        """Shuffled instances give the same segments, up to their ids."""
        for mask_form in ("crops", "logits"):
            raw = self.make_raw(mask_form=mask_form)
            seg = self.fuse(raw)
            shuffled = self.fuse(with_instances(raw, [2, 0, 3, 1]))
            assert_same_segments(seg, shuffled)

    def test_no_instances(self) -> None:
        """Without instances there are no things, and no error."""
        for mask_form in ("crops", "logits"):
            raw = with_instances(self.make_raw(mask_form=mask_form), [])
            seg = self.fuse(raw)
            check_consistent(seg, raw)
            assert not seg.is_thing.any()

    def test_all_void(self) -> None:
        """A semantic map that is all void, with no instances, gives an empty result."""
        raw = with_instances(self.make_raw(), [])
        assert raw.sem_seg is not None
        seg = self.fuse(replace(raw, sem_seg=torch.full_like(raw.sem_seg, 255)))
        assert len(seg) == 0
        assert not seg.id_map.any()

    def test_one_pixel(self) -> None:
        """The smallest image."""
        truth = PanopticSegmentation.from_id_map(torch.tensor([[4]]), [4], labels=[1], is_thing=[True])
        raw = raw_outputs_from_segmentation(truth, num_things=NUM_THINGS, num_classes=NUM_CLASSES)
        seg = self.fuse(raw)
        assert [(segment.label, segment.area) for segment in seg.segments] == [(1, 1)]

    def test_boxes_outside_the_image_add_nothing(self) -> None:
        """Boxes beyond the border, far away, or without size change nothing."""
        raw = self.make_raw(mask_form="logits", mask_size=7)
        assert raw.masks is not None
        assert raw.labels is not None
        assert raw.scores is not None
        width = raw.size[1]
        strange = torch.tensor(
            [[-9.0, -9, 0, 0], [width, 0, width + 9, 9], [4, 4, 4, 9], [9, 9, 5, 5], [-3e8, 1e8, -2e8, 2e8]]
        )
        others = BoxMasks.from_logits(torch.full((len(strange), 7, 7), 9.0), strange)
        more = replace(
            raw,
            masks=BoxMasks.cat([others, raw.masks]),
            labels=torch.cat([raw.labels.new_zeros(len(strange)), raw.labels]),
            scores=torch.cat([raw.scores.new_full((len(strange),), 0.99), raw.scores]),
        )
        assert_same_segments(self.fuse(raw), self.fuse(more))

    def test_boxes_across_the_border_are_clipped(self) -> None:
        """A mask that reaches out of the image on all sides fills the image."""
        raw = with_instances(self.make_raw(), [])
        assert raw.sem_seg is not None
        height, width = raw.size
        box = torch.tensor([[-5.0, -6.0, width + 7.0, height + 8.0]])
        filled = replace(
            raw,
            sem_seg=torch.zeros_like(raw.sem_seg),
            sem_logits=None,
            masks=BoxMasks.from_logits(torch.full((1, 14, 14), 9.0), box),
            labels=torch.tensor([0]),
            scores=torch.tensor([0.9]),
        )
        assert [segment.area for segment in self.fuse(filled).segments] == [height * width]

    def test_half_precision(self) -> None:
        """Mask logits and scores may be float16 or bfloat16."""
        raw = self.make_raw(mask_form="logits")
        assert raw.masks is not None
        assert raw.masks.mask_logits is not None
        assert raw.scores is not None
        for dtype in (torch.float16, torch.bfloat16):
            rounded = raw.masks.mask_logits.to(dtype)
            masks = BoxMasks.from_logits(rounded, raw.masks.boxes)
            scores = raw.scores.to(dtype)
            seg = self.fuse(replace(raw, masks=masks, scores=scores))
            masks = BoxMasks.from_logits(rounded.float(), raw.masks.boxes)
            assert_same_segments(seg, self.fuse(replace(raw, masks=masks, scores=scores.float())))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "inf"])
    def test_rejects_scores_that_are_not_finite(self, value: float) -> None:
        """A broken score is an error, not a dropped instance."""
        raw = self.make_raw()
        assert raw.scores is not None
        scores = raw.scores.clone()
        scores[1] = value
        with pytest.raises(ValueError, match=r"`scores` to be finite, got 1 NaN or infinite"):
            self.fuse(replace(raw, scores=scores))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "inf"])
    def test_rejects_logits_that_are_not_finite(self, value: float) -> None:
        """A broken mask is an error, not an empty instance."""
        raw = self.make_raw(mask_form="logits")
        assert raw.masks is not None
        assert raw.masks.mask_logits is not None
        logits = raw.masks.mask_logits.clone()
        logits[2, 0, 0] = value
        with pytest.raises(ValueError, match=r"mask logits to be finite"):
            self.fuse(replace(raw, masks=BoxMasks.from_logits(logits, raw.masks.boxes)))

    def test_rejects_stuff_labels_of_instances(self) -> None:
        """An instance of a stuff class is an error that names the range."""
        raw = self.make_raw()
        assert raw.labels is not None
        labels = raw.labels.clone()
        labels[0] = NUM_THINGS + 1
        with pytest.raises(ValueError, match=r"`labels` to be thing ids in \[0, 2\), got values in \[0, 3\]"):
            self.fuse(replace(raw, labels=labels))

    def test_makes_nothing_of_instances_times_pixels(self) -> None:
        """Memory is some maps of the image, however many instances there are."""
        raw = self.make_raw(mask_form="logits", mask_size=3)
        many = with_instances(raw, [0, 1, 2, 3] * 50)
        with LargestTensor() as largest:
            self.fuse(many)
        pixels = raw.size[0] * raw.size[1]
        assert largest.numel <= 24 * pixels, f"{largest.operation} made {largest.numel / pixels:.0f} maps"
