"""Match the weights of a checkpoint with a model by name and shape.

For pre-training across data sets (COCO -> Cityscapes): layers whose shape depends on the number of classes
have another shape in the checkpoint; they are left out, and listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass
class WeightMatch:
    """What of a checkpoint fits a model.

    Attributes:
        matched: Names present in both with one shape.
        reshaped: Names present in both with two shapes -> (the checkpoint's, the model's).
        missing: Names that only the model has.
        unexpected: Names that only the checkpoint has.
    """

    matched: list[str] = field(default_factory=list)
    reshaped: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether every weight of the model is there in its shape."""
        return not self.reshaped and not self.missing

    def describe(self) -> str:
        """Return a readable report, one line a weight that did not match."""
        lines = [f"{len(self.matched)} weights match by name and shape."]
        sections = {
            "Left out, the shape differs (checkpoint -> model)": [
                f"{name}: {_shape(old)} -> {_shape(new)}" for name, (old, new) in self.reshaped.items()
            ],
            "Not in the checkpoint, kept as initialised": self.missing,
            "Only in the checkpoint, not used": self.unexpected,
        }
        for title, entries in sections.items():
            if entries:
                lines += [f"{title}: {len(entries)}", *(f"    {entry}" for entry in entries)]
        return "\n".join(lines)


def state_dict_of(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """Return a checkpoint's weights (its ``state_dict`` or itself), without ``module.`` in front."""
    weights = checkpoint.get("state_dict", checkpoint)
    return {
        name.removeprefix("module."): value for name, value in weights.items() if isinstance(value, Tensor)
    }


def match_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> WeightMatch:
    """Compare weights with a model's by name and shape; batch norm's counters never count as missing."""
    own = model.state_dict()
    match = WeightMatch(unexpected=[name for name in weights if name not in own])
    for name, value in own.items():
        if name not in weights:
            if not name.endswith("num_batches_tracked"):
                match.missing.append(name)
        elif weights[name].shape != value.shape:
            match.reshaped[name] = (tuple(weights[name].shape), tuple(value.shape))
        else:
            match.matched.append(name)
    return match


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
