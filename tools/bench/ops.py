"""The operators of `panoptic_core.ops` beside mmcv's compiled ones, through the same signatures.

Both offer the module `mmcv._ext`, so that each case is one call made twice, in turns. Where no compiled mmcv
is installed (`nox -s tests_mmcv` makes one) only our times are printed.
"""

import argparse
import importlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from bench._timing import Table, interleaved
from torch import Tensor

from panoptic_core.ops import _ext as ours
from panoptic_core.ops.finder import compiled_extension


class Case(NamedTuple):
    """One row of the table."""

    name: str
    call: Callable[[Any], object]  # takes the extension module
    bar: float = 1.0  # compiled time / our time


def run(args: argparse.Namespace) -> None:
    """Print one row a case.

    Args:
        args: `repeats` is used if it is there.
    """
    repeats = getattr(args, "repeats", None) or 9
    path = compiled_extension()
    compiled = importlib.import_module("mmcv._ext") if path else None
    one_thread = torch.get_num_threads() == 1
    clock = time.thread_time if one_thread else time.perf_counter
    table = Table(f"Operators beside {path}; {'CPU' if one_thread else 'wall'} time" if path else "Operators")
    for case in [*_nms_cases(), *_roi_cases(), *_conv_cases()]:
        calls = [partial(case.call, ours)] + ([partial(case.call, compiled)] if compiled else [])
        times = interleaved(calls, repeats=repeats, clock=clock)
        if compiled:
            table.faster(case.name, "compiled mmcv", times[1], times[0], case.bar)
        else:
            table.skip(case.name, f"no compiled mmcv here; ours takes {times[0]:.2f} ms")
    table.close()


def _boxes(
    generator: torch.Generator, count: int, objects: int, extent: tuple[int, int], size: int
) -> Tensor:
    """Boxes ``(count, 4)`` scattered around ``objects`` objects of about ``size`` pixels."""
    height, width = extent
    centre = torch.rand(objects, 2, generator=generator) * torch.tensor([width, height])
    sides = size * torch.exp(0.5 * torch.randn(objects, 2, generator=generator))
    which = torch.randint(0, objects, (count,), generator=generator)
    noise = torch.randn(2, count, 2, generator=generator)
    middle = centre[which] + 0.15 * sides[which] * noise[0]
    half = 0.5 * sides[which] * torch.exp(0.15 * noise[1])
    boxes = torch.cat([middle - half, middle + half], 1)
    return boxes.clamp(torch.zeros(4), torch.tensor([width, height] * 2))


def _nms_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(0)
    large, small = (800, 1333), (128, 128)
    sets = {  # boxes, threshold, groups moved apart
        "NMS, 60 boxes, 128 px": (_boxes(generator, 60, 20, small, 30), 0.7, 1),
        "NMS, 300 boxes, 128 px": (_boxes(generator, 300, 60, small, 30), 0.7, 1),
        "NMS, 1000 boxes, 800x1333": (_boxes(generator, 1000, 300, large, 64), 0.7, 1),
        "NMS, 4741 boxes, 5 levels apart": (_boxes(generator, 4741, 400, large, 64), 0.7, 5),
        "NMS, 1000 boxes on 20 objects": (_boxes(generator, 1000, 20, large, 200), 0.5, 1),
        "NMS, 4000 boxes on 40 objects": (_boxes(generator, 4000, 40, large, 200), 0.5, 1),
        "NMS, 1000 boxes, 80 classes apart": (_boxes(generator, 1000, 30, large, 150), 0.5, 80),
        "NMS, 8000 boxes, 80 classes apart": (_boxes(generator, 8000, 30, large, 150), 0.5, 80),
    }
    cases = []
    for name, (boxes, threshold, groups) in sets.items():
        scores = torch.rand(len(boxes), generator=generator)
        group = torch.arange(len(boxes)) % groups
        boxes = boxes + (group * (boxes.max() + 1))[:, None]  # as mmcv's batched_nms does

        def call(
            ext: Any, boxes: Tensor = boxes, scores: Tensor = scores, limit: float = threshold
        ) -> object:
            return ext.nms(boxes, scores, iou_threshold=limit, offset=0)

        cases.append(Case(name, call, 0.25 if len(boxes) < 100 else 1.0))  # a call's overhead is Python's
    return cases


