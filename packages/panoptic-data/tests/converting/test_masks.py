"""One's own label PNGs."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import ArrayLike
from PIL import Image

from panoptic_data.cli import main
from panoptic_data.converting import Segments, convert
from panoptic_data.converting.masks import plan_masks
from panoptic_data.converting.plan import divide

CLASSES = "id,name,isthing,color\n1,cow,1,#ff0000\n2,hen,1,#ffff00\n5,grass,0,#00ff00\n9,sky,0,#0000ff\n"
SEMANTIC = [
    [9, 9, 9, 9, 9],
    [1, 1, 5, 1, 0],
    [1, 1, 5, 1, 2],
    [5, 5, 5, 5, 5],
]
INSTANCES = [
    [0, 0, 0, 0, 0],
    [3, 3, 0, 3, 0],
    [4, 4, 0, 0, 3],
    [7, 0, 0, 0, 0],
]
COLORS = {0: (0, 0, 0), 1: (255, 0, 0), 2: (255, 255, 0), 5: (0, 255, 0), 9: (0, 0, 255)}


def save(path: Path, values: ArrayLike, mode: str = "grey") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.asarray(values)
    if mode == "rgb":
        picture = Image.fromarray(np.array([[COLORS[v] for v in row] for row in values], dtype=np.uint8))
    elif mode == "palette":
        picture = Image.fromarray(values.astype(np.uint8))
        picture.putpalette([7, 7, 7] * 256)
    else:
        picture = Image.fromarray(values.astype(np.uint16 if mode == "16 bit" else np.uint8))
    picture.save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "classes.csv").write_text(CLASSES)
    save(tmp_path / "images/a.jpg", np.zeros((4, 5)))
    save(tmp_path / "masks/a.png", SEMANTIC)
    return tmp_path


def read(root: Path, **options: Any) -> Segments:
    plan = plan_masks(root, root / "classes.csv", **{"void": ["0"], **options})
    return plan.read(plan.splits[0].items[0])


def facts(segments: Segments) -> list[tuple[int, int, bool]]:
    """Category, pixels and crowd of each segment."""
    return [
        (category, int((segments.id_map == i).sum()), crowd)
        for i, category, crowd in zip(segments.ids, segments.category_ids, segments.iscrowd, strict=True)
    ]


@pytest.mark.parametrize("mode", ["grey", "palette", "16 bit", "rgb"])
def test_regions_without_instance_maps(root: Path, mode: str) -> None:
    save(root / "masks/a.png", SEMANTIC, mode)
    segments = read(root, void=["#000000"] if mode == "rgb" else ["0"])
    # Two regions of cows (2 x 2 and 2 x 1), one hen, then grass (2 + 5 pixels) and sky, each in one piece.
    assert facts(segments) == [
        (1, 4, False),
        (1, 2, False),
        (2, 1, False),
        (5, 7, False),
        (9, 5, False),
    ]
    assert segments.id_map[1, 4] == 0
    assert segments.notes == ()


def test_instance_maps(root: Path) -> None:
    save(root / "instances/a.png", INSTANCES, "16 bit")
    segments = read(root)
    # Cow 3 lies in two pieces; hen 3 is another instance; a cow's pixel without number is a crowd; a number
    # on grass means nothing.
    assert facts(segments) == [
        (1, 3, False),
        (1, 2, False),
        (1, 1, True),
        (2, 1, False),
        (5, 7, False),
        (9, 5, False),
    ]
    assert segments.notes == ("1 pixels of 'cow' have no instance and became a crowd",)
    assert segments.id_map[1, 0] == segments.id_map[1, 3]
    assert segments.id_map[1, 0] != segments.id_map[2, 0]


@pytest.mark.parametrize(("lonely", "rows"), [("void", 5), ("components", 6), ("crowd", 6)])
def test_things_without_an_instance(root: Path, lonely: str, rows: int) -> None:
    save(root / "instances/a.png", INSTANCES)
    segments = read(root, lonely=lonely)
    assert len(segments.ids) == rows
    assert (segments.id_map[2, 3] == 0) == (lonely == "void")
    assert sum(segments.iscrowd) == (lonely == "crowd")
    assert "1 pixels of 'cow'" in segments.notes[0]


def test_diagonal_neighbours_are_one_region(root: Path) -> None:
    save(root / "masks/a.png", [[1, 5, 5, 5, 5], [5, 1, 5, 5, 5], [5, 5, 5, 5, 5], [5, 5, 5, 5, 1]])
    assert facts(read(root))[:2] == [(1, 2, False), (1, 1, False)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"void": ["255"]}, r"classes \(classes.csv\) or void, got 0. Add them .* --void VALUE"),
        ({"void": ["9"]}, "got 9, which classes.csv lists"),
        ({"void": ["red"]}, "as #rrggbb, got 'red'"),
    ],
)
def test_values_that_are_no_class(root: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(root, **change)


def test_colours_that_are_no_class(root: Path) -> None:
    save(root / "masks/a.png", SEMANTIC, "rgb")
    with pytest.raises(ValueError, match="or void, got #000000"):
        read(root)
    (root / "classes.csv").write_text(CLASSES.replace("#ffff00", "#ff0000"))
    with pytest.raises(ValueError, match="3 colours of 4 classes"):
        read(root)


def test_a_jpeg_is_no_label_map(root: Path) -> None:
    (root / "masks/a.png").unlink()
    save(root / "masks/a.jpg", SEMANTIC)
    with pytest.raises(ValueError, match="got a JPEG, which changes values"):
        read(root)


def test_sizes(root: Path) -> None:
    save(root / "instances/a.png", np.zeros((5, 4)))
    with pytest.raises(ValueError, match=r"got \(5, 4\) and \(4, 5\)"):
        read(root)


def test_maps_that_cannot_be_read(root: Path) -> None:
    path = root / "masks/a.png"
    path.write_bytes(path.read_bytes()[:45])
    with pytest.raises(ValueError, match=r"label map at .*a\.png, but it cannot be read: .*truncated"):
        read(root)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"cannot be read: no image is recognised"):
        read(root)


def test_colours_of_16_bits_would_lose_half_of_them(root: Path) -> None:
    cv2.imwrite(str(root / "masks/a.png"), np.full((4, 5, 3), 257, np.uint16))
    with pytest.raises(ValueError, match=r"8 bits a colour in .*a\.png, got 16"):
        read(root)


def test_ids_in_three_equal_channels(root: Path) -> None:
    Image.fromarray(np.repeat(np.array(SEMANTIC, np.uint8)[..., None], 3, axis=2)).save(root / "masks/a.png")
    with pytest.raises(ValueError, match=r"got #000000, #010101, .*If these greys are ids, save one channel"):
        read(root)


def test_names_of_maps(root: Path) -> None:
    save(root / "images/sub/b.jpg", np.zeros((4, 5)))
    (outcome,) = convert(plan_masks(root, root / "classes.csv", void=["0"]), root / "out", workers=1)
    assert outcome.num_images == 1  # the other one is done
    assert "0001_mask.png" in outcome.failures[0][1]
    (root / "masks/a.png").rename(root / "masks/c.png")
    with pytest.raises(FileNotFoundError, match=r"a.jpg in .*masks, got none: .*masks holds c.png"):
        plan_masks(root, root / "classes.csv")
    (root / "masks/c.png").rename(root / "masks/a.png")
    save(root / "masks/sub/b_mask.png", SEMANTIC)
    (split,) = plan_masks(root, root / "classes.csv").splits
    assert [item.image_id for item in split.items] == ["a", "sub/b"]


def test_maps_without_a_photograph_are_noted(root: Path) -> None:
    save(root / "masks/b.png", SEMANTIC)
    save(root / "instances/a.png", INSTANCES)
    save(root / "instances/sub/c.png", INSTANCES)
    notes = plan_masks(root, root / "classes.csv").notes
    assert notes == (
        f"1 maps in {root / 'masks'} have no photograph and are left out: b.png",
        f"1 maps in {root / 'instances'} have no photograph and are left out: sub/c.png",
    )


def test_splits(root: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / f"all/{split}/images/{split}.jpg", np.zeros((4, 5)))
        save(tmp_path / f"all/{split}/masks/{split}.png", SEMANTIC)
    plan = plan_masks(tmp_path / "all", root / "classes.csv", void=["0"])
    assert [split.name for split in plan.splits] == ["train", "val"]
    outcomes = convert(plan, tmp_path / "out", workers=1)
    assert [outcome.num_images for outcome in outcomes] == [1, 1]
    assert len(plan_masks(tmp_path / "all", root / "classes.csv", splits=["val"]).splits) == 1
    with pytest.raises(ValueError, match="no --val for a folder of splits"):
        plan_masks(tmp_path / "all", root / "classes.csv", val=10)
    with pytest.raises(FileNotFoundError, match="folder 'images' of photographs"):
        plan_masks(tmp_path / "out", root / "classes.csv")


def test_a_share_for_validation_stays_when_images_come() -> None:
    names = [f"{i}.jpg" for i in range(200)]
    parts = divide(names, "train", 20)
    assert sorted(parts["train"] + parts["val"]) == sorted(names)
    assert 25 <= len(parts["val"]) <= 55
    more = divide([*names, "new.jpg", "newer.jpg"], "train", 20)
    assert set(parts["val"]) <= set(more["val"])
    assert set(parts["train"]) <= set(more["train"])
    for few in (["a", "b"], ["a", "b", "c"]):
        for percent in (0.001, 99.9):
            assert all(divide(few, "train", percent).values())
    for percent, split in ((100, "train"), (-1, "train"), (20, "val")):
        with pytest.raises(ValueError, match="Expected --val to be a percentage"):
            divide(names, split, percent)


def test_command(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(9):
        save(root / f"images/{i}.jpg", np.zeros((4, 5)))
        save(root / f"masks/{i}.png", SEMANTIC)
    out = str(tmp_path / "out")
    words = ["convert", "masks", str(root), out, "--classes", str(root / "classes.csv"), "--val", "30"]
    assert main([*words, "--workers", "2"]) == 1  # 0 is neither a class nor void
    printed = capsys.readouterr().out
    assert "images failed and are not in the JSON" in printed
    assert "or void, got 0. Add them" in printed
    assert (
        main([*words, "--void", "0", "--workers", "2"]) == 0
    )  # nothing was finished: the options may change
    printed = capsys.readouterr().out
    assert "Note: There are no instance maps (instances/): each connected region" in printed
    assert "5.0% void" in printed
    assert main([*words, "--void", "0", "255", "--workers", "2"]) == 1
    assert "options: " in capsys.readouterr().err
    assert main(["check", out]) == 0  # the doctor has nothing to say
    assert main(["show", out, "--split", "train", "--limit", "1", "--out", str(tmp_path / "shown")]) == 0
