"""Packing: masks, boxes and label maps are made here, last, at the size that the network sees."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData, PixelData
from numpy.typing import NDArray
from torch import Tensor

from panoptic_data.registry import TRANSFORMS
from panoptic_data.transforms.runs import Extents, find_extents
from panoptic_data.transforms.tables import InstanceTable, SegmentTable
from panoptic_data.transforms.window_masks import WindowMasks
from panoptic_fusion import BoxMasks, PanopticSegmentation

IGNORE_INDEX = 255
META_KEYS = (
    "img_id",
    "img_path",
    "file_name",
    "seg_map_path",
    "ori_shape",
    "img_shape",
    "scale_factor",
    "flip",
    "flip_direction",
)


@TRANSFORMS.register_module()
class PackPanopticInputs(BaseTransform):
    """Turn an image and its panoptic map into the network's input and a ``DetDataSample``.

    Training (``test_mode=False``), everything at the input's size:

    - ``gt_instances``: ``bboxes (N, 4)`` float32 xyxy, tight around the masks after crop and resize;
      ``labels (N,)`` int64; ``masks``: bitmap masks, overlapping where an instance file gave them, else the
      visible ones; ``segment_ids (N,)`` int64: the segment of ``gt_panoptic`` that shows the instance, or 0.
      No crowd. Instances that vanished or are thinner than `min_side` are not there.
    - ``ignored_instances``: the crowd regions' ``bboxes`` and ``labels``.
    - ``gt_sem_seg``: ``sem_seg (1, H, W)`` int64, 255 void; crowd keeps its class.
    - ``gt_panoptic``: ``PanopticSegmentation``, crowd marked.
    - ``gt_centers``, if :class:`~panoptic_data.transforms.MakeCenterTargets` has made them.

    Testing (``test_mode=True``), everything at the annotation's size: ``gt_panoptic``, and ``gt_instances``
    with ``bboxes``, ``labels``, ``masks`` (``BoxMasks``) and ``iscrowd``. An image without annotation (no
    ``gt_seg_map``) gets the input and the meta data alone.

    Args:
        test_mode: Which of the two to make.
        min_side: Instances with a box side below this many pixels are no training targets.
        with_instances: Whether training samples have ``gt_instances`` and ``ignored_instances``. Semantic
            networks and those that learn centers need neither, and nothing is made for them then; their
            ``data_preprocessor`` needs ``pad_mask=False``.
        crowd_labels: Whether a crowd's class is ``"kept"`` in ``gt_sem_seg`` or ``"ignored"`` (255). The
            public codes of Panoptic-DeepLab keep it by default.
        meta_keys: What goes into the sample's meta data where it is known.

    Raises:
        ValueError: If `crowd_labels` is neither; on packing, if the map has not the image's size, or holds
            values that no table has.
    """

    def __init__(
        self,
        test_mode: bool = False,
        min_side: int = 1,
        with_instances: bool = True,
        crowd_labels: Literal["kept", "ignored"] = "kept",
        meta_keys: Sequence[str] = META_KEYS,
    ) -> None:
        if crowd_labels not in ("kept", "ignored"):
            msg = f"Expected `crowd_labels` to be 'kept' or 'ignored', got {crowd_labels!r}."
            raise ValueError(msg)
        self.test_mode = test_mode
        self.min_side = min_side
        self.with_instances = with_instances
        self.crowd_labels = crowd_labels
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``inputs (3, H, W)`` and ``data_samples``."""
        sample = DetDataSample(metainfo={key: results[key] for key in self.meta_keys if key in results})
        if "scale_factor" not in results:  # nothing resized the image, and detectors ask for it
            sample.set_metainfo({"scale_factor": (1.0, 1.0)})
        if "gt_seg_map" in results:
            self._check_size(results)
            channels, extents = _split_channels(results)
            fill = _fill_test if self.test_mode else self._fill_train
            fill(sample, channels, extents, results["segments"], results["instances"])
        if "gt_centers" in results:
            sample.gt_centers = results["gt_centers"]
        return {"inputs": _image_tensor(results["img"]), "data_samples": sample}

    def _fill_train(
        self,
        sample: DetDataSample,
        channels: list[NDArray[np.int32]],
        extents: list[Extents],
        segments: SegmentTable,
        instances: InstanceTable,
    ) -> None:
        if self.with_instances:
            self._fill_instances(sample, channels, extents, instances)
        label_of_row = np.concatenate([[IGNORE_INDEX], segments.labels])
        if self.crowd_labels == "ignored":
            label_of_row[1:][segments.iscrowd] = IGNORE_INDEX
        sample.gt_sem_seg = PixelData(sem_seg=torch.from_numpy(label_of_row[channels[0]])[None])
        sample.gt_panoptic = _to_segmentation(channels[0], segments, extents[0].areas)

    def _fill_instances(
        self,
        sample: DetDataSample,
        channels: list[NDArray[np.int32]],
        extents: list[Extents],
        instances: InstanceTable,
    ) -> None:
        boxes = _instance_boxes(extents, instances)
        big_enough = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) >= max(self.min_side, 1)
        kept = np.flatnonzero(big_enough & ~instances.iscrowd)
        crowds = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & instances.iscrowd)
        height, width = channels[0].shape
        sample.gt_instances = InstanceData(
            bboxes=torch.from_numpy(boxes[kept].astype(np.float32)),
            labels=torch.from_numpy(instances.labels[kept]),
            masks=WindowMasks(_crops(channels, boxes, instances, kept), boxes[kept], height, width),
            segment_ids=torch.from_numpy(instances.segment_ids[kept].astype(np.int64)),
        )
        sample.ignored_instances = InstanceData(
            bboxes=torch.from_numpy(boxes[crowds].astype(np.float32)),
            labels=torch.from_numpy(instances.labels[crowds]),
        )

    def _check_size(self, results: dict[str, Any]) -> None:
        size = results["gt_seg_map"].shape[:2]
        if self.test_mode:
            expected, cure = results["ori_shape"][:2], "In a testing pipeline put LoadPanoptic after Resize."
        else:
            expected = results["img"].shape[:2]
            cure = (
                "In a training pipeline put LoadPanoptic before Resize, or after LoadReducedImage: "
                "LoadPanoptic(at_image_size=True)."
            )
        if size != tuple(expected):
            msg = (
                f"Expected `gt_seg_map` of {results.get('img_path', 'the image')} to be of size "
                f"{tuple(expected)}, got {size}. {cure}"
            )
            raise ValueError(msg)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(test_mode={self.test_mode}, min_side={self.min_side}, "
            f"with_instances={self.with_instances}, crowd_labels={self.crowd_labels!r})"
        )