def _roi_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(1)
    cases = []
    for name, channels, size, images, count, bins, object_size in (
        ("7x7, 64x32x32, 256 boxes", 64, (32, 32), 4, 256, 7, 24),
        ("14x14, 64x32x32, 64 boxes", 64, (32, 32), 4, 64, 14, 24),
        ("7x7, 256x200x336, 1000 boxes", 256, (200, 336), 1, 1000, 7, 64),
        ("7x7, 256x50x84, 512 boxes", 256, (50, 84), 2, 512, 7, 250),
        ("14x14, 256x200x336, 128 boxes", 256, (200, 336), 2, 128, 14, 80),
    ):
        scale = 1 / (16 if size[0] == 50 else 4)
        features = torch.randn(images, channels, *size, generator=generator)
        extent = (int(size[0] / scale), int(size[1] / scale))
        boxes = _boxes(generator, count, 50, extent, object_size)
        image = torch.randint(0, images, (count, 1), generator=generator).float()
        rois = torch.cat([image, boxes], 1)
        grad = torch.randn(count, channels, bins, bins, generator=generator)
        scalars = {
            "aligned_height": bins, "aligned_width": bins, "spatial_scale": scale, "sampling_ratio": 0,
            "pool_mode": 1, "aligned": True,
        }  # fmt: skip

        def forward(
            ext: Any, x: Tensor = features, r: Tensor = rois, g: Tensor = grad, s: Any = scalars
        ) -> None:
            empty = x.new_zeros(0)
            ext.roi_align_forward(x, r, torch.zeros_like(g), empty, empty, **s)

        def backward(
            ext: Any, x: Tensor = features, r: Tensor = rois, g: Tensor = grad, s: Any = scalars
        ) -> None:
            empty = x.new_zeros(0)
            ext.roi_align_backward(g, r, empty, empty, torch.zeros_like(x), **s)

        cases += [Case(f"RoI {name}", forward), Case(f"RoI {name}, back", backward)]
    return cases


def _conv_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(2)
    cases = []
    for channels, size, images in ((64, (32, 32), 4), (128, (100, 168), 1), (512, (25, 42), 1)):
        x = torch.randn(images, channels, *size, generator=generator)
        weight = torch.randn(channels, channels, 3, 3, generator=generator) / channels
        offset = torch.randn(images, 18, *size, generator=generator)
        mask = torch.rand(images, 9, *size, generator=generator)
        grad = torch.randn(images, channels, *size, generator=generator)
        cases += _conv_case(f"{channels}x{size[0]}x{size[1]}, {images} images", x, weight, offset, mask, grad)
    return cases


def _conv_case(
    name: str, x: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, grad: Tensor
) -> list[Case]:
    bias = x.new_zeros(weight.shape[0])
    plain = {"kW": 3, "kH": 3, "dW": 1, "dH": 1, "padW": 1, "padH": 1, "dilationW": 1, "dilationH": 1}
    plain |= {"group": 1, "deformable_group": 1, "im2col_step": x.shape[0]}
    modulated = {"kernel_h": 3, "kernel_w": 3, "stride_h": 1, "stride_w": 1, "pad_h": 1, "pad_w": 1}
    modulated |= {"dilation_h": 1, "dilation_w": 1, "group": 1, "deformable_group": 1, "with_bias": True}

    def buffers() -> tuple[Tensor, Tensor]:
        return x.new_empty(0), x.new_empty(0)

    def forward(ext: Any) -> None:
        ext.deform_conv_forward(x, weight, offset, torch.empty_like(grad), *buffers(), **plain)

    def backward(ext: Any) -> None:
        grads = torch.zeros_like(x), torch.zeros_like(offset)
        ext.deform_conv_backward_input(x, offset, grad, *grads, weight, x.new_empty(0), **plain)
        grad_weight = torch.zeros_like(weight)
        ext.deform_conv_backward_parameters(x, offset, grad, grad_weight, *buffers(), scale=1, **plain)

    def forward_modulated(ext: Any) -> None:
        columns, ones = buffers()
        out = torch.empty_like(grad)
        ext.modulated_deform_conv_forward(x, weight, bias, ones, offset, mask, out, columns, **modulated)

    def backward_modulated(ext: Any) -> None:
        columns, ones = buffers()
        tensors = x, weight, bias, offset, mask
        grads = [torch.zeros_like(tensor) for tensor in tensors]
        ext.modulated_deform_conv_backward(
            x, weight, bias, ones, offset, mask, columns, *grads, grad, **modulated
        )

    return [
        Case(f"DCN v1 {name}", forward),
        Case(f"DCN v1 {name}, back", backward),
        Case(f"DCN v2 {name}", forward_modulated),
        Case(f"DCN v2 {name}, back", backward_modulated),
    ]
