import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import RandomFlip, Resize
from mmengine.registry import DATASETS as ENGINE_DATASETS
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader

from panoptic_core.categories import ADE20K, CITYSCAPES, COCO_PANOPTIC, VISTAS, CategoryTable
from panoptic_data.datasets import CocoPanoptic
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs

WriteCoco = Callable[..., Path]

# 4x4: car 900 (category 3), crowd of persons 7 (category 1), sky 8 (category 2), void 0.
ID_MAP = np.array([[8, 8, 8, 8], [8, 900, 900, 8], [7, 900, 900, 0], [7, 7, 0, 0]])
SEGMENTS = [
    {"id": 8, "category_id": 2},
    {"id": 900, "category_id": 3, "iscrowd": 0},
    {"id": 7, "category_id": 1, "iscrowd": 1},
]
STUFF_ONLY = (np.full((4, 4), 8), SEGMENTS[:1])
TRAIN = [{"type": LoadImageFromFile}, {"type": LoadPanoptic}, {"type": PackPanopticInputs}]


def make(root: Path, table: CategoryTable | str, **extra: Any) -> CocoPanoptic:
    settings = {"ann_file": "panoptic.json", "data_prefix": {"img": "images"}, "table": table} | extra
    return CocoPanoptic(str(root), **settings)


def test_four_by_four_by_hand(write_coco: WriteCoco, table: CategoryTable) -> None:
    dataset = make(write_coco([(ID_MAP, SEGMENTS), STUFF_ONLY]), table, pipeline=TRAIN)
    assert len(dataset) == 2  # the image without things stays
    assert dataset.metainfo == table.to_metainfo()
    sample = dataset[0]["data_samples"]
    # Labels follow the table (car 0, person 1, sky 2), not the JSON, which lists sky first.
    assert sample.gt_sem_seg.sem_seg[0].tolist() == [
        [2, 2, 2, 2],
        [2, 0, 0, 2],
        [1, 0, 0, 255],
        [1, 1, 255, 255],
    ]
    assert sample.gt_instances.bboxes.tolist() == [[1, 1, 3, 3]]
    assert sample.gt_instances.labels.tolist() == [0]
    assert sample.ignored_instances.bboxes.tolist() == [[0, 2, 2, 4]]
    assert sample.gt_panoptic.ids.tolist() == [8, 900, 7]
    assert sample.gt_panoptic.iscrowd.tolist() == [False, False, True]
    assert sample.img_id == 10
    assert sample.file_name == "0.png"
    assert dataset.get_cat_ids(1) == [2]
    empty = dataset[1]["data_samples"]
    assert len(empty.gt_instances) == 0


def test_instance_file_brings_overlapping_masks(write_coco: WriteCoco, table: CategoryTable) -> None:
    car = {"id": 900, "image_id": 10, "category_id": 3, "segmentation": [[1, 0, 3, 0, 3, 4, 1, 4]]}
    other = {**car, "id": 901, "image_id": 99}
    root = write_coco([(ID_MAP, SEGMENTS), STUFF_ONLY], instances=[car, other])
    dataset = make(root, table, pipeline=TRAIN, instances_file="instances.json")
    instances = dataset[0]["data_samples"].gt_instances
    assert instances.bboxes.tolist() == [[1, 0, 3, 4]]
    assert instances.segment_ids.tolist() == [900]
    assert len(dataset[1]["data_samples"].gt_instances) == 0


def test_missing_instance_file(write_coco: WriteCoco, table: CategoryTable) -> None:
    root = write_coco([(ID_MAP, SEGMENTS)])
    dataset = make(root, table, pipeline=TRAIN, instances_file="instances.json")
    assert dataset[0]["data_samples"].gt_instances.bboxes.tolist() == [[1, 1, 3, 3]]
    with pytest.raises(
        FileNotFoundError, match=r"instance annotations at .*instances\.json, .*Set instances_file"
    ):
        make(root, table, instances_file="instances.json", require_instances=True)