def _fill_test(
    sample: DetDataSample,
    channels: list[NDArray[np.int32]],
    extents: list[Extents],
    segments: SegmentTable,
    instances: InstanceTable,
) -> None:
    boxes = _instance_boxes(extents, instances)
    shown = np.flatnonzero(boxes[:, 2] > boxes[:, 0])
    sample.gt_panoptic = _to_segmentation(channels[0], segments, extents[0].areas)
    sample.gt_instances = InstanceData(
        bboxes=torch.from_numpy(boxes[shown].astype(np.float32)),
        labels=torch.from_numpy(instances.labels[shown]),
        masks=BoxMasks.from_crops(
            [torch.from_numpy(crop) for crop in _crops(channels, boxes, instances, shown)],
            torch.from_numpy(boxes[shown]),
        ),
        iscrowd=torch.from_numpy(instances.iscrowd[shown]),
    )


def _split_channels(results: dict[str, Any]) -> tuple[list[NDArray[np.int32]], list[Extents]]:
    """Return the map's channels, each contiguous, with the box and area of each of their values."""
    label_map, instances = results["gt_seg_map"], results["instances"]
    planes = [label_map] if label_map.ndim == 2 else list(np.moveaxis(label_map, -1, 0))
    channels = [np.ascontiguousarray(plane) for plane in planes]
    extents = []
    for index, channel in enumerate(channels):
        used = instances.values[instances.channels == index].max(initial=0)
        highest = max(len(results["segments"]) if index == 0 else 0, int(used))
        low, high = (int(channel.min()), int(channel.max())) if channel.size else (0, 0)
        if low < 0 or high > highest:
            msg = (
                f"Expected channel {index} of `gt_seg_map` of {results.get('img_path', 'the image')} in "
                f"[0, {highest}], got values in [{low}, {high}]. Padding must write 0 there: use "
                "PadPanoptic, or Pad with pad_val=dict(img=..., seg=0)."
            )
            raise ValueError(msg)
        extents.append(find_extents(channel, highest + 1))
    return channels, extents


def _instance_boxes(extents: list[Extents], instances: InstanceTable) -> NDArray[np.int64]:
    boxes = np.zeros((len(instances), 4), dtype=np.int64)
    for index, extent in enumerate(extents):
        here = instances.channels == index
        boxes[here] = extent.boxes[instances.values[here]]
    return boxes


def _crops(
    channels: list[NDArray[np.int32]], boxes: NDArray[np.int64], instances: InstanceTable, rows: NDArray
) -> list[NDArray[np.bool_]]:
    """Cut the masks of some instances out of their channels, each in its tight box."""
    crops = []
    for row in rows:
        x0, y0, x1, y1 = boxes[row]
        crops.append(channels[instances.channels[row]][y0:y1, x0:x1] == instances.values[row])
    return crops


def _to_segmentation(
    row_map: NDArray[np.int32], segments: SegmentTable, areas: NDArray[np.int64]
) -> PanopticSegmentation:
    """Give the map its ids back; segments without a pixel are left out."""
    id_of_row = np.concatenate([np.zeros(1, dtype=np.int32), segments.ids])
    shown = np.flatnonzero(areas[1:])
    return PanopticSegmentation(
        id_map=torch.from_numpy(id_of_row[row_map]),
        ids=torch.from_numpy(segments.ids[shown]),
        labels=torch.from_numpy(segments.labels[shown]),
        is_thing=torch.from_numpy(segments.is_thing[shown]),
        scores=torch.ones(len(shown)),
        areas=torch.from_numpy(areas[1:][shown]),
        iscrowd=torch.from_numpy(segments.iscrowd[shown]),
    )


def _image_tensor(image: NDArray) -> Tensor:
    """Return the image ``(H, W, 3)`` or ``(H, W)`` as a contiguous tensor with the channels first."""
    pixels = torch.from_numpy(image if min(image.strides) > 0 else image.copy())
    return (pixels[None] if image.ndim == 2 else pixels.permute(2, 0, 1)).contiguous()
