"""The tiny scene shows what it promises, at every size."""

import numpy as np
import pytest

from panoptic_core.testing import tiny_scene


@pytest.mark.parametrize("size", [(32, 48), (16, 24), (65, 129)])
def test_every_segment_is_visible(size: tuple[int, int]) -> None:
    scene = tiny_scene(*size)
    assert scene.image.shape == (*size, 3)
    assert scene.image.dtype == np.uint8
    assert scene.segmentation.ids.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert scene.segmentation.areas.min() > 0
    assert (scene.segmentation.id_map == 0).any()
    assert scene.segmentation.iscrowd.tolist() == [False] * 6 + [True]


def test_same_call_same_scene() -> None:
    np.testing.assert_array_equal(tiny_scene().image, tiny_scene().image)


def test_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 x 24 pixels, got 8 x 8"):
        tiny_scene(8, 8)
