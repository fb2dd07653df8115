"""Instance predictions: the results list that COCO's evaluation takes."""

import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from panoptic_core.categories import CategoryTable
from panoptic_core.files import PanopticFileError, rle_to_box_masks, segmentation_to_rle
from panoptic_core.fusing.images import ImageEntry, ImageList, read_json
from panoptic_fusion import BoxMasks


class Result(NamedTuple):
    """One instance: its place in the file, its label, its score, and its mask as the file has it."""

    place: int
    label: int
    score: float
    segmentation: Any


@dataclass(frozen=True, eq=False)
class InstanceResults:
    """A checked results JSON, image by image.

    Attributes:
        path: The file.
        by_image_id: The instances of each image that has some, in the order of the file.
        num_ignored: Instances of images that are not in the list.
    """

    path: Path
    by_image_id: Mapping[int | str, Sequence[Result]]
    num_ignored: int

    def read(self, image: ImageEntry) -> tuple[BoxMasks, Tensor, Tensor]:
        """Decode the instances of an image: masks, ``(N,)`` labels, ``(N,)`` scores; none is a case.

        Raises:
            PanopticFileError: If a mask is broken or has another size than the image.
        """
        results = self.by_image_id.get(image.image_id, ())
        rles = []
        for result in results:
            try:
                rles.append(segmentation_to_rle(result.segmentation, image.size))
            except (ValueError, TypeError) as error:
                raise PanopticFileError(self._at(result.place, image.image_id, str(error))) from error
        try:
            masks = rle_to_box_masks(rles)
        except ValueError:
            for result, rle in zip(results, rles, strict=True):  # find out which
                try:
                    rle_to_box_masks([rle])
                except ValueError as error:
                    raise PanopticFileError(self._at(result.place, image.image_id, str(error))) from error
            raise
        labels = torch.tensor([result.label for result in results], dtype=torch.int64)
        scores = torch.tensor([result.score for result in results], dtype=torch.float32)
        return masks, labels, scores

    def _at(self, place: int, image_id: int | str, problem: str) -> str:
        return f"{self.path}, entry {place} (image {image_id!r}): {problem}"


def read_instance_results(path: str | os.PathLike[str], images: ImageList) -> InstanceResults:
    """Read a results JSON: a list of ``image_id``, ``category_id``, ``score``, ``segmentation``.

    Args:
        path: The JSON.
        images: The images and the classes.

    Raises:
        FileNotFoundError: If there is no such file.
        PanopticFileError: If it is no such list, an entry has no mask, its category is unknown or stuff, or
            its score is not finite; the message names the entry.
    """
    path = Path(path)
    content = read_json(path, "instance results")
    if not isinstance(content, list):
        hint = "a list of results, one an instance"
        if isinstance(content, dict) and "annotations" in content:
            hint += "; this is an annotation file, which has no scores"
        msg = f"Expected {path} to hold {hint}, got {type(content).__name__}. Use what the detector wrote."
        raise PanopticFileError(msg)
    known = {image.image_id for image in images.images}
    grouped: dict[int | str, list[Result]] = defaultdict(list)
    ignored = 0
    for place, entry in enumerate(content):
        image_id, result = _read_entry(entry, place, path, images.table)
        if image_id in known:
            grouped[image_id].append(result)
        else:
            ignored += 1
    if content and not grouped:
        kinds = {type(entry["image_id"]) for entry in content} & {type(one) for one in known}
        hint = (
            "Are they of another set?" if kinds else "One file has numbers, the other text: write them alike."
        )
        msg = f"Expected instances of the images of {images.path} in {path}, got none of them. {hint}"
        raise PanopticFileError(msg)
    return InstanceResults(path, dict(grouped), ignored)


def _read_entry(entry: Any, place: int, path: Path, table: CategoryTable) -> tuple[int | str, Result]:
    keys = ("image_id", "category_id", "score")
    missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
    problem = ""
    if missing:
        problem = f"expected image_id, category_id, score and segmentation, got no {', '.join(missing)}."
    elif not entry.get("segmentation"):
        problem = (
            "expected `segmentation` (an RLE), got none. Boxes alone cannot be fused: "
            "use the detector's mask results (*.segm.json)."
        )
    elif not isinstance(entry["score"], int | float) or not math.isfinite(entry["score"]):
        problem = f"expected `score` to be a finite number, got {entry['score']!r}."
    elif not isinstance(entry["image_id"], int | str):
        problem = f"expected `image_id` to be a number or text, got {entry['image_id']!r}."
    elif not isinstance(entry["category_id"], int) or entry["category_id"] not in table.labels:
        problem = (
            f"expected a category id of '{table.name}', got {entry['category_id']!r}. "
            "Use the data set's own ids, or name other classes."
        )
    elif table.labels[entry["category_id"]] >= table.num_things:
        name = table[table.labels[entry["category_id"]]].name
        problem = (
            f"expected the category of a thing, got {entry['category_id']} ('{name}'), which is stuff. "
            "Stuff comes from the semantic prediction: leave it out."
        )
    if problem:
        msg = f"{path}, entry {place}: {problem}"
        raise PanopticFileError(msg)
    label = table.labels[entry["category_id"]]
    return entry["image_id"], Result(place, label, float(entry["score"]), entry["segmentation"])
