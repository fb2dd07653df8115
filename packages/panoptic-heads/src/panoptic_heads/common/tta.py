"""Test-time augmentation of box-based detectors: views of one image, merged before fusion.

Views are the network's input, resized bilinearly and mirrored; one after the other goes through the network.

1. Every view: pyramid -> boxes with class scores, and the semantic head's map at its own small size.
2. Boxes of all views, in pixels of the input, go through the filters that a single view's go through.
3. Every view: the mask head on those boxes, in this view's place; probabilities are averaged.
4. Semantic scores are resized to the result one view at a time, and averaged (`average_semantics`).

The pyramids of step 1 are computed again in step 3, so that one exists at a time, unless they are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, get_args

import torch
from mmdet.structures import DetDataSample
from mmengine.model import stack_batch
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_fusion import average_semantics
from panoptic_heads.common.resize import Sizes, resize_logits

if TYPE_CHECKING:
    from panoptic_heads.common.detector import PanopticTwoStageDetector

Space = Literal["probabilities", "logits"]
Things = tuple[InstanceData, InstanceData]

_PAD_SIZE_DIVISOR = 32  # of preprocessors that have none: the coarsest level that a semantic head reads


class View(NamedTuple):
    """One way to look at an image."""

    scale: float
    flip: bool


_PLAIN = View(1.0, flip=False)


@dataclass(frozen=True)
class ViewSettings:
    """Which views there are and how they are merged.

    Attributes:
        scales: Of the sides of the network's input, which the test pipeline has resized; all > 0.
        flip: Each view also mirrored, left to right.
        semantics_only: Average the semantic scores alone; boxes and masks are those of the plain input.
        space: ``'probabilities'`` averages softmaxes, ``'logits'`` averages logits, in the semantic maps.
        keep_features: Keep the pyramids of all views instead of computing each one twice: faster, and the
            memory of all views together.
    """

    scales: tuple[float, ...]
    flip: bool = True
    semantics_only: bool = False
    space: Space = "probabilities"
    keep_features: bool = False

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale < 100 for scale in self.scales):
            msg = f"Expected `tta.scales` to be one or more numbers in (0, 100), got {self.scales}."
            raise ValueError(msg)
        if len(set(self.scales)) < len(self.scales):
            msg = f"Expected `tta.scales` to differ, got {self.scales}. Leave the doubles out."
            raise ValueError(msg)
        if self.space not in get_args(Space):
            msg = f"Expected `tta.space` to be one of {list(get_args(Space))}, got {self.space!r}."
            raise ValueError(msg)

    @classmethod
    def read(cls, cfg: Mapping[str, Any]) -> Self:
        """Read a config's block.

        Raises:
            ValueError: If an entry is missing, unknown or out of range.
        """
        known = {field.name for field in fields(cls)}
        if "scales" not in cfg or not set(cfg) <= known:
            msg = f"Expected `tta` to have `scales` and entries among {sorted(known)}, got {sorted(cfg)}."
            raise ValueError(msg)
        return cls(**{**cfg, "scales": tuple(cfg["scales"])})

    @property
    def views(self) -> list[View]:
        """All views; the first one is never mirrored."""
        mirrored = (False, True) if self.flip else (False,)
        return [View(scale, flip) for scale in self.scales for flip in mirrored]


class Frame(NamedTuple):
    """Where one image lies in a view.

    Attributes:
        flip: Whether it is mirrored.
        image: Height and width in the network's plain input, without padding.
        view: The same in the view.
        padded: Of the view's batch.
    """

    flip: bool
    image: tuple[int, int]
    view: tuple[int, int]
    padded: tuple[int, int]

    def to_view(self, boxes: Tensor) -> Tensor:
        """Move boxes ``(R, 4 k)`` from pixels of the plain input to pixels of the view."""
        return self._mirror(boxes * self._factors(boxes))

    def to_image(self, boxes: Tensor) -> Tensor:
        """Move boxes ``(R, 4 k)`` from pixels of the view to pixels of the plain input."""
        boxes = self._mirror(boxes) / self._factors(boxes)
        height, width = self.image
        limit = boxes.new_tensor([width, height]).repeat(boxes.shape[1] // 2)
        return boxes.minimum(limit).clamp(min=0)  # rounding must not carry a box out of the image

    def _factors(self, boxes: Tensor) -> Tensor:
        (height, width), (view_height, view_width) = self.image, self.view
        return boxes.new_tensor([view_width / width, view_height / height]).repeat(boxes.shape[1] // 2)

    def _mirror(self, boxes: Tensor) -> Tensor:
        if not self.flip:
            return boxes
        x0, y0, x1, y1 = boxes.reshape(len(boxes), boxes.shape[1] // 4, 4).unbind(dim=2)
        return torch.stack([self.view[1] - x1, y0, self.view[1] - x0, y1], dim=2).reshape(boxes.shape)


def make_view(
    inputs: Tensor, samples: Sequence[DetDataSample], view: View, *, divisor: int, pad_value: float
) -> tuple[Tensor, list[DetDataSample], list[Frame]]:
    """Resize and mirror the images of a batch, without their padding, and pad them again.

    Args:
        inputs: Normalised, padded images ``(N, 3, H, W)``.
        samples: Their meta data: ``img_shape``.
        view: Scale and mirror; the plain view is the batch as it is.
        divisor: Of the padded height and width.
        pad_value: What padding holds.

    Returns:
        Images ``(N, 3, H', W')``, samples that hold the view's meta data alone, and where each image lies.
    """
    images = []
    for image, sample in zip(inputs, samples, strict=True):
        height, width = sample.metainfo["img_shape"][:2]
        size = (max(1, round(height * view.scale)), max(1, round(width * view.scale)))
        image = image[None, :, :height, :width]
        if size != (height, width):
            image = F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        images.append(image[0].flip(-1) if view.flip else image[0])
    batch = inputs if view == _PLAIN else stack_batch(images, divisor, pad_value)
    padded = (batch.shape[2], batch.shape[3])
    view_samples, frames = [], []
    for image, sample in zip(images, samples, strict=True):
        meta = sample.metainfo
        size = (image.shape[1], image.shape[2])
        frames.append(Frame(view.flip, (int(meta["img_shape"][0]), int(meta["img_shape"][1])), size, padded))
        meta = {**meta, "img_shape": size, "pad_shape": padded, "batch_input_shape": padded}
        view_samples.append(DetDataSample(metainfo=meta))
    return batch, view_samples, frames


def predict_views(
    model: PanopticTwoStageDetector,
    inputs: Tensor,
    samples: Sequence[DetDataSample],
    output_sizes: Sequence[tuple[int, int]],
) -> Iterator[tuple[Things, Tensor]]:
    """Run a detector on all views of a batch and merge what it says.

    Args:
        model: With ``tta``.
        inputs: Normalised, padded images ``(N, 3, H, W)``.
        samples: Their meta data.
        output_sizes: Height and width of each image's result.

    Yields:
        For each image its detections for average precision and those for fusion, in pixels of the plain
        input, and the semantic logits ``(C, H, W)`` of the result. One view: the plain path's numbers.
    """
    assert model.tta is not None
    merger = _Merger(model, model.tta, inputs, samples)
    merger.look()
    for i, (things, size) in enumerate(zip(merger.things(), output_sizes, strict=True)):
        yield things, merger.semantics(i, size)


class _Merger:
    """What the views of one batch have said so far.

    Attributes:
        frames: For each view where each image lies in it.
        sem_logits: For each view the semantic head's map, ``(N, C, h, w)`` at the head's own size.
        candidates: For each image the boxes and class scores of each view, in pixels of the plain input.
        features: For each view its pyramid, where pyramids are kept.
        plain_things: The detections of the plain input, where only semantics are merged.
    """

    def __init__(
        self,
        model: PanopticTwoStageDetector,
        settings: ViewSettings,
        inputs: Tensor,
        samples: Sequence[DetDataSample],
    ) -> None:
        self.model = model
        self.settings = settings
        self.inputs = inputs
        self.samples = samples
        self.frames: list[list[Frame]] = []
        self.sem_logits: list[Tensor] = []
        self.candidates: list[list[tuple[Tensor, Tensor]]] = [[] for _ in samples]
        self.features: dict[View, Sequence[Tensor]] = {}
        self.plain_things: list[Things] | None = None

    def look(self) -> None:
        """Run every view up to its boxes and its semantic map."""
        for view in self.settings.views:
            features, samples, frames = self._pyramid(view)
            self.frames.append(frames)
            self.sem_logits.append(self.model.semantic_logits(features))
            if not self.settings.semantics_only:
                found = self.model.predict_candidates(features, samples)
                for own, (boxes, scores), frame in zip(self.candidates, found, frames, strict=True):
                    own.append((frame.to_image(boxes), scores))
                if self.settings.keep_features:
                    self.features[view] = features
            elif view == _PLAIN:
                self.plain_things = self.model.predict_things(features, list(self.samples))
            del features

    def things(self) -> list[Things]:
        """Return each image's detections for average precision and those for fusion."""
        if self.settings.semantics_only:
            if self.plain_things is None:  # no view is the plain one
                features, _, _ = self._pyramid(_PLAIN)
                self.plain_things = self.model.predict_things(features, list(self.samples))
            return self.plain_things
        merged = [_join(parts) for parts in self.candidates]
        head = self.model.roi_head
        kept = head.filter_candidates(merged, panoptic_filter=self.model.test_cfg.get("panoptic"))
        return head.add_masks(kept, self._mask_logits)

    def semantics(self, i: int, size: tuple[int, int]) -> Tensor:
        """Return the merged semantic logits of an image, ``(C, H, W)`` float32."""
        maps = (
            _semantic_map(logits[i], frames[i], size)
            for logits, frames in zip(self.sem_logits, self.frames, strict=True)
        )
        if len(self.frames) == 1:
            return next(maps)
        return average_semantics(maps, space=self.settings.space)

    def _mask_logits(self, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> list[Tensor]:
        """Return the mask logits ``(K, M, M)`` of each image's boxes, the mean probability of all views."""
        views = self.settings.views
        if not any(len(each) for each in boxes):
            views = views[:1]  # for the size of the masks alone
        totals: list[Tensor] = []
        for number, view in enumerate(views):
            features, _, frames = self._pyramid(view)
            in_view = [frame.to_view(each) for frame, each in zip(frames, boxes, strict=True)]
            logits = self.model.roi_head.mask_logits_in_boxes(features, in_view, labels)
            del features
            if len(views) == 1:
                return list(logits)
            probs = [each.float().sigmoid() for each in logits]
            probs = [each.flip(-1) for each in probs] if view.flip else probs
            totals = [a + b for a, b in zip(totals, probs, strict=True)] if number else probs
        return [torch.logit(total / len(views), eps=1e-6) for total in totals]  # finite, as fusions want

    def _pyramid(self, view: View) -> tuple[Sequence[Tensor], list[DetDataSample], list[Frame]]:
        preprocessor = self.model.data_preprocessor
        inputs, samples, frames = make_view(
            self.inputs,
            self.samples,
            view,
            divisor=getattr(preprocessor, "pad_size_divisor", _PAD_SIZE_DIVISOR),
            pad_value=getattr(preprocessor, "pad_value", 0),
        )
        kept = self.features.pop(view, None)
        return self.model.extract_feat(inputs) if kept is None else kept, samples, frames


def _join(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Join the boxes and scores of all views; a view without boxes does not know how wide its rows are."""
    filled = [part for part in parts if len(part[0])] or parts[:1]
    return torch.cat([boxes for boxes, _ in filled]), torch.cat([scores for _, scores in filled])


def _semantic_map(logits: Tensor, frame: Frame, size: tuple[int, int]) -> Tensor:
    """Bring a view's semantic map ``(C, h, w)`` back to the image: padding cut off first, then mirrored."""
    resized = resize_logits(logits.float(), Sizes(padded=frame.padded, image=frame.view, output=size))
    return resized.flip(-1) if frame.flip else resized
