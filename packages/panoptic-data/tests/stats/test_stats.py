"""Counting what a set holds: against numbers counted by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panoptic_data.cli import main
from panoptic_data.generator import write_scenes
from panoptic_data.splits import find_splits
from panoptic_data.stats import SplitStats, collect
from panoptic_data.stats.plot import plot
from panoptic_data.stats.report import to_dict, to_text

# ids: 7 a car, 8 another car, 9 the sky, 11 a group of persons, 0 void
FIRST = np.array([[9, 9, 9, 9], [9, 7, 7, 11], [0, 7, 7, 11]], np.int32)
SECOND = np.array([[7, 7, 8], [0, 0, 8]], np.int32)
CAR, SKY, PERSON = 3, 2, 1


def _segment(segment_id: int, category_id: int, iscrowd: int = 0) -> dict[str, int]:
    return {"id": segment_id, "category_id": category_id, "iscrowd": iscrowd}


@pytest.fixture
def root(write_coco: Callable[..., Path]) -> Path:
    """Return a generated layout with two images."""
    return write_coco(
        [
            (FIRST, [_segment(7, CAR), _segment(9, SKY), _segment(11, PERSON, 1)]),
            (SECOND, [_segment(7, CAR), _segment(8, CAR)]),
        ]
    )


@pytest.fixture
def stats(root: Path) -> SplitStats:
    """Return the counts."""
    return collect(find_splits(root)[0])


def test_counts_by_hand(stats: SplitStats) -> None:
    assert stats.image_ids == ("10", "11")
    assert stats.sizes.tolist() == [[3, 4], [2, 3]]
    assert stats.void.tolist() == [1, 2]
    assert stats.void_share.tolist() == [1 / 12, 2 / 6]
    assert stats.instances_an_image.tolist() == [1, 2]  # crowds and stuff are none
    assert stats.segments_an_image.tolist() == [3, 2]
    assert stats.areas.tolist() == [4, 5, 2, 2, 2]
    person, car, sky = (stats.of_class(label) for label in range(3))
    # 8 of the 12 + 6 pixels are cars; three of them with 4, 2 and 2 pixels
    assert car == (CAR, "car", True, 2, 3, 0, 8, 8 / 18, 2.0)
    assert person == (PERSON, "person", True, 1, 0, 1, 2, 2 / 18, None)
    assert sky == (SKY, "sky", False, 1, 1, 0, 5, 5 / 18, 5.0)


def test_the_table(stats: SplitStats) -> None:
    lines = to_text(stats).splitlines()
    assert lines[0].startswith(f"Split {stats.name}: 2 images, 5 segments, 3 of 3 classes of ")
    assert lines[1:5] == [
        "  size (height x width)  2x3 to 3x4, 2 sizes, most often 3x4 (1 images)",
        "  void                   16.7% of all pixels; median 20.8%, at most 33.3% (image 11)",
        "  instances an image     median 1.5, mean 1.5, at most 2 (image 11); none in 0 images",
        "  segments an image      median 2.5, mean 2.5, at most 3 (image 10)",
    ]
    assert lines[5].startswith("  size of instances      small 100%, medium 0%, large 0% (COCO's ranges: ")
    assert lines[7] == "class   kind   images  segments  crowds   pixels  median area"
    assert lines[9] == "car     thing       2         3       0  44.44%            2"
    assert lines[8] == "person  thing       1         0       1  11.11%             "
    assert [line.split()[0] for line in to_text(stats, "pixels").splitlines()[8:]] == ["car", "sky", "person"]


def test_plain_values(stats: SplitStats) -> None:
    content = json.loads(json.dumps(to_dict(stats)))
    assert content["num_instances"] == 3
    assert content["num_crowds"] == 1
    assert content["sizes"] == [
        {"height": 3, "width": 4, "images": 1},
        {"height": 2, "width": 3, "images": 1},
    ]
    assert content["void_share"] == 3 / 18
    assert content["instances_histogram"] == {"1": 1, "2": 1}
    assert content["instances_by_size"] == {"small": 3, "medium": 0, "large": 0}
    assert content["instances_an_image"] == {"min": 1.0, "median": 1.5, "mean": 1.5, "max": 2.0}
    assert content["per_class"][0]["median_area"] is None


def test_limit_and_workers(root: Path) -> None:
    [split] = find_splits(root)
    assert collect(split, limit=1).num_images == 1
    assert to_dict(collect(split, workers=1)) == to_dict(collect(split, workers=3))
    with pytest.raises(ValueError, match="`limit` to be at least 1, got 0"):
        collect(split, limit=0)


def test_a_wrong_map_is_named(write_coco: Callable[..., Path]) -> None:
    root = write_coco([(FIRST, [_segment(7, CAR), _segment(9, SKY)])])
    with pytest.raises(ValueError, match=r"0_map\.png to hold .* got ids 11 that are not listed\. .* check"):
        collect(find_splits(root)[0])
    root = write_coco([(SECOND, [_segment(7, CAR), _segment(8, CAR), _segment(9, SKY)])])
    with pytest.raises(ValueError, match=r"got no pixel of segments 9\. "):
        collect(find_splits(root)[0])


def test_images_without_segments(write_coco: Callable[..., Path], tmp_path: Path) -> None:
    stats = collect(find_splits(write_coco([(np.zeros((2, 2), np.int32), [])]))[0])
    assert "void                   100.0% of all pixels" in to_text(stats)
    assert to_text(stats).endswith("Not there: person, car, sky")
    plot(stats, tmp_path / "plot.png")


def test_the_plot(stats: SplitStats, tmp_path: Path) -> None:
    plot(stats, tmp_path / "plot.png")
    picture = np.asarray(Image.open(tmp_path / "plot.png").convert("RGB")).astype(int)
    assert picture.shape == (900, 1500, 3)
    for color in ((0x3B, 0x6F, 0xB6), (0x8A, 0xA8, 0x3B)):  # things and stuff are drawn
        assert (np.abs(picture - color).max(axis=2) == 0).sum() > 1000


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, number in (("train", 2), ("val", 1)):
        write_scenes(tmp_path / "scenes" / name, number, 48, number)
    words = ["stats", str(tmp_path / "scenes"), "--json", str(tmp_path / "new" / "s.json")]
    assert main([*words, "--plot", str(tmp_path / "p.png")]) == 0
    printed = capsys.readouterr().out
    assert "Split val: 1 images" in printed
    assert "Split train: 2 images" in printed
    assert {path.name for path in tmp_path.glob("*.png")} == {"p_train.png", "p_val.png"}
    content = json.loads((tmp_path / "new" / "s.json").read_text())
    assert [split["num_images"] for split in content["splits"]] == [1, 2]
    truth = json.loads((tmp_path / "scenes" / "train" / "panoptic.json").read_text())
    rows = [row for one in truth["annotations"] for row in one["segments_info"]]
    assert content["splits"][1]["num_segments"] == len(rows)
    assert sum(one["pixels"] for one in content["splits"][1]["per_class"]) == sum(row["area"] for row in rows)
    assert main([*words, "--split", "train", "--plot", str(tmp_path / "one.png"), "--quiet"]) == 0
    assert (tmp_path / "one.png").is_file()


@pytest.mark.realdata
def test_real_sets(real_data: Path) -> None:
    [val, _] = find_splits(real_data / "coco_mini")
    counted = to_dict(collect(val))
    # documented with the files: 73 instances, 20 stuff segments, 3 crowds
    assert (counted["num_instances"], counted["num_crowds"]) == (73, 3)
    assert counted["num_segments"] == 73 + 20 + 3