def test_table_from_json_puts_things_first(write_coco: WriteCoco) -> None:
    dataset = make(write_coco([(ID_MAP, SEGMENTS)]), "json", pipeline=TRAIN)
    assert dataset.metainfo["classes"] == ("person", "car", "sky")  # the JSON lists sky, person, car
    assert dataset.metainfo["num_things"] == 2
    assert dataset[0]["data_samples"].gt_instances.labels.tolist() == [1]


def test_named_tables() -> None:
    assert CocoPanoptic(lazy_init=True).table is COCO_PANOPTIC
    assert CocoPanoptic(table="cityscapes", lazy_init=True).table is CITYSCAPES
    assert CocoPanoptic(table="vistas", lazy_init=True).table is VISTAS
    assert CocoPanoptic(table="ade20k", lazy_init=True).table is ADE20K
    names = "coco, cityscapes, vistas, ade20k, json"
    with pytest.raises(ValueError, match=rf"`table` to be one of {names}, or .*, got 'kitti'"):
        CocoPanoptic(table="kitti", lazy_init=True)


def test_built_by_name_from_another_scope(write_coco: WriteCoco) -> None:
    root = write_coco([(ID_MAP, SEGMENTS)])
    dataset = ENGINE_DATASETS.build(
        {
            "type": "panoptic_data.CocoPanoptic",
            "data_root": str(root),
            "ann_file": "panoptic.json",
            "data_prefix": {"img": "images"},
            "table": "json",
            "pipeline": [{"type": "LoadImageFromFile"}, {"type": "panoptic_data.LoadPanoptic"}],
        }
    )
    assert dataset[0]["gt_seg_map"].shape == (4, 4)


@pytest.mark.parametrize(
    ("filter_cfg", "count"), [(None, 2), ({"require_things": True}, 1), ({"min_size": 4}, 2)], ids=str
)
def test_filters(write_coco: WriteCoco, table: CategoryTable, filter_cfg: dict | None, count: int) -> None:
    root = write_coco([(ID_MAP, SEGMENTS), STUFF_ONLY])
    assert len(make(root, table, filter_cfg=filter_cfg)) == count
    assert len(make(root, table, filter_cfg=filter_cfg, test_mode=True)) == 2


def test_filters_that_leave_nothing_or_are_unknown(write_coco: WriteCoco, table: CategoryTable) -> None:
    root = write_coco([STUFF_ONLY])
    with pytest.raises(
        ValueError, match=r"images in CocoPanoptic at .*panoptic\.json, got none of 1 after filter_cfg"
    ):
        make(root, table, filter_cfg={"min_size": 5})
    with pytest.raises(
        ValueError, match=r"`filter_cfg` to have the keys min_size, require_things, got filter_empty_gt"
    ):
        make(root, table, filter_cfg={"filter_empty_gt": True})


@pytest.mark.parametrize(("indices", "ids"), [(1, [10]), (-1, [11]), ([1, 0], [11, 10])], ids=str)
def test_indices(write_coco: WriteCoco, table: CategoryTable, indices: Any, ids: list[int]) -> None:
    dataset = make(write_coco([(ID_MAP, SEGMENTS), STUFF_ONLY]), table, indices=indices)
    assert [dataset.get_data_info(i)["img_id"] for i in range(len(dataset))] == ids


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_any_photograph_mode(write_coco: WriteCoco, table: CategoryTable, mode: str) -> None:
    root = write_coco([(ID_MAP, SEGMENTS)])
    Image.new(mode, (4, 4)).save(root / "images" / "0.png")
    assert make(root, table, pipeline=TRAIN)[0]["inputs"].shape == (3, 4, 4)


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_workers_give_the_same(write_coco: WriteCoco, table: CategoryTable, workers: int) -> None:
    dataset = make(write_coco([(ID_MAP, SEGMENTS), STUFF_ONLY] * 3), table, pipeline=TRAIN)
    copy = pickle.loads(pickle.dumps(dataset))
    loader = DataLoader(copy, batch_size=2, num_workers=workers, collate_fn=list)
    samples = [sample for batch in loader for sample in batch]
    assert len(samples) == 6
    for i, sample in enumerate(samples):
        direct = dataset[i]
        assert torch.equal(sample["inputs"], direct["inputs"])
        ours, theirs = sample["data_samples"], direct["data_samples"]
        assert torch.equal(ours.gt_panoptic.id_map, theirs.gt_panoptic.id_map)
        assert (ours.gt_instances.masks.masks == theirs.gt_instances.masks.masks).all()


