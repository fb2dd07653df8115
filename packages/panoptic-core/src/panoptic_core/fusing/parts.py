"""What is known of one image, made into the forms that fusions take, each once."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from panoptic_core.files import PanopticFileError
from panoptic_fusion import AffinityMaps, RawOutputs, label_map_from_logits

VOID = 255
_WIDE_VOID = 65535


def void_of(num_classes: int) -> int:
    """Return the value of void in label maps: 255, or 65535 where 255 is a class."""
    return VOID if num_classes <= VOID else _WIDE_VOID


@dataclass
class ImageParts:
    """The outputs of one image, named as in :class:`panoptic_fusion.RawOutputs`, and what follows from them.

    - ``sem_seg``: the label map, else the argmax of the logits. A collapsed head, one channel for all things
      before the stuff, gives thing pixels the label 0.
    - ``stuff_seg``: the best stuff class of each pixel, from the logits.
    - ``stuff_below``: ``stuff_seg`` where there are logits, else ``sem_seg``.
    - ``affinity``: the maps of the network's own grid, else the logits of every class without features.

    Attributes:
        raw: What was saved.
        where: The image and its files, for errors.
    """

    raw: RawOutputs
    where: str
    _made: dict[str, Any] = field(default_factory=dict)

    @property
    def num_things(self) -> int:
        """Number of thing classes."""
        return self.raw.num_things

    @property
    def num_classes(self) -> int:
        """Number of all classes."""
        return self.raw.num_classes

    @property
    def void(self) -> int:
        """The value of void in ``sem_seg``."""
        return void_of(self.raw.num_classes)

    def get(self, name: str) -> Any:
        """Return a part, or None where it cannot be had."""
        if name not in self._made:
            makers = {
                "sem_seg": self._sem_seg,
                "stuff_seg": self._stuff_seg,
                "stuff_below": self._stuff_below,
                "affinity": self._affinity,
            }
            self._made[name] = makers[name]() if name in makers else getattr(self.raw, name)
        return self._made[name]

    def need(self, name: str, reader: str) -> Any:
        """Return a part.

        Args:
            name: The part.
            reader: Who needs it, for the error.

        Raises:
            PanopticFileError: If there is none.
        """
        part = self.get(name)
        if part is None:
            source, cure = _SOURCES[name]
            msg = f"{self.where}: {reader} needs {source}, got none. {cure}"
            raise PanopticFileError(msg)
        return part

    def _sem_seg(self) -> Tensor | None:
        if self.raw.sem_seg is not None:
            return self.raw.sem_seg
        if self.raw.sem_logits is None:
            return None
        labels = label_map_from_logits(self.raw.sem_logits)
        if self._collapsed:
            labels = torch.where(labels == 0, 0, labels + self.num_things - 1)
        return labels

    def _stuff_seg(self) -> Tensor | None:
        logits = self.raw.sem_logits
        first = 1 if self._collapsed else self.num_things
        if logits is None or logits.shape[0] <= first:
            return None
        return label_map_from_logits(logits[first:]) + self.num_things

    def _stuff_below(self) -> Tensor | None:
        stuff = self.get("stuff_seg")
        return self.get("sem_seg") if stuff is None else stuff

    def _affinity(self) -> AffinityMaps | None:
        if self.raw.affinity is None and (self.raw.sem_logits is None or self._collapsed):
            return None
        return self.raw.affinity_maps()

    @property
    def _collapsed(self) -> bool:
        return self.raw.sem_logits is not None and self.raw.sem_logits.shape[0] != self.num_classes


_INSTANCES = "Give --instances a COCO results JSON or a folder of RawOutputs .npz, or --raw such a folder."
_LABELS = "Give --semantic a folder of label PNGs or RawOutputs .npz, or --raw such a folder."
_LOGITS = (
    "Give --semantic or --raw a folder of RawOutputs .npz that hold `sem_logits`: labels do not suffice."
)
_SOURCES = {
    "masks": ("instance masks", _INSTANCES),
    "labels": ("the instances' labels", _INSTANCES),
    "scores": ("the instances' scores", _INSTANCES),
    "sem_seg": ("a semantic prediction", _LABELS),
    "stuff_below": ("a semantic prediction", _LABELS),
    "sem_logits": ("semantic logits", _LOGITS),
    "stuff_seg": ("semantic logits", _LOGITS),
    "ranking": ("a ranking map", "Give --raw a folder of RawOutputs .npz that hold `ranking`."),
    "affinity": (
        "semantic logits of every class",
        "Give --raw or --semantic a folder of RawOutputs .npz with `affinity` or all of `sem_logits`.",
    ),
    "center_heatmap": (
        "a center heat map",
        "Give --raw a folder of RawOutputs .npz that hold `center_heatmap` and `offsets`.",
    ),
    "offsets": (
        "offsets",
        "Give --raw a folder of RawOutputs .npz that hold `center_heatmap` and `offsets`.",
    ),
}
