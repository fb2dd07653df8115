"""Our deformable convolutions give mmcv's values and gradients, through mmcv's own functions."""

from typing import Any

import pytest
import torch
from torch import Tensor

LIMITS = {torch.float32: 1e-5, torch.float64: 1e-12}
GEOMETRIES = {  # kernel, stride, padding, dilation, groups, deform_groups, input
    "plain": ((3, 3), 1, 1, 1, 1, 1, (2, 8, 13, 17)),
    "groups": ((3, 3), 1, 1, 1, 4, 1, (2, 8, 13, 17)),
    "deform_groups": ((3, 3), 1, 1, 1, 1, 4, (2, 8, 13, 17)),
    "all": ((3, 3), 2, 2, 2, 2, 4, (4, 8, 15, 12)),
    "uneven": ((1, 4), 1, (0, 3), 1, 2, 2, (1, 8, 9, 11)),
    "tiny": ((3, 3), 1, 1, 1, 1, 1, (3, 4, 3, 3)),
    "channels": ((3, 3), 1, 1, 1, 1, 1, (1, 96, 20, 20)),
}


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("spread", [0.0, 0.7, 20.0], ids=["whole", "near", "far"])
@pytest.mark.parametrize("version", ["v1", "v2", "v2 with bias"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_values_and_gradients(
    both: Any, close: Any, geometry: str, version: str, spread: float, dtype: torch.dtype
) -> None:
    from mmcv.ops import deform_conv2d, modulated_deform_conv2d

    kernel, stride, padding, dilation, groups, deform_groups, shape = GEOMETRIES[geometry]
    pad = padding if isinstance(padding, tuple) else (padding, padding)
    size = [
        (extent + 2 * p - dilation * (k - 1) - 1) // stride + 1
        for extent, p, k in zip(shape[2:], pad, kernel, strict=True)
    ]
    generator = torch.Generator().manual_seed(0)

    def random(*sizes: int) -> Tensor:
        return torch.randn(*sizes, generator=generator, dtype=torch.float64).to(dtype)

    taps = deform_groups * kernel[0] * kernel[1]
    offset = spread * random(shape[0], 2 * taps, *size)
    offset = offset + torch.randint(-2, 3, offset.shape, generator=generator)  # on the pixels, and beyond
    tensors = {
        "input": random(*shape),
        "offset": offset,
        "weight": random(6 * groups, shape[1] // groups, *kernel),
    }
    if version != "v1":
        tensors["mask"] = random(shape[0], taps, *size).sigmoid()
    if version == "v2 with bias":
        tensors["bias"] = random(6 * groups)
    direction = random(shape[0], 6 * groups, *size)

    def run() -> dict[str, Tensor]:
        x = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
        numbers = (stride, padding, dilation, groups, deform_groups)
        if version == "v1":
            out = deform_conv2d(x["input"], x["offset"], x["weight"], *numbers, False, shape[0])
        else:
            out = modulated_deform_conv2d(
                x["input"], x["offset"], x["mask"], x["weight"], x.get("bias"), *numbers
            )
        grads = torch.autograd.grad(out, list(x.values()), direction)
        return {"": out.detach()} | {
            f", gradient of {name}": grad for name, grad in zip(x, grads, strict=True)
        }

    theirs, mine = both(run)
    for name in theirs:
        close(f"DCN {version[:2]}{name}", theirs[name], mine[name], LIMITS[dtype])


def test_batch_cut_by_im2col_step(both: Any, close: Any) -> None:
    from mmcv.ops import deform_conv2d

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, 4, 9, 9, generator=generator)
    offset = torch.randn(6, 18, 9, 9, generator=generator)
    weight = torch.randn(4, 4, 3, 3, generator=generator)
    for step in (1, 2, 3, 6, 32):
        theirs, mine = both(lambda step=step: deform_conv2d(x, offset, weight, 1, 1, 1, 1, 1, False, step))
        close("DCN v1, im2col_step", theirs, mine, 1e-5)
