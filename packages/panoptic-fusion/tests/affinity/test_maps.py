"""What a network says on its own grid: checks, devices, cell centres, and the fusion of it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from panoptic_fusion import AffinityMaps, fuse_by_affinity, fuse_by_affinity_maps
from panoptic_fusion.affinity.maps import count_known

GRID = 3, 4


def make(**parts: object) -> AffinityMaps:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(3, 5, *GRID, generator=generator)
    given = {"sem_logits": maps[0], "phi0": maps[1], "phi1": maps[2], "gamma": torch.tensor([2.0])}
    return AffinityMaps(**{**given, **parts})


def test_holds_tensors() -> None:
    maps = make(sem_logits=np.zeros((5, *GRID), np.float32), stride=(4, 5))
    assert isinstance(maps.sem_logits, torch.Tensor)
    assert (maps.grid, maps.stride) == (GRID, (4.0, 5.0))
    assert list(maps.tensors) == ["sem_logits", "phi0", "phi1", "gamma"]
    alone = maps.without_affinity()
    assert (list(alone.tensors), alone.gamma, alone.stride) == (["sem_logits"], 0, (4.0, 5.0))
    assert maps.rescale(0.5, 2.0).stride == (2.0, 10.0)
    moved = maps.to("meta")
    assert {tensor.device.type for tensor in moved.tensors.values()} == {"meta"}
    assert moved.device.type == "meta"


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({"phi1": None}, ValueError, "Expected both `phi0` and `phi1`, or neither, got one"),
        ({"phi0": torch.zeros(5, 3, 5)}, ValueError, r"`phi0` to have the shape .*, got \(5, 3, 5\)"),
        ({"phi1": torch.zeros(4, *GRID)}, ValueError, r"`phi1` to have the shape \(5, 3, 4\) of `phi0`"),
        ({"phi1": torch.zeros(5, *GRID, device="meta")}, ValueError, "`phi1` on the device of `sem_logits`"),
        ({"gamma": torch.zeros(2)}, ValueError, r"`gamma` to have the shape \(\) or \(1,\), one value"),
        ({"gamma": torch.zeros(1, device="meta")}, ValueError, "`gamma` on the device of `sem_logits`"),
        ({"stride": (4.0, 0.0)}, ValueError, r"`stride` to be finite and > 0, got \(4.0, 0.0\)"),
        ({"sem_logits": torch.zeros(5, *GRID).long()}, TypeError, "A label map is not enough here"),
    ],
)
def test_refuses_what_does_not_fit(parts: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(**parts)


def test_pixels_at_centers() -> None:
    # 5 rows in cells of 2 (centres at 1, 3, 5: the last one is beyond), 6 columns in cells of 1.5 (centres
    # at 0.75, 2.25, 3.75 and 5.25: pixels 0, 2, 3 and 5).
    pixels = torch.arange(30).view(5, 6)
    expected = [[6, 8, 9, 11], [18, 20, 21, 23], [255] * 4]
    maps = make(stride=(2.0, 1.5))
    assert maps.at_centers(pixels, 255).tolist() == expected
    assert maps.at_centers(torch.stack([pixels, pixels]), 255).tolist() == [expected] * 2
    assert maps.at_centers(torch.zeros(0, 6), 7.0).tolist() == [[7.0] * 4] * 3


def test_a_centre_on_the_border_is_padding() -> None:
    # Columns 0 to 845 of the input became 496: the centre of cell 211, at 846, is on the border of the image,
    # and 211.5 * (4 * (496 / 846)) is 495.99999999999994. In training it is no valid cell.
    assert count_known(496, 4 * (496 / 846), 216) == 211
    assert [count_known(pixels, 4.0, 3) for pixels in (1, 2, 3, 6, 7, 10, 11, 99)] == [0, 0, 1, 1, 2, 2, 3, 3]
    maps = AffinityMaps(torch.zeros(1, 1, 216), stride=(1.0, 4 * (496 / 846)))
    assert maps.at_centers(torch.zeros(1, 496), 1.0).sum() == 216 - 211


@pytest.mark.parametrize("affinity", [True, False])
def test_fusion_is_that_of_the_parts(scene: Callable, affinity: bool) -> None:
    one = scene(2)
    generator = torch.Generator().manual_seed(2)
    logits, phi0, phi1 = (torch.randn(7, 11, 15, generator=generator) for _ in range(3))
    maps = AffinityMaps(2 * logits, phi0, phi1, gamma=3.0, stride=(4.0, 4.0))
    options = {"num_things": 3, "size": (40, 56), "form": "sum", "score_threshold": 0.2}
    found = fuse_by_affinity_maps(one.masks, one.labels, one.scores, maps, affinity=affinity, **options)
    features = (phi0, phi1) if affinity else ()
    parts = one.masks, one.labels, one.scores, 2 * logits, *features
    expected = fuse_by_affinity(*parts, gamma=3.0, stride=4, **options)
    assert torch.equal(found.id_map, expected.id_map)
    limited = fuse_by_affinity_maps(
        one.masks, one.labels, one.scores, maps, affinity=affinity, stuff_area_limit=9999, **options
    )
    assert limited.is_thing.all()


def test_affinity_of_a_pixel_by_hand() -> None:
    # Columns of 2 pixels: cells 0 and 1 give 1 and 3 to cell 0 (phi0 1) and nothing to cell 1 (phi0 0); the
    # third cell's centre, 5, lies beyond the 4 pixels: padding, whatever it says.
    maps = AffinityMaps(
        torch.zeros(2, 1, 3),
        torch.tensor([[[1.0, 0, 9]]]),
        torch.tensor([[[1.0, 3, 99]]]),
        gamma=torch.tensor(-0.5),
        stride=(1.0, 2.0),
    )
    # Pixel centres 0.5, 1.5, 2.5, 3.5; cells' centres 1 and 3: 1, 1.5, 2.5, 3 times gamma.
    for x in (0, 1):
        assert maps.affinity_at(x, 0, (1, 4)).tolist() == [[-0.5, -0.75, -1.25, -1.5]]
    for x in (2, 3):
        assert maps.affinity_at(x, 0, (1, 4)).abs().tolist() == [[0.0] * 4]
    for x, y in ((4, 0), (0, 1), (-1, 0)):
        with pytest.raises(ValueError, match=rf"4 columns and 1 rows, got x = {x}, y = {y}"):
            maps.affinity_at(x, y, (1, 4))
    with pytest.raises(ValueError, match="with `phi0` and `phi1`, got none"):
        maps.without_affinity().affinity_at(0, 0, (1, 4))


def test_a_pixel_of_an_image_in_cells_of_its_own() -> None:
    maps = make()
    assert isinstance(maps.gamma, torch.Tensor)
    explicit = maps.gamma * torch.einsum("cyx,cvu->yxvu", maps.phi0, maps.phi1)
    for y, x in ((0, 0), (1, 3), (2, 2)):
        torch.testing.assert_close(maps.affinity_at(x, y, GRID), explicit[y, x])
    half = make(phi0=maps.phi0.bfloat16(), phi1=maps.phi1.bfloat16())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = half.affinity_at(3, 1, GRID)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, explicit[1, 3], rtol=0.02, atol=0.02)
