"""What every panoptic detector does with a network's word: transforms, fusion, samples.

Network -> RawOutputs -> fusion -> data samples. Whatever works on raw outputs (oracles, saving) sits between
:meth:`PanopticPrediction.predict_raw` and :meth:`PanopticPrediction.fuse`; augmented views and ensembles are
merged inside of the former.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from panoptic_fusion import (
    BoxMasks,
    PanopticSegmentation,
    RawOutputs,
    merge_raw_outputs,
    segment_boxes,
    segmentation_to_mmdet,
)
from panoptic_heads.common.fusion import Fusion
from panoptic_heads.common.structures import NetworkOutput
from panoptic_heads.common.tta import ViewSettings

RawTransform = Callable[[RawOutputs, DetDataSample], RawOutputs]


class PanopticPrediction:
    """The part of a detector that follows its network; a model of MMEngine is the other base class.

    A detector calls :meth:`init_prediction` when its own parts are built, and has :meth:`predict_raw`.

    Attributes:
        panoptic_fusion_head: From raw outputs to a panoptic map.
        raw_transforms: Functions of raw outputs and sample, called in order before fusion.
        keep_sem_logits: Keep class scores at the image's resolution in the raw outputs, not only their
            winner.
        tta: Which views of an image are merged; None: the input as it is.
        partners: Networks whose raw outputs are averaged with this one's: an ensemble. They are no part of
            this one's weights.
        takes_partners: Whether there can be partners. Maps have a mean; masks in boxes have none.
    """

    takes_partners: ClassVar[bool] = False

    panoptic_fusion_head: Fusion
    raw_transforms: list[RawTransform]
    keep_sem_logits: bool
    tta: ViewSettings | None
    partners: tuple["PanopticPrediction", ...]

    def init_prediction(self, panoptic_fusion_head: Fusion, tta: Any = None) -> None:
        """Take the fusion and the config's block ``tta``."""
        self.panoptic_fusion_head = panoptic_fusion_head
        self.raw_transforms = []
        self.keep_sem_logits = False
        self.tta = None if tta is None else ViewSettings.read(tta)
        self.partners = ()

    @property
    def predicts_every_class(self) -> bool:
        """Whether the raw outputs' label map tells all classes apart, so that it can be measured."""
        return True

    def predict_raw(
        self, batch_inputs: Tensor, samples: list[DetDataSample], *, rescale: bool = True
    ) -> list[NetworkOutput]:
        """Run the network alone, on all views if there is ``tta``; arguments as in :meth:`predict`."""
        raise NotImplementedError

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample], rescale: bool = True
    ) -> list[DetDataSample]:
        """Predict and fill the samples.

        Args:
            batch_inputs: Normalised, padded images ``(N, 3, H, W)``.
            batch_data_samples: Their meta data: ``img_shape``, ``ori_shape``, ``scale_factor``.
            rescale: Results at the image's own resolution; else at that of the network's input.

        Returns:
            The same samples with ``pred_panoptic`` (PanopticSegmentation), ``pred_panoptic_seg`` (PixelData,
            MMDetection's encoding), ``pred_instances`` (bboxes, scores, labels, masks; no masks without a
            mask head) and, if the semantic head knows every class, ``pred_sem_seg`` (PixelData).
        """
        return self.finish(
            batch_data_samples, self.predict_raw(batch_inputs, batch_data_samples, rescale=rescale)
        )

    def finish(self, samples: list[DetDataSample], outputs: Sequence[NetworkOutput]) -> list[DetDataSample]:
        """Transform and fuse what the network said, and fill the samples as :meth:`predict` says."""
        for sample, output in zip(samples, outputs, strict=True):
            raw = self.transform(output.raw, sample)
            if raw.sem_seg is None and raw.sem_logits is not None:
                raw.sem_seg = raw.semantic_labels()  # once: fusion and sample both want it
            seg = self.fuse(raw)
            instances = instances_of(seg) if output.instances is None else output.instances
            self.fill_sample(sample, instances, raw, seg)
            changed = raw.sem_seg is not output.raw.sem_seg  # then the transform's map speaks for every class
            if output.sem_seg is not None and not changed and "pred_sem_seg" in sample:
                sample.pred_sem_seg = PixelData(sem_seg=output.sem_seg[None])
        return samples

    def transform(self, raw: RawOutputs, sample: DetDataSample) -> RawOutputs:
        """Apply the transforms of raw outputs in order."""
        for transform in self.raw_transforms:
            raw = transform(raw, sample)
        return raw

    def fuse(self, raw: RawOutputs) -> PanopticSegmentation:
        """Apply the fusion of the config."""
        return self.panoptic_fusion_head(raw)

    def fill_sample(
        self, sample: DetDataSample, instances: InstanceData, raw: RawOutputs, seg: PanopticSegmentation
    ) -> None:
        """Put the predictions of one image into its sample."""
        sample.pred_panoptic = seg
        sample.pred_panoptic_seg = PixelData(
            sem_seg=segmentation_to_mmdet(seg, num_classes=raw.num_classes)[None]
        )
        sample.pred_instances = instances
        if self.predicts_every_class:
            sample.pred_sem_seg = PixelData(sem_seg=raw.semantic_labels()[None])

    # --- ensembles

    def join(self, partners: Sequence[Any]) -> None:
        """Predict as an ensemble from now on: with the mean of this network's and other ones' raw outputs.

        Each member normalises the images itself, and each looks at its own views, if it has ``tta``. Fusion
        and transforms of raw outputs are this network's.

        Args:
            partners: Other models of the same classes, on this one's device.

        Raises:
            TypeError: If a member's instances are masks in boxes, of which there is no mean.
        """
        for member in (self, *partners):
            if not getattr(member, "takes_partners", False):
                msg = (
                    f"Expected members of an ensemble to predict maps alone, got {type(member).__name__}. "
                    "Masks in boxes have no mean."
                )
                raise TypeError(msg)
            member.keep_sem_logits = True
        self.partners = tuple(partners)

    def test_step(self, data: Any) -> list[DetDataSample]:
        """Predict a batch as a data loader gives it."""
        if not self.partners:
            samples: list[DetDataSample] = super().test_step(data)  # type: ignore[misc]
            return samples
        members: list[Any] = [self, *self.partners]
        batches = [member.data_preprocessor(data, False) for member in members]
        samples = batches[0]["data_samples"]
        space = self.tta.space if self.tta else "probabilities"
        merged = []
        for i in range(len(samples)):
            looks = (
                member.predict_raw(batch["inputs"][i : i + 1], batch["data_samples"][i : i + 1])[0].raw
                for member, batch in zip(members, batches, strict=True)
            )
            merged.append(NetworkOutput(merge_raw_outputs(looks, space=space), None))
        return self.finish(samples, merged)

    def val_step(self, data: Any) -> list[DetDataSample]:
        """Predict a batch as a data loader gives it."""
        return self.test_step(data)


def instances_of(seg: PanopticSegmentation) -> InstanceData:
    """Return the things of a panoptic map as detections, where the fusion alone knows instances.

    Args:
        seg: Its scores are the detections' scores.

    Returns:
        ``bboxes`` ``(N, 4)`` float32, half-open and tight, ``scores``, ``labels`` and ``masks`` (BoxMasks),
        by falling score, equal ones in the map's order.
    """
    things = seg.is_thing.nonzero().view(-1)
    things = things[seg.scores[things].sort(descending=True, stable=True).indices]
    boxes = segment_boxes(seg)[things]
    crops = [
        seg.id_map[y0:y1, x0:x1] == segment
        for segment, (x0, y0, x1, y1) in zip(seg.ids[things].tolist(), boxes.tolist(), strict=True)
    ]
    return InstanceData(
        bboxes=boxes.float(),
        scores=seg.scores[things],
        labels=seg.labels[things],
        masks=BoxMasks.from_crops(crops, boxes, device=seg.device),
    )


def height_and_width(shape: Sequence[int]) -> tuple[int, int]:
    """Return the first two numbers of a sample's ``img_shape`` or ``ori_shape``."""
    return int(shape[0]), int(shape[1])
