"""What a network says about one image before anything is fused."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import (
    as_tensor,
    check_count,
    check_device,
    check_integer,
    check_shape,
    check_size,
)
from panoptic_fusion.affinity.maps import AffinityMaps, read_strides
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.semantic import label_map_from_logits

_VERSION = 1
_TENSORS = ("sem_logits", "sem_seg", "labels", "scores", "ranking", "center_heatmap", "offsets")


@dataclass
class RawOutputs:
    """The parts that fusions are made from; a method fills the fields that it has.

    NumPy arrays become tensors.

    Attributes:
        size: ``(H, W)`` of the image and of every map here.
        num_things: Number of thing classes ``T``; labels ``[0, T)``.
        num_classes: Number of all classes ``C``; stuff labels are ``[T, C)``.
        sem_logits: ``(C, H, W)`` before the softmax, things first (fewer channels: a collapsed head).
        sem_seg: ``(H, W)`` integer label map.
        masks: The ``N`` instance masks with their boxes; of a network without mask head the boxes alone
            (`BoxMasks.from_boxes`).
        labels: ``(N,)`` int64 thing ids.
        scores: ``(N,)`` float32 in [0, 1].
        ranking: ``(T, H, W)`` logits of the spatial ranking map.
        center_heatmap: ``(1, H, W)`` in [0, 1].
        offsets: ``(2, H, W)``, y then x, pixels from here to the center.
        affinity: Semantic logits of every class and affinity features on the network's own grid.
    """

    size: tuple[int, int]
    num_things: int
    num_classes: int
    sem_logits: Tensor | None = None
    sem_seg: Tensor | None = None
    masks: BoxMasks | None = None
    labels: Tensor | None = None
    scores: Tensor | None = None
    ranking: Tensor | None = None
    center_heatmap: Tensor | None = None
    offsets: Tensor | None = None
    affinity: AffinityMaps | None = None

    def __post_init__(self) -> None:
        self.size = check_size(self.size)
        check_count(self.num_things, "num_things")
        check_count(self.num_classes, "num_classes", low=self.num_things)
        for name in _TENSORS:
            if getattr(self, name) is not None:
                setattr(self, name, as_tensor(getattr(self, name), name))
        height, width = self.size
        count = None if self.masks is None else len(self.masks)
        shapes: dict[str, tuple[tuple[int | None, ...], str]] = {
            "sem_logits": ((None, height, width), f"(C, {height}, {width})"),
            "sem_seg": ((height, width), f"(H, W) = {self.size}"),
            "labels": (
                (count,),
                "(N,), one for each of `masks`" + ("" if count is None else f", N = {count}"),
            ),
            "scores": (
                (count,),
                "(N,), one for each of `masks`" + ("" if count is None else f", N = {count}"),
            ),
            "ranking": ((self.num_things, height, width), f"({self.num_things}, {height}, {width})"),
            "center_heatmap": ((1, height, width), f"(1, {height}, {width})"),
            "offsets": ((2, height, width), f"(2, {height}, {width})"),
        }
        device = self.device
        for name, (shape, meaning) in shapes.items():
            tensor = getattr(self, name)
            if tensor is not None:
                check_shape(tensor, name, shape, meaning)
                check_device(tensor, name, device, "the other fields")
        for name in ("sem_seg", "labels"):
            if getattr(self, name) is not None:
                check_integer(getattr(self, name), name)
        if self.affinity is not None:
            self._check_affinity(self.affinity, device)

    def _check_affinity(self, maps: AffinityMaps, device: torch.device) -> None:
        """Raise a ValueError unless the maps know every class and reach over the image."""
        shape = (self.num_classes, *maps.grid)
        check_shape(maps.sem_logits, "affinity.sem_logits", shape, f"{shape}, a channel for each class")
        check_device(maps.sem_logits, "affinity", device, "the other fields")
        read_strides(self.size, maps.grid, maps.stride)

    @property
    def device(self) -> torch.device:
        """Where all parts lie."""
        for name in ("masks", *_TENSORS, "affinity"):
            part = getattr(self, name)
            if part is not None:
                return part.device
        return torch.device("cpu")

    @property
    def boxes(self) -> Tensor | None:
        """``(N, 4)`` boxes of the masks."""
        return None if self.masks is None else self.masks.boxes

    def to(self, device: torch.device | str) -> Self:
        """Return all parts on another device."""
        parts = {name: getattr(self, name) for name in ("masks", *_TENSORS, "affinity")}
        return replace(self, **{name: part.to(device) for name, part in parts.items() if part is not None})

    def semantic_labels(self) -> Tensor:
        """Return the ``(H, W)`` int64 label map: `sem_seg`, else the argmax of `sem_logits`.

        Equal logits: the lowest class. A NaN among the logits is an error.

        Raises:
            ValueError: If there is neither.
        """
        if self.sem_seg is not None:
            return self.sem_seg.long()
        if self.sem_logits is None:
            msg = "Expected `sem_seg` or `sem_logits`, got neither. This network predicts no semantic map."
            raise ValueError(msg)
        return label_map_from_logits(self.sem_logits)

    def affinity_maps(self) -> AffinityMaps:
        """Return what a fusion by affinity reads: `affinity`, else `sem_logits` without features.

        Raises:
            ValueError: If there is neither, or the logits do not tell all classes apart.
        """
        if self.affinity is not None:
            return self.affinity
        if self.sem_logits is None or len(self.sem_logits) != self.num_classes:
            found = "none" if self.sem_logits is None else f"{len(self.sem_logits)} channels"
            msg = (
                f"Expected raw outputs with `affinity`, or with `sem_logits` of {self.num_classes} channels, "
                f"one for each class, got {found}. Keep the logits of a head that tells all things apart."
            )
            raise ValueError(msg)
        return AffinityMaps(self.sem_logits)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a compressed ``.npz`` that `load` reads; a half-written file is never left under `path`.

        bfloat16 is stored as float32 and comes back as bfloat16. The affinity's gamma comes back as a number.
        """
        arrays: dict[str, np.ndarray] = {
            "version": np.array(_VERSION),
            "size": np.array(self.size),
            "num_classes": np.array([self.num_things, self.num_classes]),
        }
        for name in _TENSORS:
            tensor = getattr(self, name)
            if tensor is not None:
                _put(arrays, name, tensor)
        if self.affinity is not None:
            _put_affinity(arrays, self.affinity)
        if self.masks is not None:
            if self.masks.mask_logits is not None:
                _put(arrays, "mask_logits", self.masks.mask_logits)
                _put(arrays, "boxes", self.masks.boxes)
            elif not self.masks.has_masks:
                _put(arrays, "boxes", self.masks.boxes)
            else:
                crops = [crop.cpu().numpy().reshape(-1) for crop in self.masks.whole_crops or ()]
                arrays["windows"] = self.masks.host_boxes.astype(np.int64)
                arrays["crops"] = np.packbits(np.concatenate([np.zeros(0, dtype=bool), *crops]))
        path = Path(path)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; nothing in the file is ever unpickled.

        Raises:
            ValueError: If the file is no such file, or of a newer version.
        """
        with np.load(path, allow_pickle=False) as file:
            if "version" not in file or int(file["version"]) > _VERSION:
                msg = f"Expected a file of `RawOutputs.save`, version <= {_VERSION}, got {path}. Update?"
                raise ValueError(msg)
            arrays = {name: file[name] for name in file.files}
        height, width = arrays["size"].tolist()
        num_things, num_classes = arrays["num_classes"].tolist()
        parts: dict[str, Any] = {name: _get(arrays, name) for name in _TENSORS if name in arrays}
        if "mask_logits" in arrays:
            parts["masks"] = BoxMasks.from_logits(_get(arrays, "mask_logits"), _get(arrays, "boxes"))
        elif "boxes" in arrays:
            parts["masks"] = BoxMasks.from_boxes(_get(arrays, "boxes"))
        elif "windows" in arrays:
            windows = arrays["windows"]
            shapes = np.stack([windows[:, 3] - windows[:, 1], windows[:, 2] - windows[:, 0]], axis=1)
            ends = shapes.prod(axis=1).cumsum()
            bits = np.unpackbits(arrays["crops"], count=int(ends[-1]) if len(ends) else 0).astype(bool)
            crops = [bit.reshape(shape) for bit, shape in zip(np.split(bits, ends)[:-1], shapes, strict=True)]
            parts["masks"] = BoxMasks.from_crops(crops, windows)
        if "affinity.sem_logits" in arrays:
            parts["affinity"] = _get_affinity(arrays)
        return cls(size=(height, width), num_things=num_things, num_classes=num_classes, **parts)


def _put(arrays: dict[str, np.ndarray], name: str, tensor: Tensor) -> None:
    """Store a tensor; bfloat16, which NumPy lacks, as float32 with a mark."""
    if tensor.dtype == torch.bfloat16:
        arrays[f"{name}.bfloat16"] = np.array(True)
        tensor = tensor.float()
    arrays[name] = tensor.detach().cpu().numpy()


def _get(arrays: Mapping[str, np.ndarray], name: str) -> Tensor:
    tensor = torch.from_numpy(arrays[name])
    return tensor.bfloat16() if f"{name}.bfloat16" in arrays else tensor


def _put_affinity(arrays: dict[str, np.ndarray], maps: AffinityMaps) -> None:
    gamma = maps.gamma.detach() if isinstance(maps.gamma, Tensor) else maps.gamma
    arrays["affinity.gamma"] = np.array([float(gamma)])
    arrays["affinity.stride"] = np.array(maps.stride)
    for name, tensor in maps.tensors.items():
        if name != "gamma":
            _put(arrays, f"affinity.{name}", tensor)


def _get_affinity(arrays: Mapping[str, np.ndarray]) -> AffinityMaps:
    names = ("sem_logits", "phi0", "phi1")
    maps: dict[str, Any] = {
        name: _get(arrays, f"affinity.{name}") for name in names if f"affinity.{name}" in arrays
    }
    y, x = arrays["affinity.stride"].tolist()
    return AffinityMaps(**maps, gamma=float(arrays["affinity.gamma"][0]), stride=(y, x))
