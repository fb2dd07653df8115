"""Things taken for stuff: by hand and against a literal loop."""

import math

import numpy as np
import pytest

from panoptic_core.metrics import confusion_matrix, thing_stuff_confusion
from panoptic_core.testing import tiny_scene


def test_eleven_pixels_by_hand() -> None:
    # Classes 0, 1 are things, 2, 3 stuff, 9 is void.
    # target 0 0 0 1 1   2 2 3 3 3   9   of 5 thing pixels: 3 are things (one the wrong one), 1 stuff, 1 void
    # pred   0 1 2 1 9   3 2 0 3 3   0   of 5 stuff pixels: 4 are stuff (one the wrong one), 1 a thing
    target = np.array([[0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 9]])
    pred = np.array([[0, 1, 2, 1, 9, 3, 2, 0, 3, 3, 0]])
    confusion = confusion_matrix(pred, target, 4, ignore_index=9)
    result = thing_stuff_confusion(confusion, [True, True, False, False])
    assert result.pixels.tolist() == [[3, 1, 1], [1, 4, 0]]
    assert result.percent.tolist() == [[60, 20, 20], [20, 80, 0]]
    assert result.to_dict() == {
        "thing_as_thing": 60, "thing_as_stuff": 20, "thing_as_void": 20,
        "stuff_as_thing": 20, "stuff_as_stuff": 80, "stuff_as_void": 0,
    }  # fmt: skip
    assert result.to_table() == (
        "truth     as thing  as stuff   as void\n"
        "thing        60.00     20.00     20.00\n"
        "stuff        20.00     80.00      0.00"
    )


@pytest.mark.parity
def test_matches_a_literal_loop() -> None:
    rng = np.random.default_rng(0)
    pred, target = rng.integers(0, 6, (2, 20, 30))  # 5 is void
    is_thing = np.array([True, False, True, False, False])  # flags need not be sorted
    expected = np.zeros((2, 3), dtype=np.int64)
    for p, t in zip(pred.flat, target.flat, strict=True):
        if t != 5:
            expected[0 if is_thing[t] else 1, 2 if p == 5 else 0 if is_thing[p] else 1] += 1
    result = thing_stuff_confusion(confusion_matrix(pred, target, 5, ignore_index=5), is_thing)
    assert result.pixels.tolist() == expected.tolist()
    np.testing.assert_allclose(result.percent.sum(axis=1), 100)


def test_groups_that_do_not_occur_are_nan() -> None:
    result = thing_stuff_confusion(np.zeros((2, 3), dtype=np.int64), [True, False])
    assert all(math.isnan(value) for value in result.to_dict().values())
    assert result.to_table().splitlines()[1:] == [
        f"{name}   {'-':>10}{'-':>10}" for name in ("thing", "stuff")
    ]
    only_stuff = thing_stuff_confusion(np.array([[3, 1]]), [False])
    assert math.isnan(only_stuff.to_dict()["thing_as_stuff"])
    assert only_stuff.to_dict()["stuff_as_stuff"] == 75


def test_a_category_table_says_which_are_things() -> None:
    table = tiny_scene().table  # 2 things, 3 stuff classes
    confusion = np.eye(5, 6, dtype=np.int64) * 7
    assert thing_stuff_confusion(confusion, table).pixels.tolist() == [[14, 0, 0], [0, 21, 0]]


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"\(C, C \+ 1\), got \(2, 2\). Use `confusion_matrix`"):
        thing_stuff_confusion(np.zeros((2, 2), dtype=np.int64), [True, False])
    with pytest.raises(ValueError, match=r"as many classes as the counts have, 2, got 3\. Count with"):
        thing_stuff_confusion(np.zeros((2, 3), dtype=np.int64), [True, False, False])
