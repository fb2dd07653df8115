"""COCO AP: by hand, against pycocotools fed from JSON, and the empty cases that crash it."""

import contextlib
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from panoptic_core.files import box_masks_to_rle
from panoptic_core.metrics import Detections, GroundTruth, coco_ap
from panoptic_core.testing import tiny_scene
from panoptic_fusion import BoxMasks

SIZE = (120, 160)


def rles(boxes: np.ndarray) -> list[Any]:
    """Masks that fill their boxes, except for the lower right corner."""
    crops = []
    for x0, y0, x1, y1 in boxes.astype(int).tolist():
        crop = torch.ones(y1 - y0, x1 - x0, dtype=torch.bool)
        crop[crop.shape[0] * 2 // 3 :, crop.shape[1] // 2 :] = False
        crops.append(crop)
    return box_masks_to_rle(BoxMasks.from_crops(crops, torch.from_numpy(boxes.astype(int))), SIZE)  # type: ignore[return-value]


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    low = np.stack([rng.integers(0, 100, count), rng.integers(0, 60, count)], axis=1)
    return np.concatenate([low, low + rng.integers(4, 60, (count, 2))], axis=1).astype(float)


def random_images(seed: int) -> tuple[list[Detections], list[GroundTruth]]:
    rng = np.random.default_rng(seed)
    found, truth = [], []
    for _ in range(6):
        n = int(rng.integers(0, 8))
        boxes, labels = random_boxes(rng, n), rng.integers(0, 3, n)
        truth.append(GroundTruth(labels, boxes, rles(boxes), rng.random(n) < 0.15))
        moved = np.concatenate([boxes + rng.integers(0, 4, boxes.shape), random_boxes(rng, 2)])
        found_labels = np.append(np.where(rng.random(n) < 0.9, labels, 0), [0, 1])
        found.append(Detections(found_labels, rng.random(n + 2), moved, rles(moved)))
    return found, truth


def test_two_classes_by_hand() -> None:
    # car: found exactly: AP 100. dog: the box covers 60 of 100 pixels, IoU 0.6: a match for the IoU
    # thresholds
    # 0.50, 0.55 and 0.60, so 3 of 10: AP 30. AP = 65, AP50 = 100, AP75 = 50. All areas are small (100 <
    # 32^2).
    truth = GroundTruth([0, 1], [[0, 0, 10, 10], [20, 20, 30, 30]])
    found = Detections([0, 1], [0.9, 0.8], [[0, 0, 10, 10], [20, 20, 26, 30]])
    result = coco_ap([found], [truth], ["car", "dog"], kinds=["box"])["box"]
    assert result.per_class == {"car": pytest.approx(100), "dog": pytest.approx(30)}
    assert (result.ap, result.ap50, result.ap75) == tuple(map(pytest.approx, (65, 100, 50)))
    assert result.ap_small == pytest.approx(65)
    assert math.isnan(result.ap_medium)
    assert math.isnan(result.ap_large)


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_pycocotools_from_files(seed: int, tmp_path: Path) -> None:
    found, truth = random_images(seed)
    ours = coco_ap(found, truth, ["a", "b", "c"])

    def rows(images: list[Any]) -> list[dict[str, Any]]:
        out = []
        for i, image in enumerate(images):
            for j, (label, box) in enumerate(zip(image.labels.tolist(), image.boxes.tolist(), strict=True)):
                mask = image.masks[j]
                rle = {"size": mask["size"], "counts": mask["counts"].decode()}
                box = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
                out.append({"image_id": i, "category_id": label, "bbox": box, "segmentation": rle})
                if isinstance(image, GroundTruth):
                    from pycocotools import mask as coco_mask

                    out[-1] |= {
                        "iscrowd": int(image.iscrowd[j]),
                        "area": float(coco_mask.area(mask)),
                        "id": len(out),
                    }
                else:
                    out[-1]["score"] = float(image.scores[j])
        return out

    with contextlib.redirect_stdout(io.StringIO()):
        categories = [{"id": i} for i in range(3)]
        images = [{"id": i, "height": SIZE[0], "width": SIZE[1]} for i in range(6)]
        content = {"images": images, "annotations": rows(truth), "categories": categories}
        (tmp_path / "gt.json").write_text(json.dumps(content))
        coco = COCO(str(tmp_path / "gt.json"))
        for kind, iou_type in (("box", "bbox"), ("mask", "segm")):
            detections = rows(found)
            if kind == "mask":
                detections = [{k: v for k, v in row.items() if k != "bbox"} for row in detections]
            evaluation = COCOeval(coco, coco.loadRes(detections), iou_type)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            result = ours[kind]  # type: ignore[index]
            values = (result.ap, result.ap50, result.ap75, result.ap_small, result.ap_medium, result.ap_large)
            expected = np.where(evaluation.stats[:6] < 0, np.nan, 100 * evaluation.stats[:6])
            np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_truth_against_itself_is_perfect() -> None:
    scene = tiny_scene()
    seg = scene.segmentation
    full = torch.stack([seg.mask(int(one)) for one in seg.ids[seg.is_thing]])
    masks = BoxMasks.from_full(full)
    labels, boxes = seg.labels[seg.is_thing].numpy(), masks.boxes.numpy()
    truth = GroundTruth(labels, boxes, box_masks_to_rle(masks, seg.shape), seg.iscrowd[seg.is_thing].numpy())
    found = Detections(labels, np.ones(len(labels)), boxes, truth.masks)
    result = coco_ap([found], [truth], scene.table)
    for kind in ("box", "mask"):
        assert result[kind].per_class == {"person": pytest.approx(100), "car": pytest.approx(100)}  # type: ignore[index]


NO_FOUND = Detections([], [], [], [])
NO_TRUTH = GroundTruth([], [], [], [])
CAR = GroundTruth([0], [[0, 0, 10, 10]], rles(np.array([[0, 0, 10, 10]])))
FOUND_CAR = Detections([0], [0.5], [[0, 0, 10, 10]], CAR.masks)


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [
        ([NO_FOUND], [CAR], 0.0),
        ([FOUND_CAR], [NO_TRUTH], math.nan),
        ([NO_FOUND], [NO_TRUTH], math.nan),
        ([], [], math.nan),
        ([FOUND_CAR, NO_FOUND], [CAR, NO_TRUTH], 100.0),
        ([FOUND_CAR], [GroundTruth([0], [[0, 0, 10, 10]], CAR.masks, [True])], math.nan),
    ],
    ids=["no detection", "no truth", "nothing", "no image", "an empty image", "only a crowd"],
)
def test_empty_cases(found: list[Detections], truth: list[GroundTruth], expected: float, capsys: Any) -> None:
    for result in coco_ap(found, truth, ["car", "dog"]).values():
        assert result.ap == pytest.approx(expected, nan_ok=True)
        assert result.per_class["car"] == pytest.approx(expected, nan_ok=True)
        assert math.isnan(result.per_class["dog"])
        assert set(result.to_dict()) == {
            "ap",
            "ap50",
            "ap75",
            "ap_small",
            "ap_medium",
            "ap_large",
            "per_class",
        }
    assert capsys.readouterr().out == ""


