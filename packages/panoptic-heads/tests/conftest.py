"""A tiny panoptic model and tiny samples, without any data set."""

import panoptic_heads  # noqa: F401 - before mmdet: it makes the operators available

# isort: split
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from panoptic_fusion import PanopticSegmentation

NUM_THINGS, NUM_STUFF = 2, 3
Batch = dict[str, Any]


def _head(num_classes: int) -> dict[str, Any]:
    extractor = {
        "type": "SingleRoIExtractor",
        "out_channels": 16,
        "featmap_strides": [4, 8, 16, 32],
    }
    return {
        "type": "panoptic_heads.PanopticRoIHead",
        "bbox_roi_extractor": {
            **extractor,
            "roi_layer": {"type": "RoIAlign", "output_size": 3, "sampling_ratio": 1},
        },
        "bbox_head": {
            "type": "Shared2FCBBoxHead",
            "in_channels": 16,
            "fc_out_channels": 16,
            "roi_feat_size": 3,
            "num_classes": num_classes,
        },
        "mask_roi_extractor": {
            **extractor,
            "roi_layer": {"type": "RoIAlign", "output_size": 4, "sampling_ratio": 1},
        },
        "mask_head": {
            "type": "FCNMaskHead",
            "num_convs": 1,
            "in_channels": 16,
            "conv_out_channels": 16,
            "num_classes": num_classes,
            "loss_mask": {"type": "CrossEntropyLoss", "use_mask": True},
        },
    }


@pytest.fixture
def model_config() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a string config of a tiny model; keywords replace its entries."""

    def make(**changes: Any) -> dict[str, Any]:
        assigner = {"type": "MaxIoUAssigner", "pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "min_pos_iou": 0.5}
        sampler = {"type": "RandomSampler", "num": 16, "pos_fraction": 0.5}
        proposals = {
            "nms_pre": 50,
            "max_per_img": 10,
            "nms": {"type": "nms", "iou_threshold": 0.7},
            "min_bbox_size": 0,
        }
        config = {
            "type": "panoptic_heads.PanopticTwoStageDetector",
            "data_preprocessor": {
                "type": "DetDataPreprocessor",
                "mean": [127.0] * 3,
                "std": [64.0] * 3,
                "pad_mask": False,
                "pad_seg": True,
                "seg_pad_value": 255,
                "pad_size_divisor": 32,
            },
            "backbone": {"type": "ResNet", "depth": 18, "base_channels": 8, "norm_cfg": {"type": "BN"}},
            "neck": {
                "type": "FPN",
                "in_channels": [8, 16, 32, 64],
                "out_channels": 16,
                "num_outs": 6,
                "add_extra_convs": "on_output",
                "relu_before_extra_convs": True,
            },
            "rpn_head": {
                "type": "RPNHead",
                "in_channels": 16,
                "feat_channels": 16,
                "anchor_generator": {
                    "type": "AnchorGenerator",
                    "scales": [4],
                    "ratios": [1.0, 2.0],
                    "strides": [4, 8, 16, 32, 64, 128],
                },
            },
            "roi_head": _head(NUM_THINGS),
            "semantic_head": {
                "type": "panoptic_heads.ConcatSemanticHead",
                "num_things_classes": NUM_THINGS,
                "num_stuff_classes": NUM_STUFF,
                "in_channels": 16,
                "feat_channels": 16,
                "num_groups": 4,
            },
            "panoptic_fusion_head": {"type": "panoptic_heads.ConfidenceFusion", "stuff_area_limit": 4},
            "train_cfg": {
                "rpn": {
                    "assigner": {**assigner, "pos_iou_thr": 0.7, "neg_iou_thr": 0.3, "min_pos_iou": 0.3},
                    "sampler": {**sampler, "add_gt_as_proposals": False},
                    "allowed_border": -1,
                    "pos_weight": -1,
                    "debug": False,
                },
                "rpn_proposal": proposals,
                "rcnn": {
                    "assigner": assigner,
                    "sampler": {**sampler, "add_gt_as_proposals": True},
                    "mask_size": 8,
                    "pos_weight": -1,
                    "debug": False,
                },
            },
            "test_cfg": {
                "rpn": proposals,
                "rcnn": {
                    "score_thr": 0.05,
                    "nms": {"type": "nms", "iou_threshold": 0.5},
                    "max_per_img": 100,
                    "mask_thr_binary": 0.5,
                },
            },
        }
        return {**config, **changes}

    return make


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """Return a function that makes a batch of random images with training samples.

    Images without things, without annotation, with a crowd: what they hold is given by ``kinds``.
    """

    def make(*kinds: str, size: tuple[int, int] = (64, 96), seed: int = 0) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        images = [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for _ in kinds]
        return {"inputs": images, "data_samples": [_sample(kind, size) for kind in kinds]}

    return make


def _sample(kind: str, size: tuple[int, int]) -> DetDataSample:
    height, width = size
    labels = torch.full(size, NUM_THINGS)  # stuff everywhere
    labels[: height // 2] = NUM_THINGS + 1
    ids = labels.clone() + 1
    masks: list[Tensor] = []
    thing_labels: list[int] = []
    crowd = torch.zeros(0, 4)
    if kind == "things":
        for label, (x0, y0, x1, y1) in [(0, (8, 8, 40, 40)), (1, (50, 20, 80, 60))]:
            mask = torch.zeros(size, dtype=torch.bool)
            mask[y0:y1, x0:x1] = True
            masks.append(mask)
            thing_labels.append(label)
            labels[mask], ids[mask] = label, 100 + label
    if kind == "crowd":
        labels[10:30, 10:40], ids[10:30, 10:40] = 0, 200
        crowd = torch.tensor([[10.0, 10.0, 40.0, 30.0]])
    if kind == "void":
        labels[:], ids[:] = 255, 0
    sample = DetDataSample(
        metainfo={"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0), "img_id": kind}
    )
    boxes = [[*(m.nonzero().amin(0).flip(0)), *(m.nonzero().amax(0).flip(0) + 1)] for m in masks]
    bitmaps = (
        np.stack([m.numpy() for m in masks]).astype(np.uint8) if masks else np.zeros((0, *size), np.uint8)
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(thing_labels, dtype=torch.int64),
        masks=BitmapMasks(bitmaps, height, width),
        segment_ids=torch.tensor([100 + label for label in thing_labels], dtype=torch.int64),
    )
    sample.ignored_instances = InstanceData(bboxes=crowd, labels=torch.zeros(len(crowd), dtype=torch.int64))
    sample.gt_sem_seg = PixelData(sem_seg=labels[None])
    present = [i for i in ids.unique().tolist() if i]
    label_of = [int(labels[ids == i][0]) for i in present]
    sample.gt_panoptic = PanopticSegmentation.from_id_map(
        ids, present, label_of, [x < NUM_THINGS for x in label_of], iscrowd=[i == 200 for i in present]
    )
    return sample
