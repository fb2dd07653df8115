"""Windows: where they lie, and that a network without context does not see them."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.pspnet import Windows, slide


def _spans(windows: Windows, height: int, width: int) -> list[tuple[int, int, int, int]]:
    return [(y.start, y.stop, x.start, x.stop) for y, x in windows.places(height, width)]


def test_places_by_hand() -> None:
    windows = Windows(size=(4, 5), stride=(3, 3))
    # Rows of 9: 0-4, 3-7, and the last one moved up to end with the image, 5-9. Columns of 5: one.
    assert _spans(windows, 9, 5) == [(0, 4, 0, 5), (3, 7, 0, 5), (5, 9, 0, 5)]
    assert _spans(windows, 3, 6) == [(0, 3, 0, 5), (0, 3, 1, 6)]  # a low image has low windows
    assert _spans(windows, 4, 8) == [(0, 4, 0, 5), (0, 4, 3, 8)]
    assert _spans(windows, 2, 2) == [(0, 2, 0, 2)]


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (20, 31), (513, 20)])
def test_every_pixel_is_seen(size: tuple[int, int]) -> None:
    seen = torch.zeros(size)
    for rows, columns in Windows(size=(6, 7), stride=(4, 5)).places(*size):
        seen[rows, columns] += 1
        assert seen[rows, columns].shape == (min(6, size[0]), min(7, size[1]))
    assert seen.min() >= 1


def test_pointwise_networks_do_not_notice_windows() -> None:
    images = torch.randn(2, 3, 20, 31, generator=torch.Generator().manual_seed(0))

    def network(crop: Tensor) -> Tensor:
        return torch.stack([crop.sum(1), crop.amax(1)], dim=1)

    torch.testing.assert_close(slide(network, images, Windows((6, 7), (4, 5))), network(images))


def test_overlaps_are_averaged_by_hand() -> None:
    images = torch.tensor([1.0, 2, 3, 4, 5]).expand(1, 3, 1, 5)
    # Windows 1 2 3 and 3 4 5, each says its own mean everywhere: 2 and 4; the middle pixel 3.
    out = slide(lambda x: x[:, :1].mean(3, keepdim=True).expand(1, 1, 1, 3), images, Windows((1, 3), (1, 2)))
    assert out.flatten().tolist() == [2, 2, 3, 4, 4]


def test_one_window_is_the_whole_image() -> None:
    images = torch.randn(1, 3, 9, 11, generator=torch.Generator().manual_seed(0))

    def network(crop: Tensor) -> Tensor:  # it looks around
        return F.avg_pool2d(crop, 3, stride=1, padding=1) + crop.mean()

    for size in ((9, 11), (20, 20), (9, 30)):
        assert torch.equal(slide(network, images, Windows(size, (1, 1))), network(images))


def test_errors() -> None:
    for size, stride in (((4, 4), (0, 2)), ((4, 4), (2, 5))):
        with pytest.raises(ValueError, match="0 < `stride` <= `size`"):
            Windows(size, stride)
    with pytest.raises(ValueError, match=r"entries \['size', 'stride'\], got \['size'\]"):
        Windows.read({"size": (4, 4)})
    assert Windows.read({"size": [4, 5], "stride": [2, 3]}) == Windows((4, 5), (2, 3))