def test_sample_moves_to_a_device_as_the_preprocessor_does(
    write_coco: WriteCoco, table: CategoryTable
) -> None:
    dataset = make(write_coco([(ID_MAP, SEGMENTS)]), table, pipeline=TRAIN)
    sample = dataset[0]["data_samples"].to("cpu", non_blocking=True)
    assert sample.gt_panoptic.device == torch.device("cpu")


def test_test_pipeline_keeps_the_annotation_size(write_coco: WriteCoco, table: CategoryTable) -> None:
    pipeline = [
        {"type": LoadImageFromFile},
        {"type": Resize, "scale": (9, 9), "keep_ratio": True},
        {"type": LoadPanoptic},
        {"type": PackPanopticInputs, "test_mode": True},
    ]
    packed = make(write_coco([(ID_MAP, SEGMENTS)]), table, pipeline=pipeline, test_mode=True)[0]
    sample = packed["data_samples"]
    assert packed["inputs"].shape == (3, 9, 9)
    assert sample.gt_panoptic.id_map.tolist() == ID_MAP.tolist()
    assert sample.gt_instances.iscrowd.tolist() == [False, True]
    assert sample.img_shape == (9, 9)
    assert sample.ori_shape == (4, 4)


def test_flip_moves_image_and_truth(write_coco: WriteCoco, table: CategoryTable) -> None:
    pipeline = [*TRAIN[:2], {"type": RandomFlip, "prob": 1.0}, TRAIN[2]]
    packed = make(write_coco([(ID_MAP, SEGMENTS)]), table, pipeline=pipeline)[0]
    assert packed["inputs"][0, 0].tolist() == [3, 2, 1, 0]
    assert packed["data_samples"].gt_panoptic.id_map.tolist() == ID_MAP[:, ::-1].tolist()


def test_cityscapes_scripts_output(tmp_path: Path) -> None:
    # csCreatePanopticImgs: a stray _gtFine in the image's name, no city folder, string ids.
    (tmp_path / "leftImg8bit/val/aachen").mkdir(parents=True)
    maps = tmp_path / "gtFine/cityscapes_panoptic_val"
    maps.mkdir(parents=True)
    Image.new("RGB", (2, 1)).save(tmp_path / "leftImg8bit/val/aachen/aachen_000000_000019_leftImg8bit.png")
    Image.fromarray(np.array([[[7, 0, 0], [144, 101, 0]]], dtype=np.uint8)).save(
        maps / "aachen_000000_000019_gtFine_panoptic.png"
    )
    content = {
        "images": [
            {
                "id": "aachen_000000_000019",
                "width": 2,
                "height": 1,
                "file_name": "aachen_000000_000019_gtFine_leftImg8bit.png",
            }
        ],
        "annotations": [
            {
                "image_id": "aachen_000000_000019",
                "file_name": "aachen_000000_000019_gtFine_panoptic.png",
                "segments_info": [
                    {"id": 7, "category_id": 7, "iscrowd": 0},
                    {"id": 26000, "category_id": 26, "iscrowd": 0},
                ],
            }
        ],
        "categories": CITYSCAPES.to_json(),
    }
    (tmp_path / "gtFine/cityscapes_panoptic_val.json").write_text(json.dumps(content))
    dataset = CocoPanoptic(
        str(tmp_path),
        ann_file="gtFine/cityscapes_panoptic_val.json",
        data_prefix={"img": "leftImg8bit/val"},
        table="cityscapes",
        pipeline=TRAIN,
    )
    sample = dataset[0]["data_samples"]
    assert sample.img_path.endswith("leftImg8bit/val/aachen/aachen_000000_000019_leftImg8bit.png")
    assert sample.gt_panoptic.ids.tolist() == [7, 26000]


