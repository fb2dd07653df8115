"""ADE20K, a few pixels of it, beside the published rules."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from panoptic_core.categories import ADE20K
from panoptic_data.cli import main
from panoptic_data.converting.ade20k import plan_ade20k


def write(root: Path, semantic: NDArray, kinds: NDArray, numbers: NDArray, split: str = "validation") -> Path:
    instances = np.stack([kinds, numbers, np.full_like(kinds, 9)], axis=-1)  # blue means nothing
    name = "ADE_val_00000001"
    pictures = {
        f"images/{split}/{name}.jpg": np.zeros((*semantic.shape, 3)),
        f"annotations/{split}/{name}.png": semantic,
        f"annotations_instance/{split}/{name}.png": instances,
    }
    for path, picture in pictures.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.astype(np.uint8)).save(root / path)
    return root


def literal(
    semantic: NDArray, kinds: NDArray, numbers: NDArray
) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """The published rules, pixel by pixel: stuff by class, over it instances by number."""
    things = [c.category_id for c in ADE20K.categories if c.is_thing]
    segments: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for y, x in np.ndindex(semantic.shape):
        if numbers[y, x]:
            key = (things[kinds[y, x] - 1], int(numbers[y, x]))
        elif semantic[y, x] and semantic[y, x] - 1 not in things:
            key = (int(semantic[y, x]) - 1, 0)
        else:
            continue
        segments.setdefault(key, set()).add((y, x))
    return segments


def test_classes_of_instances() -> None:
    # From the challenge's list of 100: 1 bed, 4 person, 9 car, 20 bathtub, 58 television, 100 flag.
    names = {1: "bed", 4: "person", 9: "car", 20: "tub", 58: "tv", 100: "flag"}
    assert {kind: ADE20K.names[kind - 1] for kind in names} == names


@pytest.mark.parity
def test_the_published_rules(tmp_path: Path) -> None:
    dice = np.random.default_rng(3)
    semantic = dice.choice([0, 1, 3, 7, 13, 21, 150], (9, 11))
    numbers = dice.choice([0, 0, 0, 1, 2, 5, 255], (9, 11))
    kinds = np.array([0, 9, 4, 0, 0, 9] + [0] * 249 + [100])[numbers]
    plan = plan_ade20k(write(tmp_path, semantic, kinds, numbers))
    segments = plan.read(plan.splits[0].items[0])
    ours = {
        frozenset(zip(*(axis.tolist() for axis in (segments.id_map == i).nonzero()), strict=True)): category
        for i, category in zip(segments.ids, segments.category_ids, strict=True)
    }
    expected = {
        frozenset(pixels): category for (category, _), pixels in literal(semantic, kinds, numbers).items()
    }
    assert ours == expected
    assert len(ours) > 6


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "ade", np.array([[1, 13, 0]]), np.array([[0, 4, 0]]), np.array([[0, 1, 0]]))
    words = ["convert", "ade20k", str(root), str(tmp_path / "out"), "--workers", "1"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "Note: Pixels of thing classes that belong to no instance are void" in printed
    assert "Split val: 1 images, 2 segments, 33.3% void" in printed
    assert main(["show", str(tmp_path / "out"), "--out", str(tmp_path / "shown")]) == 0


@pytest.mark.parametrize(
    ("semantic", "kinds", "message"),
    [
        ([[1, 1]], [[4, 5]], r"instance 1 of .*one class in \[1, 100\], got 4, 5"),
        ([[1, 1]], [[0, 0]], "got 0"),
        ([[151, 1]], [[4, 4]], "got grey values up to 151 and colours"),
    ],
)
def test_bad_maps(tmp_path: Path, semantic: list, kinds: list, message: str) -> None:
    plan = plan_ade20k(write(tmp_path, np.array(semantic), np.array(kinds), np.array([[1, 1]])))
    with pytest.raises(ValueError, match=message):
        plan.read(plan.splits[0].items[0])


def test_missing_files(tmp_path: Path) -> None:
    root = write(tmp_path, np.array([[1]]), np.array([[0]]), np.array([[0]]))
    (root / "annotations_instance/validation/ADE_val_00000001.png").unlink()
    with pytest.raises(FileNotFoundError, match="Places challenge 2017"):
        plan_ade20k(root)
