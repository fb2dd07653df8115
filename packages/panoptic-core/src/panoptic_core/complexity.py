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


@dataclass(frozen=True)
class AffinityCost:
    """What the two products of a dense affinity cost: ``Psi (phi1^T phi0)`` as it stands, or right to left.

    The arithmetic of Li et al., CVPR 2020, arXiv:2001.04982, section 3.4.2; no network is needed.

    Attributes:
        cells: Height and width of the maps, ``P`` cells.
        channels: ``C``, of the features.
        outputs: ``K``, of the potential: detections and stuff classes.
        bytes_a_value: 4 in float32.
    """

    cells: tuple[int, int]
    channels: int
    outputs: int
    bytes_a_value: int = 4

    @property
    def explicit_bytes(self) -> int:
        """Of the affinity of all pairs of cells, ``P x P``."""
        return self.bytes_a_value * self._count**2

    @property
    def factored_bytes(self) -> int:
        """Of what stands between the two thin products, ``C x K``."""
        return self.bytes_a_value * self.channels * self.outputs

    @property
    def explicit_multiply_adds(self) -> int:
        """``C P^2`` for the affinity, ``K P^2`` to apply it."""
        return self._count**2 * (self.channels + self.outputs)

    @property
    def factored_multiply_adds(self) -> int:
        """``C K P`` for either product."""
        return 2 * self._count * self.channels * self.outputs

    @property
    def saved(self) -> float:
        """The share of the multiply-adds that right to left does without."""
        return 1 - self.factored_multiply_adds / self.explicit_multiply_adds

    @property
    def _count(self) -> int:
        return self.cells[0] * self.cells[1]

    def to_table(self) -> str:
        """Return a text table for people, in GB of 2^30 bytes, kB of 2^10, and billions."""
        adds = self.explicit_multiply_adds / 1e9, self.factored_multiply_adds / 1e9
        rows = [
            ("", "explicit", "factored"),
            (
                "memory in between",
                f"{self.explicit_bytes / 2**30:.2f} GB",
                f"{self.factored_bytes / 2**10:.1f} kB",
            ),
            ("multiply-adds B", *(f"{each:.2f}" for each in adds)),
            ("operations B, two for each", *(f"{2 * each:.2f}" for each in adds)),
        ]
        height, width = self.cells
        head = f"dense affinity, {height} x {width} cells, C = {self.channels}, K = {self.outputs}"
        lines = [f"{name:28}{explicit:>12}{factored:>12}" for name, explicit, factored in rows]
        return "\n".join([head, *lines, f"{100 * self.saved:.2f} % of the multiply-adds are saved"])


def affinity_cost(
    size: tuple[int, int], *, channels: int = 128, outputs: int = 153, stride: int = 4
) -> AffinityCost:
    """Return what a dense affinity costs on an image.

    Args:
        size: ``(H, W)`` of the image.
        channels: Of the affinity features.
        outputs: Of the potential: 100 detections and COCO's 53 stuff classes by default.
        stride: Pixels in a cell, each way.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> cost = affinity_cost((800, 1300))  # the paper's example
        >>> round(cost.explicit_bytes / 2**30, 1), round(100 * cost.saved, 1)
        (15.7, 99.8)
        >>> round(2 * cost.factored_multiply_adds / 1e9, 1), cost.factored_bytes
        (5.1, 78336)
    """
    _check_positive(size=size, channels=[channels], outputs=[outputs], stride=[stride])
    height, width = (-(-side // stride) for side in size)
    return AffinityCost((height, width), channels, outputs)


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
    _check_positive(size=size, num_boxes=[num_boxes], num_masks=[num_masks])
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


def _check_positive(**given: Sequence[int]) -> None:
    for name, numbers in given.items():
        if min(numbers) < 1:
            msg = f"Expected `{name}` to be positive, got {numbers}."
            raise ValueError(msg)


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
