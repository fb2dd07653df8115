"""What a trained network might say of one image: stands for what an untrained one says.

An untrained network's heat map is noise, with a center in every window, and its boxes are those of no
instance: both fusion and box filters would be timed on work that no image gives them.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from bench.centers import make_center_scene
from torch import Tensor

from panoptic_fusion import RawOutputs
from panoptic_fusion.testing import raw_outputs_from_segmentation

NUM_INSTANCES = 49
_JITTER = 0.06  # of a box's side: the standard deviation of proposals around an instance
_FIELDS = ("sem_logits", "sem_seg", "masks", "labels", "scores", "ranking", "center_heatmap", "offsets")


@dataclass
class StandIn:
    """Outputs of a scene with 49 instances that take the place of a model's own.

    Attributes:
        raw: Every field of RawOutputs.
    """

    raw: RawOutputs

    @classmethod
    def make(cls, size: tuple[int, int], num_things: int, num_classes: int, device: str) -> "StandIn":
        """Draw the scene at a size and say what a good network would say of it."""
        scene = make_center_scene(
            size[0], NUM_INSTANCES, width=size[1], num_things=num_things, num_classes=num_classes
        )
        raw = raw_outputs_from_segmentation(
            scene.truth, num_things=num_things, num_classes=num_classes, mask_form="logits"
        )
        assert raw.scores is not None
        scores = torch.linspace(0.99, 0.8, len(raw.scores))  # above every method's threshold
        # The scene's heat map and offsets are noisy; the other ones are exact.
        raw = replace(raw, scores=scores, center_heatmap=scene.heatmap, offsets=scene.offsets)
        return cls(raw.to(device))

    def as_said(self, said: RawOutputs, *, stuff_alone: bool = False) -> RawOutputs:
        """Return the fields that a model's own outputs have.

        Args:
            said: The model's.
            stuff_alone: Its label map has no things: each pixel's best stuff class.
        """
        lacking: dict[str, Any] = {name: None for name in _FIELDS if getattr(said, name) is None}
        raw = replace(self.raw, **lacking)
        if raw.sem_logits is not None and said.sem_logits is not None:
            raw.sem_logits = _collapse(raw.sem_logits, len(said.sem_logits), raw.num_things)
        if said.affinity is not None and self.raw.sem_logits is not None:  # the features are the model's own
            logits = said.affinity.at_centers(self.raw.sem_logits, 0)
            raw.affinity = replace(said.affinity, sem_logits=logits)
        if stuff_alone and raw.sem_seg is not None:
            raw.sem_seg = raw.sem_seg.clamp(min=raw.num_things)
        return raw

    def candidates(self, boxes: Tensor, probs: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes and class probabilities of a detector's proposals, scattered around the instances.

        Args:
            boxes: The detector's own, ``(R, 4)`` or ``(R, 4 T)``.
            probs: Its own, ``(R, T + 1)``, background last.

        Returns:
            Others of the same shapes. After the filters there is about one an instance.
        """
        assert self.raw.boxes is not None
        assert self.raw.labels is not None
        generator = torch.Generator().manual_seed(0)
        draw = partial(torch.randn, generator=generator)
        owner = torch.arange(len(boxes)) % len(self.raw.boxes)
        around = self.raw.boxes.cpu()[owner]  # (R, 4)
        sides = (around[:, 2:] - around[:, :2]).repeat(1, 2)
        around = around + _JITTER * sides * draw(len(boxes), 4)
        sure = torch.rand(len(boxes), generator=generator) * 0.9
        sure[: len(self.raw.boxes)] = 0.95
        others = torch.zeros(len(boxes), probs.shape[1])
        others[torch.arange(len(boxes)), self.raw.labels.cpu()[owner]] = sure
        others[:, -1] = 1 - sure
        return around.repeat(1, boxes.shape[1] // 4).to(boxes), others.to(probs)


def _collapse(logits: Tensor, channels: int, num_things: int) -> Tensor:
    """Return the logits of a head with fewer channels than classes: things share its last thing channel."""
    missing = len(logits) - channels
    if missing <= 0:
        return logits
    kept = num_things - missing - 1
    rest = logits[kept:num_things].amax(dim=0, keepdim=True)
    return torch.cat([logits[:kept], rest, logits[num_things:]])
