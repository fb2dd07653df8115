"""Loading panoptic ground truth: one decoded map and two small tables, no mask an instance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from panoptic_core.files import segmentation_to_rle
from panoptic_data.registry import TRANSFORMS
from panoptic_data.transforms.layers import InstanceMasks, lay_instances
from panoptic_data.transforms.read import READERS
from panoptic_data.transforms.reduced import sample_map
from panoptic_data.transforms.runs import index_ids
from panoptic_data.transforms.tables import InstanceTable


@TRANSFORMS.register_module()
class LoadPanoptic(BaseTransform):
    """Decode an image's panoptic annotation once into a map that the stock geometric transforms carry along.

    In a training pipeline it stands before Resize, RandomFlip and RandomCrop, which act on the image and on
    ``gt_seg_map`` alike (nearest neighbour). In a testing pipeline it stands after Resize, so that the ground
    truth keeps the annotation's resolution.

    Required keys: ``seg_map_path``, ``seg_format`` and what its reader needs (our data sets set them);
    ``annotations`` (instances with overlapping masks) and ``void_ids`` (segment ids that stand for void) are
    optional.

    Added keys:

    - ``gt_seg_map``: int32, ``(H, W)`` or ``(H, W, 1 + L)``. Channel 0 is row + 1 of the segment table, 0
      void; each further channel holds instance masks that do not fit on the map because they overlap.
    - ``segments``: :class:`~panoptic_data.transforms.SegmentTable`.
    - ``instances``: :class:`~panoptic_data.transforms.InstanceTable`.

    Args:
        use_instance_file: Take the instances from the instance file's overlapping masks where the image has
            them. If False, always from the visible segments (Panoptic-DeepLab, OANet's Table 3 row 2).
        at_image_size: For training pipelines: where
            :class:`~panoptic_data.transforms.LoadReducedImage` has reduced the image, keep of the map the
            pixels in the middle of the image's blocks. Of a map without an instance file only these are
            looked at, so an id that no kept pixel has is not missed in the table.

    Raises:
        ValueError: On reading, if the PNG is unreadable, holds an id that its table lacks, or has another
            size than the image.
    """

    def __init__(self, use_instance_file: bool = True, at_image_size: bool = False) -> None:
        self.use_instance_file = use_instance_file
        self.at_image_size = at_image_size

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the map and the tables to one image's results."""
        id_map, segments = READERS[results["seg_format"]](results)
        path = results["seg_map_path"]
        if "ori_shape" in results and id_map.shape != tuple(results["ori_shape"][:2]):
            msg = (
                f"Expected {path} to have its image's size {tuple(results['ori_shape'][:2])} (H, W), "
                f"got {id_map.shape}. The files may belong to different images; if height and width are "
                f"swapped, the image carries a rotation tag: load {results.get('img_path', 'it')} with "
                "color_type='color_ignore_orientation'."
            )
            raise ValueError(msg)
        annotations = results.pop("annotations", None)
        if not self.use_instance_file:
            annotations = None
        every = results.get("reduced_by", 1) if self.at_image_size else 1
        size = id_map.shape
        if annotations is None:  # else overlapping masks are drawn at full size
            id_map = sample_map(id_map, every)
        if void_ids := results.get("void_ids"):
            id_map[np.isin(id_map, void_ids)] = 0
        row_map, unknown = index_ids(id_map, segments.ids)
        if len(unknown):
            msg = (
                f"Expected every id of {path} in its segments_info, got {unknown[:8].tolist()} "
                f"({len(unknown)} ids) that are not there. Write the PNG and the JSON from the same run "
                "(id = R + 256 G + 65536 B, 0 is void)."
            )
            raise ValueError(msg)
        if annotations is not None:
            row_map, instances = lay_instances(row_map, segments, decode_instances(annotations, size, path))
            row_map = sample_map(row_map, every)
        else:
            instances = InstanceTable.from_segments(segments)
        results["gt_seg_map"] = row_map
        results["segments"] = segments
        results["instances"] = instances
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(use_instance_file={self.use_instance_file}, "
            f"at_image_size={self.at_image_size})"
        )


def decode_instances(
    annotations: Sequence[dict[str, Any]], size: tuple[int, ...], name: str
) -> InstanceMasks:
    """Rasterise COCO instance annotations, one at a time, into their windows.

    Args:
        annotations: Dicts with ``id``, ``label`` (contiguous), ``iscrowd`` and ``segmentation``: polygons
            (lists or arrays of x, y, ...), or a compressed or plain RLE.
        size: ``(H, W)`` of the image.
        name: What to call the image in errors.

    Raises:
        ValueError: If an RLE has another size than the image, or a segmentation cannot be read; the message
            names the annotation and the image.
    """
    crops: list[NDArray[np.bool_]] = []
    windows = np.zeros((len(annotations), 4), dtype=np.int64)
    for i, annotation in enumerate(annotations):
        try:
            rle = segmentation_to_rle(_as_lists(annotation["segmentation"]), (size[0], size[1]))
        except ValueError as error:
            msg = f"Annotation {annotation['id']} of {name}: {error} Is it the instance file of these images?"
            raise ValueError(msg) from error
        x, y, width, height = (int(value) for value in coco_mask.toBbox(rle))
        windows[i] = x, y, x + width, y + height
        crops.append(coco_mask.decode(rle)[y : y + height, x : x + width].astype(bool))
    return InstanceMasks(
        ids=np.array([annotation["id"] for annotation in annotations], dtype=np.int64),
        labels=np.array([annotation["label"] for annotation in annotations], dtype=np.int64),
        iscrowd=np.array([annotation["iscrowd"] for annotation in annotations], dtype=bool),
        windows=windows,
        crops=crops,
    )


def _as_lists(segmentation: Any) -> Any:
    """Return polygons as pycocotools takes them, and an RLE as it is."""
    if isinstance(segmentation, list):
        return [points.tolist() if isinstance(points, np.ndarray) else points for points in segmentation]
    return segmentation
