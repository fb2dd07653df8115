"""Parameters and multiply-adds of a network, part by part, without its weights.

Counted are the multiply-adds of convolutions (deformable ones too), linear layers and matrix products, by
PyTorch's :class:`~torch.utils.flop_counter.FlopCounterMode`, which counts two operations each. Not counted:
normalisation, activations, pooling, RoIAlign, resizing, sums, and what follows the network (box coding, NMS,
pasting, fusion).

Works on the meta device, where tensors have shapes and no values. What depends on values, such as how many
proposals there are, is fixed by the caller.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from panoptic_core.complexity._checks import check_positive

OWN = "(its own)"
"""The part that is the model itself: what happens outside of its named parts."""

_TAKEN_APART = ("roi_head", "head")  # containers whose parts are rows of their own


@dataclass(frozen=True)
class Part:
    """One part of a model.

    Attributes:
        name: Its path in the model.
        parameters: How many numbers are learned or frozen there; buffers are not counted.
        multiply_adds: Of one forward pass.
    """

    name: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Complexity:
    """What a model costs.

    Attributes:
        parts: In the model's order.
        size: ``(H, W)`` of the image that the network saw, padding included.
        num_boxes: How many boxes a box head was given.
        num_masks: How many boxes a mask head was given.
    """

    parts: tuple[Part, ...]
    size: tuple[int, int]
    num_boxes: int
    num_masks: int

    @property
    def parameters(self) -> int:
        """Of all parts."""
        return sum(part.parameters for part in self.parts)

    @property
    def multiply_adds(self) -> int:
        """Of all parts."""
        return sum(part.multiply_adds for part in self.parts)

    def to_table(self) -> str:
        """Return a text table for people, in millions and billions."""
        rows = [*self.parts, Part("all", self.parameters, self.multiply_adds)]
        width = max(len(row.name) for row in rows)
        lines = [f"{'':{width}}  parameters M  multiply-adds B"]
        lines += [
            f"{row.name:{width}}  {row.parameters / 1e6:12.2f}  {row.multiply_adds / 1e9:15.2f}"
            for row in rows
        ]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return everything as JSON, in ones."""
        sums = {"parameters": self.parameters, "multiply_adds": self.multiply_adds}
        return json.dumps({**asdict(self), **sums}, indent=2)


@torch.no_grad()
def measure(
    model: nn.Module,
    size: tuple[int, int],
    *,
    num_boxes: int = 1000,
    num_masks: int = 100,
) -> Complexity:
    """Count a model's parameters and the multiply-adds of one image.

    A model with ``fixed_forward(inputs, num_boxes=..., num_masks=...)`` is asked to run its network by that;
    two-stage detectors of MMDetection are run by :func:`forward_two_stage`; others are called with the image,
    in ``mode="tensor"`` if they have modes.

    Args:
        model: On any device, also on meta; it is put into evaluation mode.
        size: ``(H, W)`` of the image; padded as the model's ``data_preprocessor`` would.
        num_boxes: How many boxes the box head is given.
        num_masks: How many boxes the mask head is given.

    Returns:
        The counts.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))
        >>> cost = measure(model, (10, 20))
        >>> [(part.name, part.parameters, part.multiply_adds) for part in cost.parts]
        [('0', 224, 43200), ('2', 18, 3200)]
    """
    check_positive(size=size, num_boxes=[num_boxes], num_masks=[num_masks])
    divisor = getattr(getattr(model, "data_preprocessor", None), "pad_size_divisor", 1)
    height, width = (-(-side // divisor) * divisor for side in size)
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    inputs = torch.zeros(1, 3, height, width, device=device)
    modules = dict(_parts_of(model))
    with device, FlopCounterMode(display=False) as counter, _follow(modules, counter) as operations:
        _run(model.eval(), inputs, num_boxes, num_masks)
        operations[OWN] = counter.get_total_flops() - sum(operations.values())
    counted: set[nn.Parameter] = set()
    parameters = {name: _count(part, counted) for name, part in {**modules, OWN: model}.items()}
    parts = [Part(name, parameters[name], operations[name] // 2) for name in parameters]
    shown = tuple(part for part in parts if part.parameters or part.multiply_adds)
    return Complexity(shown, (height, width), num_boxes, num_masks)


def forward_two_stage(model: Any, inputs: Tensor, *, num_boxes: int, num_masks: int) -> Sequence[Tensor]:
    """Run backbone, neck, RPN, box head and mask head of a two-stage detector, on boxes that say nothing.

    Args:
        model: MMDetection's, with ``extract_feat``, ``rpn_head`` and ``roi_head``.
        inputs: Images ``(N, 3, H, W)``.
        num_boxes: How many pooled boxes the box head gets.
        num_masks: How many the mask head gets.

    Returns:
        The pyramid.
    """
    features: Sequence[Tensor] = model.extract_feat(inputs)
    model.rpn_head(features)
    head = model.roi_head
    for name, count in (("bbox", num_boxes), ("mask", num_masks)):
        extractor = getattr(head, f"{name}_roi_extractor", None)
        if extractor is None:
            continue
        bins = extractor.roi_layers[0].output_size
        pooled = inputs.new_zeros(count, extractor.out_channels, *bins)
        getattr(head, f"{name}_head")(pooled)
    return features


def _run(model: Any, inputs: Tensor, num_boxes: int, num_masks: int) -> None:
    numbers = {"num_boxes": num_boxes, "num_masks": num_masks}
    if hasattr(model, "fixed_forward"):
        model.fixed_forward(inputs, **numbers)
    elif hasattr(model, "rpn_head") and hasattr(model, "roi_head"):
        forward_two_stage(model, inputs, **numbers)
    elif "mode" in inspect.signature(model.forward).parameters:
        model(inputs, mode="tensor")
    else:
        model(inputs)


def _parts_of(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in model.named_children():
        inside = dict(child.named_children()) if name in _TAKEN_APART else {}
        if inside:
            yield from ((f"{name}.{inner}", part) for inner, part in inside.items())
        else:
            yield name, child


@contextmanager
def _follow(modules: dict[str, nn.Module], counter: FlopCounterMode) -> Iterator[dict[str, int]]:
    """Sum up the operations of each module's calls; a call inside another part's belongs to that."""
    operations = dict.fromkeys([*modules, OWN], 0)
    entered: list[int] = []

    def enter(*_: Any) -> None:
        entered.append(counter.get_total_flops())

    def leave_of(name: str) -> Any:
        def leave(*_: Any) -> None:
            before = entered.pop()
            if not entered:
                operations[name] += counter.get_total_flops() - before

        return leave

    handles = []
    for name, module in modules.items():
        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave_of(name))]
    try:
        yield operations
    finally:
        for handle in handles:
            handle.remove()


def _count(module: nn.Module, counted: set[nn.Parameter]) -> int:
    """Return how many numbers the parameters hold that no part before has counted."""
    new = set(module.parameters()) - counted
    counted |= new
    return sum(parameter.numel() for parameter in new)
