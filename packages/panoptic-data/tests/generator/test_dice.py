"""Dice: the same keys give the same stream, and each roll keeps its range."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from panoptic_data.generator.dice import Dice

keys = st.integers(0, 2**32)


@given(keys, keys)
def test_the_keys_alone_decide(seed: int, index: int) -> None:
    first, second = Dice(seed, index), Dice(seed, index)
    assert [first.unit() for _ in range(5)] == [second.unit() for _ in range(5)]
    np.testing.assert_array_equal(first.grid(3, 4), second.grid(3, 4))


def test_other_keys_give_other_streams() -> None:
    assert len({Dice(seed, index).unit() for seed in range(4) for index in range(4)}) == 16


def test_a_known_stream() -> None:
    # numpy's PCG64 seeded with (3, 5), in blocks of 512 that are used up from the end.
    rng = np.random.Generator(np.random.PCG64((3, 5)))
    expected = rng.random(512)[::-1]
    dice = Dice(3, 5)
    assert [dice.unit() for _ in range(3)] == expected[:3].tolist()


@given(keys, st.integers(-3, 3), st.integers(0, 5))
def test_whole_numbers_stay_in_range(seed: int, low: int, more: int) -> None:
    dice = Dice(seed)
    assert all(low <= dice.whole(low, low + more) <= low + more for _ in range(20))


def test_weights_by_hand() -> None:
    # Weights 1 : 0 : 3, so the second is never chosen and the third three times as often as the first.
    dice = Dice(1)
    drawn = [dice.weighted("abc", (1.0, 0.0, 3.0)) for _ in range(4000)]
    assert drawn.count("b") == 0
    assert abs(drawn.count("c") / drawn.count("a") - 3) < 0.4


def test_grid_is_centred_noise() -> None:
    grid = Dice(2).grid(100, 100)
    assert grid.dtype == np.float32
    assert -1 <= grid.min() < -0.98 < 0.98 < grid.max() <= 1
    assert abs(grid.mean()) < 0.02
