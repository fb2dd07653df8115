"""Shapes painted over each other."""

import numpy as np
import pytest

from panoptic_core.categories import Category, CategoryTable
from panoptic_data.converting.painting import (
    Layer,
    Region,
    from_crop,
    from_ellipse,
    from_polygon,
    from_rectangle,
    from_segmentation,
    paint,
)

SIZE = (6, 8)
TABLE = CategoryTable("two", (Category(1, "cow", True, (255, 0, 0)), Category(2, "sky", False, (0, 0, 255))))


def full(region: Region) -> np.ndarray:
    image = np.zeros(SIZE, dtype=int)
    height, width = region.crop.shape
    image[region.y : region.y + height, region.x : region.x + width] = region.crop
    return image


def box(x0: int, y0: int, x1: int, y1: int) -> Region:
    return from_rectangle(x0, y0, x1, y1, SIZE)


def test_rectangles_hold_pixel_centres() -> None:
    assert full(box(1, 2, 4, 5)).sum() == 9
    assert full(box(1, 2, 4, 5))[2:5, 1:4].all()
    # 0.5 to 2.5 holds the centres 0.5 (on the left rim), 1.5, but not 2.5.
    assert full(from_rectangle(0.5, 0.5, 2.5, 1.5, SIZE)).nonzero()[1].tolist() == [0, 1]
    assert (full(from_rectangle(-9, -9, 99, 99, SIZE)) == 1).all()
    assert from_rectangle(20, 20, 30, 30, SIZE).area == 0
    assert full(from_rectangle(4, 5, 1, 2, SIZE)).sum() == 9  # corners in any order
    # A quarter turn about the centre (4, 3): 4 x 2 becomes 2 x 4.
    assert np.array_equal(full(from_rectangle(2, 2, 6, 4, SIZE, 90.0)), full(box(3, 1, 5, 5)))


def test_ellipses() -> None:
    # Around (4, 3), radius 1.5: the four pixels at distance 0.71, and not those at 1.58.
    assert full(from_ellipse(4, 3, 1.5, 1.5, SIZE)).sum() == 4
    wide, tall = from_ellipse(4, 3, 3, 1, SIZE), from_ellipse(4, 3, 3, 1, SIZE, 90.0)
    assert wide.area == full(wide).sum() > 6
    assert np.array_equal(full(tall)[:, 3:5].sum(axis=1), [1 + 1, 2, 2, 2, 2, 2])
    assert from_ellipse(4, 3, 0, 1, SIZE).area == 0
    with pytest.raises(ValueError, match="finite coordinates"):
        from_ellipse(float("nan"), 3, 1, 1, SIZE)


def test_polygons_are_cocos() -> None:
    region = from_polygon([(1, 1), (4, 1), (4, 3), (1, 3)], SIZE)
    assert np.array_equal(full(region), full(box(1, 1, 4, 3)))
    outside = from_polygon([(-3, -3), (4, -3), (4, 3), (-3, 3)], SIZE)
    assert np.array_equal(full(outside), full(box(0, 0, 4, 3)))
    assert from_polygon([(20, 20), (30, 20), (30, 30)], SIZE).area == 0
    assert from_polygon([(1, 1), (4, 1)], SIZE).area == 0
    assert from_segmentation([[1, 1, 4, 1], [1, 1, 4, 1, 4, 3, 1, 3]], SIZE).area == 6
    with pytest.raises(ValueError, match="at least three points"):
        from_segmentation([[1, 1, 4]], SIZE)
    assert from_segmentation({"size": [6, 8], "counts": [7, 3, 38]}, SIZE).area == 3


def test_crops_are_cut() -> None:
    crop = np.ones((4, 4), dtype=bool)
    assert full(from_crop(crop, -2, 4, SIZE)).nonzero()[0].tolist() == [4, 4, 5, 5]
    assert from_crop(crop, 9, 0, SIZE).area == from_crop(crop, 0, -4, SIZE).area == 0


def test_the_last_one_is_on_top() -> None:
    layers = [
        Layer("sky 1", 2, box(0, 0, 8, 2)),
        Layer("cow 1", 1, box(0, 1, 4, 4)),
        Layer("cow 2", 1, box(2, 1, 6, 4)),
        Layer("sky 2", 2, box(7, 0, 8, 6)),
        Layer("nobody", None, box(0, 1, 1, 4)),
    ]
    segments = paint(layers, SIZE, TABLE)
    areas = [int((segments.id_map == i).sum()) for i in segments.ids]
    # sky: 16 and 4 more below; 6 under the cows. Cow 1: 2 columns of 3, one of them nobody's. Cow 2: 4 x 3.
    assert list(zip(segments.category_ids, areas, strict=True)) == [(2, 16 + 4 - 6), (1, 3), (1, 12)]
    assert (segments.id_map[1:4, 0] == 0).all()
    assert segments.notes == ()


def test_groups_are_one_instance() -> None:
    layers = [
        Layer("a", 1, box(0, 0, 2, 2), key=7),
        Layer("b", 1, box(4, 4, 6, 6), key=7),
        Layer("c", 1, box(6, 0, 8, 2), key=8),
        Layer("d", 1, box(6, 4, 8, 6), key=7, iscrowd=True),
    ]
    segments = paint(layers, SIZE, TABLE)
    assert [int((segments.id_map == i).sum()) for i in segments.ids] == [8, 4, 4]
    assert segments.iscrowd == [False, False, True]


def test_nothing_is_lost_silently() -> None:
    layers = [
        Layer("below", 1, box(1, 1, 2, 2)),
        Layer("outside", 1, box(20, 1, 22, 2)),
        Layer("above", 1, box(0, 0, 4, 4)),
    ]
    segments = paint(layers, SIZE, TABLE, ["known"])
    assert len(segments.ids) == 1
    assert segments.notes == (
        "known",
        "outside covers no pixel and is left out",
        "below: hidden by others, and left out",
    )
    empty = paint([], SIZE, TABLE)
    assert (empty.ids, int(empty.id_map.max())) == ([], 0)
