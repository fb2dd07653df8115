from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from panoptic_core.categories import VISTAS
from panoptic_data.datasets import Vistas
from panoptic_data.transforms import LoadPanoptic, LoadReducedImage, PackPanopticInputs, ResizeToTarget

WriteVistas = Callable[..., Path]

# 4x4: road (14), a car (56), a crowd of persons (20), the car's own hood (65), 0 unlabeled.
ID_MAP = np.array([[5, 5, 5, 5], [5, 900, 900, 5], [7, 900, 900, 0], [9, 9, 9, 9]])
SEGMENTS = [
    {"id": 5, "category_id": 14, "iscrowd": 0},
    {"id": 900, "category_id": 56, "iscrowd": 0},
    {"id": 7, "category_id": 20, "iscrowd": 1},
    {"id": 9, "category_id": 65, "iscrowd": 0},
]
PAIR = (ID_MAP, SEGMENTS)
TRAIN = [
    {"type": LoadReducedImage, "edges": (4, 4)},
    {"type": LoadPanoptic, "at_image_size": True},
    {"type": ResizeToTarget},
    {"type": PackPanopticInputs},
]


@pytest.mark.parametrize("maps", ["panoptic", "v1.2/panoptic"])
def test_by_hand(write_vistas: WriteVistas, maps: str) -> None:
    root = write_vistas({"validation": {"a": PAIR}, "training": {"b": PAIR, "c": PAIR}}, maps=maps)
    assert len(Vistas(str(root), split="training")) == 2
    dataset = Vistas(str(root), pipeline=TRAIN)
    assert len(dataset) == 1
    assert dataset.metainfo == VISTAS.to_metainfo()
    sample = dataset[0]["data_samples"]
    road, car, person, hood = (VISTAS.lookup(i) for i in (14, 56, 20, 65))
    assert sample.gt_sem_seg.sem_seg[0].tolist() == [
        [road, road, road, road],
        [road, car, car, road],
        [person, car, car, 255],
        [hood, hood, hood, hood],  # evaluated, although Vistas calls it "void--ego-vehicle"
    ]
    assert hood >= VISTAS.num_things
    assert sample.gt_instances.bboxes.tolist() == [[1, 1, 3, 3]]
    assert sample.ignored_instances.bboxes.tolist() == [[0, 2, 1, 3]]
    assert (sample.img_id, sample.file_name) == ("a", "a.jpg")


def test_a_listed_unlabeled_is_void(write_vistas: WriteVistas) -> None:
    categories = [*VISTAS.to_json(), {"id": 66, "name": "Unlabeled", "isthing": 0}]
    segments = [*SEGMENTS[:-1], {"id": 9, "category_id": 66, "iscrowd": 0}]
    root = write_vistas({"validation": {"a": (ID_MAP, segments)}}, categories=categories)
    sample = Vistas(str(root), pipeline=TRAIN)[0]["data_samples"]
    assert sample.gt_sem_seg.sem_seg[0, 3].tolist() == [255] * 4
    assert sample.gt_panoptic.ids.tolist() == [5, 900, 7]


def test_names_without_the_images_ending(write_vistas: WriteVistas) -> None:
    images = [{"id": "a", "file_name": "a", "height": 4, "width": 4}]
    root = write_vistas({"validation": {"a": PAIR}}, images=images)
    assert Vistas(str(root)).get_data_info(0)["img_path"] == str(root / "validation/images/a.jpg")


def test_other_classes_are_an_error(write_vistas: WriteVistas) -> None:
    categories = [{"id": 1, "name": "Bird", "isthing": 1}, {"id": 100, "name": "Kiosk", "isthing": 1}]
    root = write_vistas({"validation": {"a": (np.zeros((4, 4), int), [])}}, categories=categories)
    with pytest.raises(ValueError, match=r"in table 'Mapillary Vistas v1\.2', got id 100 \('Kiosk'\)"):
        Vistas(str(root))


def test_wrong_split_and_root(write_vistas: WriteVistas) -> None:
    root = write_vistas({"validation": {"a": PAIR}})
    with pytest.raises(ValueError, match=r"'training' or 'validation', got 'val'"):
        Vistas(str(root), split="val")
    with pytest.raises(FileNotFoundError, match=r"panoptic_2018\.json .* got none at .*training.* v1\.2\."):
        Vistas(str(root), split="training")
    with pytest.raises(FileNotFoundError, match=r"root at .*/nowhere, got no such folder"):
        Vistas(str(root / "nowhere"))


@pytest.mark.parametrize("name", ["images/a.jpg", "panoptic/a.png"])
def test_missing_file(write_vistas: WriteVistas, name: str) -> None:
    root = write_vistas({"validation": {"a": PAIR, "b": PAIR}})
    (root / "validation" / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"got no {Path(name).name} "):
        Vistas(str(root))
