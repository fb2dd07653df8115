"""Saved outputs of networks, wherever they lie: opened once, read image by image."""

import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from panoptic_core.categories import CategoryTable
from panoptic_core.files import PanopticFileError
from panoptic_core.files.writer import png_name
from panoptic_core.fusing.images import ImageEntry, ImageList, read_image_list
from panoptic_core.fusing.instances import InstanceResults, read_instance_results
from panoptic_core.fusing.parts import ImageParts, void_of
from panoptic_core.fusing.semantic import LabelReader, SemanticIds
from panoptic_fusion import RawOutputs

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """A folder with one file an image.

    Attributes:
        folder: The folder.
        by_image_id: The file of each image.
    """

    folder: Path
    by_image_id: Mapping[int | str, Path]

    @classmethod
    def find(cls, folder: PathLike, images: ImageList, suffixes: Sequence[str], what: str) -> Self:
        """Find each image's file, in the folder or below it.

        A file is called as the image's file, else as its id (Cityscapes: with ``_leftImg8bit``). A name that
        fits several images is only taken for the one whose file has it.

        Args:
            folder: Where to look.
            images: The images.
            suffixes: Of the files, the preferred one first.
            what: What the files hold, for errors.

        Raises:
            FileNotFoundError: If there is no such folder, or no file for an image.
        """
        folder = Path(folder)
        if not folder.is_dir():
            msg = f"Expected the folder {folder} with {what}, but there is none. Name the right one."
            raise FileNotFoundError(msg)
        found: dict[str, Path] = {}
        bare: dict[str, list[Path]] = {}
        for suffix in suffixes:
            for path in sorted(folder.rglob(f"*{suffix}")):
                found.setdefault(path.relative_to(folder).as_posix().removesuffix(suffix), path)
                bare.setdefault(path.stem, []).append(path)
        found = {name: paths[0] for name, paths in bare.items() if len(paths) == 1} | found
        names = [_names(image) for image in images.images]
        owners = Counter(name for group in names for name in group)
        files = {}
        for image, (first, *others) in zip(images.images, names, strict=True):
            fits = next(
                (found[n] for n in (first, *others) if n in found and (n == first or owners[n] == 1)), None
            )
            if fits is None:
                msg = (
                    f"Expected {what} of image {image.image_id!r} in {folder}, got no file "
                    f"{first}{' or '.join(suffixes)}. Predict every image, or list fewer images."
                )
                raise FileNotFoundError(msg)
            files[image.image_id] = fits
        return cls(folder, files)


