"""Pictures of maps."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from panoptic_fusion import (
    PanopticSegmentation,
    colorize,
    crowd_stripes,
    default_palette,
    thing_borders,
    write_png,
)
from panoptic_fusion.testing import example_segmentation

PALETTE = np.array([[200, 100, 50], [10, 20, 30]], dtype=np.uint8)


def two_instances() -> PanopticSegmentation:
    id_map = torch.tensor([[5, 5, 8, 8, 0, 3]])
    return PanopticSegmentation.from_id_map(id_map, [5, 8, 3], [0, 0, 1], [True, True, False])


def test_colors_by_hand() -> None:
    picture = colorize(two_instances(), PALETTE, boundaries=False)
    assert picture.dtype == np.uint8
    assert picture.shape == (1, 6, 3)
    assert picture[0, 0].tolist() == [200, 100, 50]  # the first instance has the colour of its class
    assert picture[0, 4].tolist() == [0, 0, 0]
    assert picture[0, 5].tolist() == [10, 20, 30]
    second = picture[0, 2].astype(int) - PALETTE[0]
    assert 0 < abs(second).max() <= 28


def test_boundaries_of_things_only() -> None:
    picture = colorize(two_instances(), PALETTE)
    white = (picture == 255).all(axis=2)[0].tolist()
    # Between 5 and 8, between 8 and void; not between void and stuff.
    assert white == [False, True, False, True, False, False]
    turned = PanopticSegmentation.from_id_map(
        two_instances().id_map.T, [5, 8, 3], [0, 0, 1], [True, True, False]
    )
    assert (colorize(turned, PALETTE) == picture.transpose(1, 0, 2)).all()


def test_borders_grow_to_the_right_and_down() -> None:
    # One pixel of a thing in the middle: the line lies above, left of, and on it.
    seg = PanopticSegmentation.from_id_map(torch.tensor([[0, 0, 0], [0, 7, 0], [0, 0, 0]]), [7], [0], [True])
    assert thing_borders(seg).int().tolist() == [[0, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert thing_borders(seg, 2).int().tolist() == [[0, 1, 1], [1, 1, 1], [1, 1, 1]]
    assert thing_borders(seg, 9).int().tolist() == [[0, 1, 1], [1, 1, 1], [1, 1, 1]]
    stuff = PanopticSegmentation.from_id_map(seg.id_map, [7], [1], [False])
    assert not thing_borders(stuff, 3).any()
    assert not thing_borders(PanopticSegmentation.empty(0, 2), 3).any()
    with pytest.raises(ValueError, match="`width` to be at least 1, got 0"):
        thing_borders(seg, 0)


def test_a_crowd_is_striped_and_no_instance() -> None:
    ids = torch.tensor([[1] * 12 + [2] * 12 + [3] * 12])
    seg = PanopticSegmentation.from_id_map(
        ids, [1, 2, 3], [0, 0, 0], [True] * 3, iscrowd=[False, True, False]
    )
    plain = colorize(seg, PALETTE, boundaries=False)[0]
    assert plain[0].tolist() == plain[12].tolist() == PALETTE[0].tolist()  # the class's own colour
    assert plain[24].tolist() != PALETTE[0].tolist()  # the second instance
    assert torch.nonzero(crowd_stripes(seg)[0]).flatten().tolist() == [16]  # every eighth, in the crowd
    assert torch.nonzero(crowd_stripes(seg, 2)[0]).flatten().tolist() == [16, 17]
    assert colorize(seg, PALETTE)[0, 16].tolist() == [255, 255, 255]


def test_the_same_every_time_and_any_palette() -> None:
    seg = example_segmentation()
    assert (colorize(seg) == colorize(seg)).all()
    assert (colorize(seg, torch.from_numpy(default_palette(9))) == colorize(seg, default_palette(9))).all()
    assert colorize(PanopticSegmentation.empty(2, 3)).tolist() == np.zeros((2, 3, 3)).tolist()
    no_crowds = seg.ids[~seg.iscrowd].tolist()
    instances = [tuple(colorize(seg, boundaries=False)[seg.mask(i).numpy()][0]) for i in no_crowds]
    assert len(set(instances)) == len(instances)


def test_png_by_hand(tmp_path: Path) -> None:
    picture = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    write_png(tmp_path / "a.png", picture)
    data = (tmp_path / "a.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (3, 2)
    begin = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[begin - 4 : begin])
    rows = zlib.decompress(data[begin + 4 : begin + 4 + length])
    # Each row begins with its filter, 0.
    assert list(rows) == [0, *range(9), 0, *range(9, 18)]
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8 RGB, got \(2, 3\) uint8"):
        write_png(tmp_path / "b.png", picture[..., 0])


def test_default_palette_is_distinct() -> None:
    palette = default_palette(150).astype(int)
    apart = np.abs(palette[:, None] - palette).max(axis=2) + 99 * np.eye(150, dtype=int)
    assert apart.min() >= 2
    assert (default_palette(20) == default_palette(150)[:20]).all()
    assert default_palette(0).shape == (0, 3)


def test_rejects_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"a colour for label 1, got 1 colours"):
        colorize(two_instances(), PALETTE[:1])
    with pytest.raises(TypeError, match=r"`palette` to be uint8 RGB in \[0, 255\], got torch.float64"):
        colorize(two_instances(), PALETTE / 255)
