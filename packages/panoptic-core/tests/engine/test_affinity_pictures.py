"""The picture of one pixel's affinity: what it shows, and every reason why there is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from panoptic_core.engine.affinity_pictures import AffinityPictureError, check_points
from panoptic_core.engine.arguments import prediction_parser, run_command
from panoptic_core.engine.prediction_files import find_images, predict_files
from panoptic_core.inference import PanopticModel, Prediction
from panoptic_core.testing import tiny_scene
from panoptic_fusion import AffinityMaps, RawOutputs

SCENE = tiny_scene()
TABLE = SCENE.table


def _raw(gamma: float = 0.5) -> RawOutputs:
    """Pixels of the left half belong together, those of the right half to nobody."""
    height, width = SCENE.segmentation.shape
    left = (torch.arange(width) < width // 2).float().expand(1, height, width)
    maps = AffinityMaps(torch.zeros(len(TABLE), height, width), left, left, gamma=gamma)
    return RawOutputs((height, width), TABLE.num_things, len(TABLE), affinity=maps)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> PanopticModel:
    """Return a model that sees the tiny scene in every picture; its raw outputs are `network.said`."""
    network = torch.nn.Identity()
    network.said = _raw()

    def predict(model: PanopticModel, image: Any, *, keep_raw: bool) -> Prediction:
        return Prediction(SCENE.segmentation, None, model.network.said if keep_raw else None)

    monkeypatch.setattr("panoptic_core.engine.prediction_files.predict", predict)
    return PanopticModel(network, TABLE, lambda results: results)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(SCENE.image).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def _predict(model: PanopticModel, photo: Path, *points: tuple[int, int]) -> dict[str, np.ndarray]:
    out = photo.parent / "out"
    predict_files(model, photo, out, lambda _: None, points)
    return {path.name: np.asarray(Image.open(path)) for path in sorted(out.glob("*_affinity.png"))}


def _panel(picture: np.ndarray) -> np.ndarray:
    """Return the last panel, where it has one pixel a pixel of the scene: below its title."""
    height, width = SCENE.segmentation.shape
    factor = -(-320 // width)
    return picture[19 : 19 + height * factor, -width * factor :][factor // 2 :: factor, factor // 2 :: factor]


def _gives(panel: np.ndarray) -> tuple[int, int]:
    """Return how many pixels of a row are red to yellow, and blue: row 1, away from the cross."""
    red, blue = panel[1, :, 0].astype(int), panel[1, :, 2].astype(int)
    return int((red > blue + 100).sum()), int((blue > red + 100).sum())


@pytest.mark.parametrize("gamma", [0.5, -0.5, 0.0])
def test_who_gives_and_who_takes(model: PanopticModel, photo: Path, gamma: float) -> None:
    model.network.said = _raw(gamma)
    height, width = SCENE.segmentation.shape
    pictures = _predict(model, photo, (2, height - 2), (width - 2, height - 2))
    assert list(pictures) == [f"a_2_{height - 2}_affinity.png", f"a_{width - 2}_{height - 2}_affinity.png"]
    near, far = (_gives(_panel(picture)) for picture in pictures.values())
    half = width // 2
    assert near == {0.5: (half, 0), -0.5: (0, half), 0.0: (0, 0)}[gamma]
    assert far == (0, 0)  # nobody gives to the right half
    assert find_images(photo.parent) == [photo]  # no picture of ours is an image of theirs


def test_without_points_nothing_is_kept(model: PanopticModel, photo: Path) -> None:
    model.network.said = None
    assert _predict(model, photo) == {}


def test_networks_without_affinity(model: PanopticModel, photo: Path) -> None:
    maps = _raw().affinity
    for said in (None, replace(_raw(), affinity=None), replace(_raw(), affinity=maps.without_affinity())):
        model.network.said = said
        with pytest.raises(AffinityPictureError, match=r"no `affinity` with features\. Use a dense"):
            _predict(model, photo, (0, 0))
        assert not (photo.parent / "out").exists()


@pytest.mark.parametrize("point", [(48, 0), (0, 32), (-1, 5), (5, -1)])
def test_a_pixel_outside(model: PanopticModel, photo: Path, point: tuple[int, int]) -> None:
    assert SCENE.segmentation.shape == (32, 48)
    message = rf"X in \[0, 48\) and Y in \[0, 32\), pixels of .*, got {point[0]} {point[1]}"
    with pytest.raises(AffinityPictureError, match=message):
        check_points([photo], [(0, 0), point])
    with pytest.raises(AffinityPictureError, match=message):
        _predict(model, photo, point)


def test_images_of_several_sizes(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_text("no picture")
    Image.new("RGB", (48, 32)).save(tmp_path / "c.png")
    paths = [photo, tmp_path / "b.jpg", tmp_path / "c.png"]
    check_points(paths, [(47, 31)])
    Image.new("RGB", (32, 48)).save(tmp_path / "d.png")
    check_points([*paths, tmp_path / "d.png"], [])
    with pytest.raises(AffinityPictureError, match=r"a.png` of 48 x 32 and `.*d.png` of 32 x 48. Name one"):
        check_points([*paths, tmp_path / "d.png"], [(0, 0)])


def test_a_photo_that_lies_on_its_side(tmp_path: Path) -> None:
    tag = Image.Exif()
    tag[0x0112] = 6
    Image.new("RGB", (48, 32)).save(tmp_path / "phone.jpg", exif=tag)
    check_points([tmp_path / "phone.jpg"], [(31, 47)])
    with pytest.raises(AffinityPictureError, match=r"X in \[0, 32\) and Y in \[0, 48\)"):
        check_points([tmp_path / "phone.jpg"], [(47, 31)])


def test_what_was_typed(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["c.py", "w.pth", "a.png"]
    assert prediction_parser().parse_args(typed).affinity_at == []
    points = prediction_parser().parse_args([*typed, "--affinity-at", "3", "-4", "--affinity-at", "0", "9"])
    assert points.affinity_at == [[3, -4], [0, 9]]
    with pytest.raises(SystemExit):
        prediction_parser().parse_args([*typed, "--affinity-at", "3"])

    def fails() -> None:
        raise AffinityPictureError("outside")

    assert run_command(fails) == 2
    assert capsys.readouterr().err.endswith("error: outside\n")