@dataclass(frozen=True, eq=False)
class SavedOutputs:
    """Everything that was saved about a set of images.

    Attributes:
        images: The images and classes.
        instances: Where instances come from: a results JSON or npz files; None: `raw`.
        semantic: Where semantic maps come from: PNG or npz files; None: `raw`.
        raw: npz files with everything.
        labels: Reads label PNGs.
    """

    images: ImageList
    instances: InstanceResults | ImageFiles | None
    semantic: ImageFiles | None
    raw: ImageFiles | None
    labels: LabelReader

    @classmethod
    def open(
        cls,
        images: PathLike,
        *,
        instances: PathLike | None = None,
        semantic: PathLike | None = None,
        raw: PathLike | None = None,
        semantic_ids: SemanticIds = "labels",
        categories: CategoryTable | PathLike | None = None,
    ) -> Self:
        """Open saved outputs; finds every file, reads no picture.

        Args:
            images: A COCO JSON with ``images`` and perhaps ``categories``: the panoptic ground truth does it.
            instances: A COCO results JSON with masks, or a folder of `RawOutputs` npz files. Images without
                an entry in the JSON have no instances.
            semantic: A folder of label PNGs or of `RawOutputs` npz files.
            raw: A folder of `RawOutputs` npz files for all parts that are not given otherwise.
            semantic_ids: What the PNGs hold, see :class:`panoptic_core.fusing.LabelReader`.
            categories: The classes, see :func:`panoptic_core.fusing.read_image_list`.

        Raises:
            FileNotFoundError: If a file or folder is missing.
            PanopticFileError: If a JSON is wrong.
        """
        listed = read_image_list(images, categories)
        source: InstanceResults | ImageFiles | None = None
        if instances is not None:
            if Path(instances).is_dir():
                source = ImageFiles.find(instances, listed, (".npz",), "RawOutputs with instances")
            else:
                source = read_instance_results(instances, listed)
        maps = raw_files = None
        if semantic is not None:
            maps = ImageFiles.find(semantic, listed, (".png", ".npz"), "semantic predictions")
        if raw is not None:
            raw_files = ImageFiles.find(raw, listed, (".npz",), "RawOutputs")
        return cls(listed, source, maps, raw_files, LabelReader(listed.table, semantic_ids))

    @property
    def table(self) -> CategoryTable:
        """The classes."""
        return self.images.table

    @property
    def num_ignored(self) -> int:
        """Instances of images that are not listed."""
        return self.instances.num_ignored if isinstance(self.instances, InstanceResults) else 0

    @property
    def paths(self) -> list[Path]:
        """The files and folders that are read."""
        sources = [self.raw, self.semantic, self.instances]
        paths = [
            one.folder if isinstance(one, ImageFiles) else one.path for one in sources if one is not None
        ]
        return [self.images.path, *paths]

    def read(self, image: ImageEntry) -> ImageParts:
        """Read what is known of an image.

        Raises:
            FileNotFoundError: If a file is gone.
            PanopticFileError: If a file is broken, of another size or other classes; it is named.
        """
        things, classes = self.table.num_things, len(self.table)
        where = [f"Image {image.image_id!r}"]
        raw = RawOutputs(image.size, things, classes)
        if self.raw is not None:
            raw = self._load(self.raw, image)
            where.append(str(self.raw.by_image_id[image.image_id]))
        if isinstance(self.instances, InstanceResults):
            masks, labels, scores = self.instances.read(image)
            raw = replace(raw, masks=masks, labels=labels, scores=scores)
            where.append(str(self.instances.path))
        elif self.instances is not None:
            other = self._load(self.instances, image)
            raw = replace(raw, masks=other.masks, labels=other.labels, scores=other.scores)
            where.append(str(self.instances.by_image_id[image.image_id]))
        if self.semantic is not None:
            path = self.semantic.by_image_id[image.image_id]
            where.append(str(path))
            if path.suffix == ".png":
                label_map = self.labels.read(path, image.size)
                raw = replace(raw, sem_logits=None, sem_seg=label_map, affinity=None)
            else:
                other = self._load(self.semantic, image)
                raw = replace(
                    raw, sem_logits=other.sem_logits, sem_seg=other.sem_seg, affinity=other.affinity
                )
        return ImageParts(raw, ", ".join(where))

    def _load(self, files: ImageFiles, image: ImageEntry) -> RawOutputs:
        path = files.by_image_id[image.image_id]
        try:
            raw = RawOutputs.load(path)
        except (ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            msg = f"Expected {path} to be a file of `RawOutputs.save`, but: {error}. Write it again."
            raise PanopticFileError(msg) from error
        things, classes = self.table.num_things, len(self.table)
        if raw.size != image.size:
            msg = (
                f"Expected {path} to be as large as its image, (height, width) = {image.size}, "
                f"got {raw.size}. Save outputs at the image's size, or pair the right files."
            )
            raise PanopticFileError(msg)
        if (raw.num_things, raw.num_classes) != (things, classes):
            msg = (
                f"Expected {path} to have the classes of '{self.table.name}' ({things} things of {classes} "
                f"classes), got {raw.num_things} of {raw.num_classes}. Name the right --categories."
            )
            raise PanopticFileError(msg)
        _check_semantics(raw, path, void_of(classes))
        return raw


def _check_semantics(raw: RawOutputs, path: Path, void: int) -> None:
    """Raise where the semantic parts are not about the classes: fusions take any label."""
    stuff = raw.num_classes - raw.num_things
    channels = None if raw.sem_logits is None else raw.sem_logits.shape[0]
    if channels not in (None, raw.num_classes, stuff + 1):
        msg = (
            f"Expected `sem_logits` of {path} to have {raw.num_classes} channels, or {stuff + 1} (all "
            f"things as one, then stuff), got {channels}."
        )
        raise PanopticFileError(msg)
    if raw.sem_seg is not None and raw.sem_seg.numel():
        labels = raw.sem_seg[raw.sem_seg != void]
        low, high = (int(labels.min()), int(labels.max())) if labels.numel() else (0, 0)
        if low < 0 or high >= raw.num_classes:
            msg = (
                f"Expected `sem_seg` of {path} to hold labels in [0, {raw.num_classes}) or {void} (void), "
                f"got values in [{low}, {high}]."
            )
            raise PanopticFileError(msg)


def _names(image: ImageEntry) -> list[str]:
    """Return what a file of this image may be called, without suffix; the image's own name first."""
    name, text = png_name(image.file_name).removesuffix(".png"), str(image.image_id)
    return list(dict.fromkeys([name, Path(name).name, text, f"{text}_leftImg8bit"]))
