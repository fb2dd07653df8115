"""Predict images of a person: a picture, a panoptic PNG and a JSON for each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from panoptic_core.engine.affinity_pictures import write_affinity_picture
from panoptic_core.engine.images import UnreadableImageError, read_rgb, write_picture
from panoptic_core.engine.videos import VIDEO_SUFFIXES
from panoptic_core.files import atomic_path, make_annotation, write_panoptic_png
from panoptic_core.inference import PanopticModel, predict
from panoptic_core.visualization import comparison

_OUR_OWN = ("_picture.png", "_panoptic.png", "_affinity.png")


def find_images(place: str | Path) -> list[Path]:
    """Return an image file, or all images in a folder and below it, by name.

    Raises:
        FileNotFoundError: If there is no such place, or no image in it.
    """
    place = Path(place).expanduser()
    if place.is_file():
        return [place]
    if not place.is_dir():
        msg = f"Expected an image or a folder of images at `{place}`, but there is none."
        raise FileNotFoundError(msg)
    suffixes = set(Image.registered_extensions()) - VIDEO_SUFFIXES  # Pillow knows an .mpg, but not its frames
    found = [
        path
        for path in sorted(place.rglob("*"))
        if path.suffix.lower() in suffixes and path.is_file() and not path.name.endswith(_OUR_OWN)
    ]
    if not found:
        msg = f"Expected images in the folder `{place}`, got none."
        raise FileNotFoundError(msg)
    return found


def predict_files(
    model: PanopticModel,
    place: str | Path,
    out: str | Path,
    report: Callable[[str], None],
    affinity_at: Sequence[tuple[int, int]] = (),
) -> list[str]:
    """Predict images; write ``NAME_picture.png``, ``NAME_panoptic.png`` and ``NAME.json`` of each.

    The JSON is in COCO-panoptic format: category ids of the training set, scores, the categories with their
    names and colours. Folders below the given one are kept.

    Args:
        model: From :func:`panoptic_core.inference.load_model`.
        place: An image or a folder.
        out: The folder to write to.
        report: Called with a line for each image.
        affinity_at: Pixels, x and y each; of each one ``NAME_X_Y_affinity.png`` is written, too: how much
            every pixel gives to it.

    Returns:
        What could not be read, a sentence each; these images are left out.

    Raises:
        AffinityPictureError: If there is no affinity of such a pixel.
    """
    images = find_images(place)
    root = Path(place).expanduser()
    unreadable = []
    for number, (path, name) in enumerate(
        _with_names(images, root if root.is_dir() else root.parent), start=1
    ):
        try:
            count = _predict_one(model, path, Path(out, name), affinity_at)
        except UnreadableImageError as error:
            unreadable.append(str(error))
            report(f"{number}/{len(images)}  left out: {error}")
        else:
            report(f"{number}/{len(images)}  {path}: {count} segments")
    return unreadable


def _predict_one(
    model: PanopticModel, path: Path, target: Path, affinity_at: Sequence[tuple[int, int]]
) -> int:
    read_rgb(path)  # to the end: decoders of pipelines fill what is missing with grey
    prediction = predict(model, path, keep_raw=bool(affinity_at))
    segmentation = prediction.segmentation
    image = read_rgb(path, segmentation.shape)
    for x, y in affinity_at:  # first: where there is no affinity nothing is written
        place = target.with_name(f"{target.name}_{x}_{y}_affinity.png")
        write_affinity_picture(place, image, prediction, model.table, (x, y))
    panoptic = target.with_name(f"{target.name}_panoptic.png")
    annotation, ids = make_annotation(path.stem, panoptic.name, segmentation, model.table, with_scores=True)
    content: dict[str, Any] = {
        "images": [{"id": path.stem, "file_name": path.name, "height": ids.shape[0], "width": ids.shape[1]}],
        "annotations": [annotation],
        "categories": model.table.to_json(),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    write_panoptic_png(panoptic, ids)
    with atomic_path(target.with_name(f"{target.name}.json")) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    write_picture(
        target.with_name(f"{target.name}_picture.png"), comparison(image, segmentation, model.table)
    )
    return len(annotation["segments_info"])


def _with_names(images: list[Path], root: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each image with what its results are called: its name without suffix, if no other has that."""
    stems = Counter(path.with_suffix("") for path in images)
    for path in images:
        relative = path.relative_to(root)
        yield path, relative.with_suffix("") if stems[path.with_suffix("")] == 1 else relative
