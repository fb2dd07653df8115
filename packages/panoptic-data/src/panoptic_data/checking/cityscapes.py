"""The check of native Cityscapes files: ``leftImg8bit`` and ``gtFine``."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from panoptic_core.categories import CITYSCAPES
from panoptic_data.checking.findings import Finding
from panoptic_data.checking.reading import Fault, ImageFile, explain, read_image
from panoptic_data.checking.rules import found
from panoptic_data.checks import show
from panoptic_data.transforms.read import CITYSCAPES_VOID_IDS
from panoptic_data.transforms.runs import find_runs

IMAGE, MAP, LABELS = "_leftImg8bit.png", "_gtFine_instanceIds.png", "_gtFine_labelIds.png"
_BASE = 1000  # an instance id is label id * 1000 + n
_STUFF = frozenset(CITYSCAPES.category_ids[CITYSCAPES.num_things :])
_GROUPS = frozenset({9, 10})  # parking and rail track: classes without instances that are not evaluated
_KNOWN = frozenset(CITYSCAPES.category_ids) | CITYSCAPES_VOID_IDS


@dataclass(frozen=True)
class NativeTask:
    """One image: ``city/city_000000_000019`` below the split's folders."""

    root: Path
    split: str
    stem: str

    @property
    def image(self) -> Path:
        """Where the image is."""
        return self.root / "leftImg8bit" / self.split / (self.stem + IMAGE)

    @property
    def map(self) -> Path:
        """Where the instance ids are."""
        return self.root / "gtFine" / self.split / (self.stem + MAP)

    @property
    def labels(self) -> Path:
        """Where the label ids are; they may be absent."""
        return self.root / "gtFine" / self.split / (self.stem + LABELS)


class NativeResult(NamedTuple):
    """What was found in an image; ``has_instances`` is None if its map could not be read."""

    findings: list[Finding]
    num_segments: int
    has_instances: bool | None
    has_things: bool
    digest: bytes | None


def list_native(root: Path, split: str) -> list[NativeTask]:
    """List the images and maps of a split, each stem once."""
    stems = {
        f"{city.name}/{entry.name.removesuffix(suffix)}"
        for folder, suffix in (("leftImg8bit", IMAGE), ("gtFine", MAP))
        for city in os.scandir(root / folder / split)
        if city.is_dir()
        for entry in os.scandir(city.path)
        if entry.name.endswith(suffix)
    }
    return [NativeTask(root, split, stem) for stem in sorted(stems)]


def check_native(task: NativeTask, *, quick: bool = False) -> NativeResult:
    """Check one image and its maps."""
    findings: list[Finding] = []
    image = read_image(task.image, quick=quick) if task.image.is_file() else None
    instances = _read_grey(task.map) if task.map.is_file() else None
    for rule, path, read in (("image-missing", task.image, image), ("map-missing", task.map, instances)):
        if read is None:
            findings.append(_found(task, rule, path, "no such file"))
        elif isinstance(read, Fault):
            findings.append(_found(task, read.rule, path, read.what))
    digest = image.digest if isinstance(image, ImageFile) else None
    if not isinstance(instances, np.ndarray):
        return NativeResult(findings, 0, None, False, digest)
    if isinstance(image, ImageFile) and image.size != instances.shape:
        what = f"the map is {_text(instances.shape)}, the image {_text(image.size)} (height x width)"
        findings.append(_found(task, "image-map-size", task.map, what))
    ids = np.unique(find_runs(instances).values)
    labels = np.where(ids < _BASE, ids, ids // _BASE)
    findings += [*_id_rules(task, ids, labels), *_label_rule(task, instances)]
    evaluated = np.isin(labels, CITYSCAPES.category_ids)
    things = evaluated & ~np.isin(labels, list(_STUFF))
    return NativeResult(
        findings, int(evaluated.sum()), bool((ids >= _BASE).any()), bool(things.any()), digest
    )


def without_instances(split: str, folder: str, results: Sequence[tuple[bool, bool]]) -> Iterator[Finding]:
    """Find splits that have things and number none of them."""
    if any(things for _, things in results) and not any(instances for instances, _ in results):
        what = (
            f"things are in {sum(things for _, things in results)} maps of split {split}, no id is >= {_BASE}"
        )
        yield found("cityscapes-no-instances", folder, what)


def _id_rules(task: NativeTask, ids: NDArray, labels: NDArray) -> Iterator[Finding]:
    unknown = ids[~np.isin(labels, list(_KNOWN))]
    if unknown.size:
        yield _found(task, "cityscapes-id", task.map, f"ids {show(unknown.tolist())}")
    numbered = ids[(ids >= _BASE) & np.isin(labels, list(_STUFF | _GROUPS))]
    if numbered.size:
        yield _found(task, "cityscapes-stuff-instance", task.map, f"ids {show(numbered.tolist())}")
    if not np.isin(labels, CITYSCAPES.category_ids).any() and not unknown.size:
        yield _found(task, "map-void", task.map, f"all ids are of ignored classes: {show(ids.tolist())}")


def _label_rule(task: NativeTask, instances: NDArray) -> Iterator[Finding]:
    if not task.labels.is_file():
        return
    labels = _read_grey(task.labels)
    if isinstance(labels, Fault):
        yield _found(task, labels.rule, task.labels, labels.what)
    elif labels.shape != instances.shape:
        what = f"labelIds are {_text(labels.shape)}, instanceIds {_text(instances.shape)} (height x width)"
        yield _found(task, "cityscapes-labels", task.labels, what)
    else:
        differ = np.where(instances < _BASE, instances, instances // _BASE) != labels
        if differ.any():
            y, x = (int(part[0]) for part in np.nonzero(differ))
            what = (
                f"{int(differ.sum())} pixels differ, the first at row {y}, column {x}: "
                f"label id {labels[y, x]}, instance id {instances[y, x]}"
            )
            yield _found(task, "cityscapes-labels", task.labels, what)


def _read_grey(path: Path) -> NDArray[np.int32] | Fault:
    try:
        with Image.open(path) as image:
            mode = image.mode
            if mode not in ("L", "I", "I;16", "I;16B"):
                return Fault("map-encoding", f"it has mode {mode}, not one grey channel of ids")
            return np.asarray(image).astype(np.int32)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        return Fault(
            "map-unreadable", f"{path.stat().st_size} bytes that cannot be decoded: {explain(error)}"
        )


def _found(task: NativeTask, rule: str, path: Path, what: str) -> Finding:
    name = path.relative_to(task.root).as_posix()
    return found(rule, name, what, image=task.stem.rpartition("/")[2])


def _text(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
