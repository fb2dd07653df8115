"""Pictures: their colours by hand, sizes and errors. How they look, a person must judge."""

import numpy as np
import pytest
import torch

from panoptic_core.categories import Category, CategoryTable
from panoptic_core.testing import tiny_scene
from panoptic_core.visualization import (
    comparison,
    draw_affinity,
    draw_legend,
    draw_names,
    legend,
    mismatch,
    overlay,
)
from panoptic_fusion import PanopticSegmentation

TABLE = CategoryTable("two", (Category(1, "cat", True, (200, 0, 0)), Category(2, "wall", False, (0, 100, 0))))


def seg(id_map: list[list[int]], ids: list[int], labels: list[int], **kwargs: object) -> PanopticSegmentation:
    is_thing = [label == 0 for label in labels]
    return PanopticSegmentation.from_id_map(torch.tensor(id_map), ids, labels, is_thing, **kwargs)


def test_overlay_mixes_by_hand() -> None:
    image = np.full((1, 3, 3), 100, dtype=np.uint8)
    truth = seg([[1, 2, 0]], [1, 2], [0, 1])
    # 0.25 * 100 + 0.75 * (200, 0, 0) = (175, 25, 25); wall: 25 + (0, 75, 0); void: black -> 25
    mixed = overlay(image, truth, TABLE.palette, opacity=0.75, boundaries=False)
    assert mixed.tolist() == [[[175, 25, 25], [25, 100, 25], [25, 25, 25]]]


def test_lines_are_crisp_and_grow_with_the_image() -> None:
    image = np.full((4, 8, 3), 100, dtype=np.uint8)
    truth = seg([[1, 1, 1, 1, 2, 2, 2, 2]] * 4, [1, 2], [0, 1])
    row = overlay(image, truth, TABLE.palette, opacity=0.5)[1]
    assert (row == 255).all(axis=1).tolist() == [False] * 3 + [True] + [False] * 4  # white, not mixed
    assert not (overlay(image, truth, TABLE.palette, opacity=0) != image).any()
    large = PanopticSegmentation.from_id_map(torch.ones((1024, 1100)).int(), [1], [0], [True])
    large.id_map[:, 550:] = 0
    row = overlay(np.zeros((1024, 1100, 3), np.uint8), large, TABLE.palette)[5]
    assert np.flatnonzero((row == 255).all(axis=1)).tolist() == [549, 550]  # 1024 / 512 pixels


@pytest.mark.parametrize(("row", "drawn"), [(29, False), (45, True)])
def test_names_do_not_lie_on_each_other(row: int, drawn: bool) -> None:
    id_map = np.zeros((60, 200), dtype=np.int32)
    id_map[20:29], id_map[row : row + 7] = 1, 2  # 8 rows between their middles, or 24; a name has 13
    two = PanopticSegmentation.from_id_map(id_map, [1, 2], [1, 0], [False, True])
    blank = np.full((60, 200, 3), 90, dtype=np.uint8)
    larger = two.select(torch.tensor([True, False]))
    assert (draw_names(blank, two, TABLE) != draw_names(blank, larger, TABLE)).any() == drawn


def test_a_crowd_is_marked() -> None:
    ids = np.ones((40, 200), dtype=np.int32)
    one = PanopticSegmentation.from_id_map(ids, [1], [0], [True], iscrowd=[True])
    drawn = overlay(np.zeros((40, 200, 3), np.uint8), one, TABLE.palette)
    assert (drawn == 255).all(axis=2).mean() == pytest.approx(1 / 8, abs=0.01)
    alone = PanopticSegmentation.from_id_map(ids, [1], [0], [True])
    blank = np.full((40, 200, 3), 90, dtype=np.uint8)
    widths = [(draw_names(blank, which, TABLE) != 90).any(axis=(0, 2)).sum() for which in (alone, one)]
    assert widths[1] > 2 * widths[0]  # "cat (crowd)"


def test_mismatch_by_hand() -> None:
    # truth: wall 1 over 4 px, cat 2 over 2 px, crowd of cats 3, void
    target = seg([[1, 1, 1, 1, 2, 2, 3, 0]], [1, 2, 3], [1, 0, 0], iscrowd=[False, False, True])
    # prediction: wall 7 (IoU 1), cat 8 (IoU 1/2: no match, FP and FN), cat 9 inside crowd and void: excused
    pred = seg([[7, 7, 7, 7, 8, 0, 9, 9]], [7, 8, 9], [1, 0, 0])
    white, black, grey = 255, 0, 128
    expected = [white] * 4 + [black, black, grey, grey]
    assert mismatch(pred, target, 2)[0, :, 0].tolist() == expected


def test_black_wins_over_white() -> None:
    target = seg([[1, 1, 1, 2]], [1, 2], [1, 0])  # the cat is missed; the wall covers it (IoU 3/4)
    pred = seg([[7, 7, 7, 7]], [7], [1])
    assert mismatch(pred, target, 2)[0, :, 0].tolist() == [255, 255, 255, 0]


