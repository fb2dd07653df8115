from pathlib import Path

import numpy as np
import pytest
from mmengine.structures import BaseDataElement
from PIL import Image

from panoptic_core.engine.images import UnreadableImageError, draw_sample, read_rgb, write_picture
from panoptic_core.testing import tiny_scene

TURNED = 6  # the EXIF value of an image that has to be turned by 90 degrees


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """Write a picture of 4 x 8 pixels whose tag says that it is 8 x 4."""
    image = Image.fromarray(np.zeros((4, 8, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = TURNED
    path = tmp_path / "turned.jpg"
    image.save(path, exif=exif)
    return path


def test_a_rotation_tag_is_followed_unless_the_pipeline_did_not(turned: Path) -> None:
    assert read_rgb(turned).shape == (8, 4, 3)
    assert read_rgb(turned, (8, 4)).shape == (8, 4, 3)
    assert read_rgb(turned, (4, 8)).shape == (4, 8, 3)  # color_type='color_ignore_orientation'


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    path = tmp_path / f"a.{suffix}"
    Image.new(mode, (3, 2)).save(path)
    assert read_rgb(path).shape == (2, 3, 3)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(UnreadableImageError, match=r"text\.png` is no image"):
        read_rgb(tmp_path / "text.png")
    write_picture(
        tmp_path / "whole.png", np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    )
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableImageError, match=r"cut\.png` cannot be decoded"):
        read_rgb(tmp_path / "cut.png")


@pytest.mark.parametrize("with_truth", [True, False])
def test_a_drawn_sample(tmp_path: Path, with_truth: bool) -> None:
    scene = tiny_scene()
    write_picture(tmp_path / "scene.png", scene.image)
    sample = BaseDataElement(metainfo={"img_path": str(tmp_path / "scene.png")})
    sample.pred_panoptic = scene.segmentation
    if with_truth:
        sample.gt_panoptic = scene.segmentation
    draw_sample(tmp_path / "deep" / "drawn.png", sample, scene.table)
    drawn = read_rgb(tmp_path / "deep" / "drawn.png")
    panels = 4 if with_truth else 2
    assert drawn.shape[1] > panels * 320  # small images are enlarged
    assert not list((tmp_path / "deep").glob(".*"))
