"""Reading large photographs: exact sizes, the right content, and nothing below the size that is wanted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmcv.transforms import Compose, LoadImageFromFile
from mmdet.datasets.transforms import Resize
from PIL import Image

from panoptic_core.files import write_panoptic_png
from panoptic_data.transforms import (
    LoadPanoptic,
    LoadReducedImage,
    PackPanopticInputs,
    RandomScaledCrop,
    ResizeToTarget,
    SegmentTable,
)
from panoptic_data.transforms.reduced import find_reduction, sample_map

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Return a function that writes a smooth photograph: red grows to the right, green downwards."""

    def write(height: int, width: int, name: str = "a.jpg", **options: Any) -> Path:
        rows, columns = np.mgrid[:height, :width]
        red, green = 255 * columns / width, 255 * rows / height
        image = np.stack([red, green, np.full_like(red, 40)], axis=-1).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / name, **options)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("target", "factor"),
    [
        ((25, 34), 8),  # 200 / 8 = 25, 271 / 8 = 33.9, that is 34
        ((26, 34), 4),
        ((25, 35), 4),
        ((50, 68), 4),
        ((51, 68), 2),
        ((100, 136), 2),
        ((101, 136), 1),
        ((400, 500), 1),
    ],
)
def test_the_smallest_that_is_large_enough(save: Save, target: tuple[int, int], factor: int) -> None:
    assert find_reduction((200, 271), target) == factor
    load = LoadReducedImage(fit=target)
    load._draw = lambda size: target  # type: ignore[method-assign]
    results = load.transform({"img_path": str(save(200, 271))})
    assert results["img"].shape == (-(-200 // factor), -(-271 // factor), 3)
    assert results["reduced_by"] == factor
    assert results["ori_shape"] == (200, 271)
    assert results["img_shape"] == results["img"].shape[:2]
    assert results["target_shape"] == target
    height, width = results["img_shape"]
    assert results["scale_factor"] == (width / 271, height / 200)


@pytest.mark.parametrize("size", [(64, 96), (61, 99), (199, 301)])
def test_a_pixel_is_the_mean_of_its_block(save: Save, size: tuple[int, int]) -> None:
    path = save(*size, quality=100, subsampling=0)
    whole = cv2.imread(str(path)).astype(float)
    for factor in (2, 4, 8):
        target = (size[0] // factor, size[1] // factor)
        results = LoadReducedImage(fit=target).transform({"img_path": str(path)})
        assert results["reduced_by"] == factor
        rows, columns = target  # blocks that are not cut
        blocks = whole[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, 3)
        assert np.abs(blocks.mean(axis=(1, 3)) - results["img"][:rows, :columns]).max() < 3


def test_a_jpeg_with_several_pictures(tmp_path: Path) -> None:
    first, second = (Image.fromarray(np.full((64, 96, 3), shade, dtype=np.uint8)) for shade in (60, 200))
    first.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[second])
    results = LoadReducedImage(fit=(8, 12)).transform({"img_path": str(tmp_path / "phone.jpg")})
    assert results["reduced_by"] == 8
    assert np.abs(results["img"].astype(int) - 60).max() <= 1


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_other_formats_are_read_whole(save: Save, name: str) -> None:
    path = save(80, 120, name)
    results = LoadReducedImage(fit=(10, 15)).transform({"img_path": str(path)})
    assert results["reduced_by"] == 1
    assert np.array_equal(results["img"], cv2.imread(str(path)))
    assert ResizeToTarget().transform(results)["img"].shape == (10, 15, 3)


@pytest.mark.parametrize(("color_type", "turned"), [("color", True), ("color_ignore_orientation", False)])
def test_rotation_tag(save: Save, color_type: Any, *, turned: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    path = save(80, 120, exif=exif)
    stock = LoadImageFromFile(color_type=color_type)({"img_path": str(path)})
    assert stock is not None
    results = LoadReducedImage(fit=(20, 20), color_type=color_type).transform({"img_path": str(path)})
    assert results["ori_shape"] == stock["ori_shape"] == ((120, 80) if turned else (80, 120))
    assert results["reduced_by"] == 4
    assert results["img"].shape == ((30, 20, 3) if turned else (20, 30, 3))
    small = cv2.resize(stock["img"], results["img"].shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - results["img"]).max() < 12


def test_grey_photographs_have_three_channels(tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64), 70, dtype=np.uint8)).save(tmp_path / "grey.jpg")
    results = LoadReducedImage(fit=(8, 8)).transform({"img_path": str(tmp_path / "grey.jpg")})
    assert results["img"].tolist() == [[[70, 70, 70]] * 8] * 8


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (150, 700), (37, 41)])
@pytest.mark.parametrize("edges", [(250, 80), (1000, 200)])
def test_sizes_are_those_of_resize(save: Save, size: tuple[int, int], edges: tuple[int, int]) -> None:
    path = str(save(*size))
    stock = Compose([LoadImageFromFile(), Resize(scale=edges, keep_ratio=True)])({"img_path": path})
    assert stock is not None
    ours = Compose([LoadReducedImage(edges=edges), ResizeToTarget()])({"img_path": path})
    assert ours is not None
    assert ours["img"].shape == stock["img"].shape
    assert ours["img_shape"] == stock["img_shape"]
    assert ours["ori_shape"] == stock["ori_shape"]
    assert ours["scale_factor"] == pytest.approx(stock["scale_factor"], rel=1e-6)