def test_names_lie_inside_their_segment() -> None:
    id_map = np.ones((40, 200), dtype=np.int32)
    id_map[:, 100:] = 2
    two = PanopticSegmentation.from_id_map(id_map, [1, 2], [1, 0], [False, True], scores=[1.0, 0.5])
    blank = np.full((40, 200, 3), 90, dtype=np.uint8)
    drawn = (draw_names(blank, two, TABLE) != 90).any(axis=(0, 2))
    assert drawn[:100].any()
    assert drawn[100:].any()
    assert not drawn[95:105].any()
    assert not draw_names(blank[:2, :4], two.select(torch.tensor([False, False])), TABLE).any(where=False)


def test_legend_lists_what_is_there() -> None:
    picture = np.zeros((4, 120, 3), dtype=np.uint8)
    with_legend = draw_legend(picture, seg([[2, 2]], [2], [1]), TABLE)
    assert with_legend.shape[1] == 120
    below = with_legend[4:].reshape(-1, 3)
    assert (below == (0, 100, 0)).all(axis=1).any()
    assert not (below == (200, 0, 0)).all(axis=1).any()
    assert draw_legend(picture, seg([[0]], [], []), TABLE).shape == (4, 120, 3)
    both = draw_legend(picture, [seg([[2, 2]], [2], [1]), seg([[1, 1]], [1], [0])], TABLE)[4:].reshape(-1, 3)
    assert all((both == color).all(axis=1).any() for color in ((0, 100, 0), (200, 0, 0)))


def test_a_legend_of_fixed_height() -> None:
    strips = [legend(TABLE, labels, 60, rows=1) for labels in ([0], [1, 0], [])]
    assert {strip.shape for strip in strips} == {(6 + 19, 60, 3)}
    green, red = (
        (strips[1].reshape(-1, 3) == color).all(axis=1).any() for color in ((0, 100, 0), (200, 0, 0))
    )
    assert (green, red) == (True, False)  # no room for the second
    more = legend(TABLE, [0], 300, extra=[("matched", (1, 2, 3))])
    assert (more.reshape(-1, 3) == (1, 2, 3)).all(axis=1).any()


def test_the_mismatch_has_a_legend() -> None:
    scene = tiny_scene()
    below = comparison(scene.image, scene.segmentation, scene.table, scene.segmentation)[-60:].reshape(-1, 3)
    assert (below == (128, 128, 128)).all(axis=1).any()


def test_comparison_of_a_scene() -> None:
    scene = tiny_scene()
    empty = PanopticSegmentation.empty(*scene.segmentation.shape)
    sheet = comparison(scene.image, empty, scene.table, scene.segmentation, least_width=96)
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 4 * 96 + 3 * 6  # 48 px wide, enlarged twice; margins of 6
    alone = comparison(scene.image, scene.segmentation, scene.table, least_width=1)
    assert alone.shape[1] == 2 * 48 + 6


def test_errors() -> None:
    scene = tiny_scene()
    with pytest.raises(ValueError, match=r"size of the map, \(32, 48\), got \(16, 48\)"):
        overlay(scene.image[:16], scene.segmentation, scene.table.palette)
    with pytest.raises(ValueError, match=r"`opacity` to be in \[0, 1\], got 2"):
        overlay(scene.image, scene.segmentation, scene.table.palette, opacity=2)
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8 RGB, got \(32, 48\) uint8"):
        overlay(scene.image[..., 0], scene.segmentation, scene.table.palette)


def test_affinity_by_hand() -> None:
    image = np.full((1, 20, 3), 100, dtype=np.uint8)
    affinity = np.zeros((1, 20))
    affinity[0, 0], affinity[0, 1], affinity[0, 19] = 4, -1, -4
    # Opacity 0.9 sqrt(|a| / 4): 0.9 of yellow over grey 45; of -1/4 0.45 of 3/4 dark and 1/4 light blue.
    drawn = draw_affinity(image, affinity, 10, 0)[0]
    assert drawn[0].tolist() == [round(4.5 + 0.9 * value) for value in (255, 240, 60)]
    blue = (15, 60, 0.75 * 150 + 0.25 * 255)
    assert drawn[1].tolist() == [round(0.55 * 45 + 0.45 * value) for value in blue]
    assert drawn[19].tolist() == [round(4.5 + 0.9 * value) for value in (60, 240, 255)]
    # The pixel itself shows through the cross: neither gives nor takes.
    assert drawn[9:12].tolist() == [[255] * 3, [45] * 3, [255] * 3]
    assert draw_affinity(image, 0 * affinity, 10, 0)[0, :5].tolist() == [[45] * 3] * 5


@pytest.mark.parametrize(("x", "y"), [(0, 0), (39, 29), (20, 0), (20, 15)])
def test_a_cross_at_every_place(x: int, y: int) -> None:
    drawn = draw_affinity(np.full((30, 40, 3), 200, dtype=np.uint8), np.zeros((30, 40)), x, y)
    assert (drawn == 255).any()
    assert (drawn == 0).any()
    assert drawn[y, x].tolist() == [90] * 3
    with pytest.raises(ValueError, match=r"`affinity` of the image's size, \(30, 40\), got \(40, 30\)"):
        draw_affinity(np.zeros((30, 40, 3), dtype=np.uint8), np.zeros((40, 30)), 0, 0)