def test_no_thing_classes() -> None:
    assert math.isnan(coco_ap([NO_FOUND], [NO_TRUTH], [])["mask"].ap)


def test_only_the_best_detections_count() -> None:
    # The right box has the lower of two scores: with one detection an image it is cut off.
    found = Detections([0, 0], [0.9, 0.5], [[50, 50, 60, 60], [0, 0, 10, 10]])
    truth = GroundTruth([0], [[0, 0, 10, 10]])
    assert coco_ap([found], [truth], ["car"], kinds=["box"], max_detections=1)["box"].ap == 0
    assert coco_ap([found], [truth], ["car"], kinds=["box"])["box"].ap == pytest.approx(50)


def test_given_areas_sort_into_sizes() -> None:
    found = Detections([0], [0.9], [[0, 0, 10, 10]])
    truth = GroundTruth([0], [[0, 0, 10, 10]], areas=[5000])
    result = coco_ap([found], [truth], ["car"], kinds=["box"])["box"]
    assert math.isnan(result.ap_small)
    assert result.ap_medium == pytest.approx(100)


@pytest.mark.parametrize(
    ("found", "truth", "message"),
    [
        ([], [CAR], "as many images in both lists, got 0 and 1"),
        (
            [Detections([0], [0.5], [[0, 0, 1, 1]], [])],
            [CAR],
            "expected 1 `masks`, one for each label, got 0",
        ),
        (
            [Detections([2], [0.5], [[0, 0, 1, 1]], CAR.masks)],
            [CAR],
            r"thing labels in \[0, 2\), got values in \[2, 2\]",
        ),
        ([Detections([0], [], [[0, 0, 1, 1]], CAR.masks)], [CAR], "Image 0, detections: expected 1 `scores`"),
        ([FOUND_CAR], [GroundTruth([0, 0], [[0, 0, 1, 1]])], "Image 0, ground truth: expected 2 `boxes`"),
        ([FOUND_CAR], [GroundTruth([0], [[0, 0, 1, 1]])], "expected `masks` for mask AP"),
        ([FOUND_CAR], [GroundTruth([0], [[0, 0, 1, 1]], CAR.masks, [])], "expected 1 `iscrowd`"),
    ],
    ids=["images", "masks", "stuff", "scores", "boxes", "no masks", "crowds"],
)
def test_errors_name_the_image(found: list[Detections], truth: list[GroundTruth], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coco_ap(found, truth, ["car", "dog"], kinds=["mask"])
    with pytest.raises(ValueError, match="`kinds` of 'box' and 'mask', got 'keypoints'"):
        coco_ap([FOUND_CAR], [CAR], ["car"], kinds=["keypoints"])  # type: ignore[list-item]