def _delete(name: str) -> Callable[[Path], None]:
    def delete(root: Path) -> None:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return delete


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (
            _delete("panoptic.json"),
            r"panoptic annotations at .*panoptic\.json, .* holds images/, panoptic/\. Set data_root",
        ),
        (_delete("images"), r"the images at .*images, got no such folder: .* holds panoptic.json, panoptic/"),
        (_delete("panoptic"), r"the panoptic PNGs at .*panoptic, got no such folder"),
        (
            _delete("images/0.png"),
            r"images of .*panoptic\.json under .*, got no 0\.png .*Complete the download",
        ),
        (
            _delete("panoptic/0_map.png"),
            r"PNGs of .*panoptic\.json under .*, got no 0_map\.png .* holds nothing",
        ),
    ],
    ids=["json", "image folder", "map folder", "image", "map"],
)
def test_missing_files(
    write_coco: WriteCoco, table: CategoryTable, damage: Callable[[Path], None], match: str
) -> None:
    root = write_coco([(ID_MAP, SEGMENTS)])
    damage(root)
    with pytest.raises(FileNotFoundError, match=match):
        make(root, table)


def test_wrong_root_says_what_is_there(write_coco: WriteCoco, table: CategoryTable) -> None:
    root = write_coco([(ID_MAP, SEGMENTS)])
    with pytest.raises(
        FileNotFoundError, match=r"set's root at .*/coco, .* holds images/, panoptic.json, panoptic/"
    ):
        make(root / "coco", table)


@pytest.mark.parametrize(
    ("replace", "match"),
    [
        (
            {"categories": COCO_PANOPTIC.to_json()},
            r"category 2 of .*panoptic\.json to be 'sky' .* got 'bicycle'",
        ),
        ({"annotations": []}, r"annotation with image_id 10 in .*panoptic\.json for image 0\.png, got none"),
        ({"annotations": 3}, r"panoptic\.json"),
    ],
    ids=["categories", "no annotation", "no list"],
)
def test_bad_json(write_coco: WriteCoco, table: CategoryTable, replace: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make(write_coco([(ID_MAP, SEGMENTS)], **replace), table)


@pytest.mark.parametrize(
    ("segments", "match"),
    [
        ([*SEGMENTS, SEGMENTS[0]], r"panoptic\.json, image 10: segment id 8 is listed twice"),
        (
            [{"id": 0, "category_id": 2}],
            r"panoptic\.json, image 10: expected segment ids in \[1, 16777215\], got 0",
        ),
        ([{"id": 8, "category_id": 44}], r"panoptic\.json, image 10, segment 8: category id 44"),
    ],
    ids=["twice", "void", "category"],
)
def test_bad_segments(write_coco: WriteCoco, table: CategoryTable, segments: list[dict], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make(write_coco([(ID_MAP, segments)]), table)


def test_size_mismatch_is_found_on_loading(write_coco: WriteCoco, table: CategoryTable) -> None:
    root = write_coco([(ID_MAP, SEGMENTS)])
    Image.new("RGB", (4, 5)).save(root / "images" / "0.png")
    with pytest.raises(
        ValueError, match=r"0_map\.png to have its image's size \(5, 4\) \(H, W\), got \(4, 4\)"
    ):
        _ = make(root, table, pipeline=TRAIN)[0]


def full_masks(dataset: CocoPanoptic, index: int) -> NDArray:
    return dataset[index]["data_samples"].gt_instances.masks.masks


def test_lazy_init_reads_nothing_until_asked(write_coco: WriteCoco, table: CategoryTable) -> None:
    root = write_coco([(ID_MAP, SEGMENTS)])
    dataset = make(root, table, pipeline=TRAIN, lazy_init=True)
    dataset.full_init()
    assert full_masks(dataset, 0).sum() == 4
