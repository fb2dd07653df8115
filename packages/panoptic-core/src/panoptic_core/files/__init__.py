"""Reading and writing panoptic files: PNG, JSON, and COCO's run-length masks. Input and output only."""

from panoptic_core.files._atomic import atomic_path
from panoptic_core.files._errors import PanopticFileError
from panoptic_core.files.panoptic_json import (
    ImageAnnotation,
    PanopticJson,
    SegmentInfo,
    check_segments,
    read_panoptic_json,
)
from panoptic_core.files.png import MAX_ID, decode_panoptic_png, read_panoptic_png, write_panoptic_png
from panoptic_core.files.rle import (
    RLE,
    box_masks_to_rle,
    compress,
    encode_crop,
    rle_to_box_masks,
    segmentation_to_rle,
)
from panoptic_core.files.segmentation import count_listed_ids, read_segmentation
from panoptic_core.files.writer import PanopticWriter, boxes_and_areas, color_ids, make_annotation

__all__ = [
    "MAX_ID",
    "RLE",
    "ImageAnnotation",
    "PanopticFileError",
    "PanopticJson",
    "PanopticWriter",
    "SegmentInfo",
    "atomic_path",
    "box_masks_to_rle",
    "boxes_and_areas",
    "check_segments",
    "color_ids",
    "compress",
    "count_listed_ids",
    "decode_panoptic_png",
    "encode_crop",
    "make_annotation",
    "read_panoptic_json",
    "read_panoptic_png",
    "read_segmentation",
    "rle_to_box_masks",
    "segmentation_to_rle",
    "write_panoptic_png",
]