def test_both_sides_are_drawn_between(save: Save) -> None:
    np.random.seed(0)  # noqa: NPY002
    load = LoadReducedImage(edges=[(250, 80), (250, 140)])
    path = str(save(300, 400))
    drawn = {load.transform({"img_path": path})["target_shape"] for _ in range(60)}
    shorts = sorted(short for short, _ in drawn)
    assert (shorts[0] < 86, shorts[-1] > 134) == (True, True)
    assert all(80 <= short <= 140 and long == int(short * 4 / 3 + 0.5) for short, long in drawn)


def test_factors_of_a_fit(save: Save) -> None:
    np.random.seed(0)  # noqa: NPY002
    load = LoadReducedImage(fit=(100, 100), factor_range=(0.5, 2.0))
    path = str(save(300, 400))
    drawn = [load.transform({"img_path": path}) for _ in range(60)]
    longs = sorted(one["target_shape"][1] for one in drawn)
    assert 50 <= longs[0] < 60 < 190 < longs[-1] <= 200
    assert {one["reduced_by"] for one in drawn} == {2, 4}
    for one in drawn:
        assert all(have >= want for have, want in zip(one["img_shape"], one["target_shape"], strict=True))


def test_an_image_in_memory_gets_a_target_alone() -> None:
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    results = LoadReducedImage(fit=(30, 30)).transform({"img": image, "img_path": None})
    assert results["img"] is image
    assert (results["target_shape"], results["ori_shape"]) == ((23, 30), (60, 80))  # 22.5 is rounded up


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (5, 3), (1, 1), (2, 17)])
@pytest.mark.parametrize("every", [1, 2, 4, 8])
def test_the_middle_of_every_block(size: tuple[int, int], every: int) -> None:
    label_map = np.arange(size[0] * size[1]).reshape(size)
    rows = [min(i * every + every // 2, size[0] - 1) for i in range(-(-size[0] // every))]
    columns = [min(i * every + every // 2, size[1] - 1) for i in range(-(-size[1] // every))]
    expected = [[label_map[row, column] for column in columns] for row in rows]
    assert sample_map(label_map, every).tolist() == (label_map.tolist() if every == 1 else expected)
    layers = np.stack([label_map, -label_map], axis=-1)
    assert np.array_equal(sample_map(layers, every)[..., 1], -sample_map(label_map, every))


def annotated(path: Path, size: tuple[int, int], **extra: Any) -> dict[str, Any]:
    """Write a map of four quarters, of which one is void, for an image."""
    id_map = np.zeros(size, dtype=np.int32)
    middle = size[0] // 2, size[1] // 2
    id_map[: middle[0], : middle[1]] = 3
    id_map[: middle[0], middle[1] :] = 700
    id_map[middle[0] :, : middle[1]] = 70_000
    write_panoptic_png(path.with_name("map.png"), id_map)
    return {
        "img_path": str(path),
        "seg_map_path": str(path.with_name("map.png")),
        "seg_format": "coco",
        "segments": SegmentTable.from_columns([3, 700, 70_000], [0, 1, 2], [0, 0, 0], num_things=2),
        **extra,
    }


TRAIN = [LoadPanoptic(at_image_size=True), ResizeToTarget(), PackPanopticInputs()]


@pytest.mark.parametrize("size", [(160, 240), (163, 245)])
def test_map_and_image_go_together_in_training(save: Save, size: tuple[int, int]) -> None:
    packed = Compose([LoadReducedImage(fit=(20, 30)), *TRAIN])(annotated(save(*size), size))
    assert packed is not None
    sample = packed["data_samples"]
    assert packed["inputs"].shape[1:] == sample.gt_panoptic.shape
    assert sample.gt_panoptic.ids.tolist() == [3, 700, 70_000]
    labels = sample.gt_sem_seg.sem_seg[0].numpy()
    red, green = packed["inputs"][2].numpy(), packed["inputs"][1].numpy()  # BGR
    sure = (np.abs(red - 127.5) > 8) & (np.abs(green - 127.5) > 8)
    right, below = red > 127.5, green > 127.5
    expected = np.select([right & below, below, right], [255, 2, 1], 0)
    assert sure.mean() > 0.8
    assert np.array_equal(labels[sure], expected[sure])


def test_instances_of_a_file_are_reduced_alike(save: Save) -> None:
    size = (160, 240)
    polygon = [0.0, 0.0, 160.0, 0.0, 160.0, 80.0, 0.0, 80.0]
    rows = [{"id": 3, "label": 0, "iscrowd": False, "segmentation": [polygon]}]
    results = annotated(save(*size), size, annotations=rows)
    packed = Compose([LoadReducedImage(fit=(20, 30)), *TRAIN])(results)
    assert packed is not None
    instances = packed["data_samples"].gt_instances
    assert instances.bboxes.tolist() == [[0, 0, 20, 10]]
    assert instances.segment_ids.tolist() == [3]


def test_the_truth_keeps_its_size_in_testing(save: Save) -> None:
    size = (160, 240)
    pipeline = [
        LoadReducedImage(fit=(20, 30)),
        ResizeToTarget(),
        LoadPanoptic(),
        PackPanopticInputs(test_mode=True),
    ]
    packed = Compose(pipeline)(annotated(save(*size), size))
    assert packed is not None
    sample = packed["data_samples"]
    assert packed["inputs"].shape[1:] == (20, 30)
    assert sample.gt_panoptic.shape == sample.ori_shape == size
    assert sample.scale_factor == (1 / 8, 1 / 8)


def test_crops_of_the_drawn_size(save: Save) -> None:
    size = (160, 240)
    pipeline = [
        LoadReducedImage(fit=(60, 60), factor_range=(0.5, 2.0)),
        LoadPanoptic(at_image_size=True),
        RandomScaledCrop((33, 33), scale_range=None),
        PackPanopticInputs(),
    ]
    for seed in range(20):
        np.random.seed(seed)  # noqa: NPY002
        packed = Compose(pipeline)(annotated(save(*size), size))
        assert packed is not None
        assert packed["inputs"].shape == (3, 33, 33)
        assert packed["data_samples"].gt_panoptic.shape == (33, 33)


def test_a_forgotten_option_is_an_error(save: Save) -> None:
    size = (160, 240)
    pipeline = [LoadReducedImage(fit=(20, 30)), LoadPanoptic(), PackPanopticInputs()]
    with pytest.raises(ValueError, match=r"after LoadReducedImage: LoadPanoptic\(at_image_size=True\)"):
        Compose(pipeline)(annotated(save(*size), size))


@pytest.mark.parametrize("step", [ResizeToTarget(), RandomScaledCrop((8, 8), scale_range=None)])
def test_a_size_has_to_be_drawn(step: Any) -> None:
    with pytest.raises(ValueError, match=r"`target_shape` .* comes after LoadReducedImage"):
        step.transform({"img": np.zeros((8, 8, 3), dtype=np.uint8), "ori_shape": (8, 8)})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, r"one of `edges` and `fit`, got edges=None and fit=None"),
        ({"edges": (9, 9), "fit": (9, 9)}, r"Leave one out"),
        ({"edges": (800, 1333)}, r"`edges` to be \(long, short\)"),
        ({"edges": (0, 0)}, r"`edges` .* of at least 1 pixel, got \(0, 0\)"),
        ({"fit": (0, 5)}, r"`fit` .* got \(0, 5\)"),
        ({"fit": (5, 5), "factor_range": (2.0, 0.5)}, r"`factor_range` .* got \(2\.0, 0\.5\)"),
        ({"fit": (5, 5), "color_type": "grey"}, r"`color_type` .* got 'grey'"),
    ],
)
def test_options(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        LoadReducedImage(**options)


def test_crop_options() -> None:
    with pytest.raises(ValueError, match=r"no `fit` where LoadReducedImage draws"):
        RandomScaledCrop((8, 8), scale_range=None, fit=(9, 9))


def test_broken_files_are_named(tmp_path: Path, save: Save) -> None:
    (tmp_path / "no.jpg").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"image at .*no\.jpg, got 4 bytes that are none"):
        LoadReducedImage(fit=(8, 8)).transform({"img_path": str(tmp_path / "no.jpg")})
    data = save(80, 120).read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[:330])
    with pytest.raises(ValueError, match=r"at .*half\.jpg"):
        LoadReducedImage(fit=(8, 8)).transform({"img_path": str(tmp_path / "half.jpg")})
