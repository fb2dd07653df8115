"""Writes scenes as a COCO-panoptic split with an instance file; the folder appears whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from panoptic_core.files import encode_crop, write_panoptic_png
from panoptic_data.generator.categories import GENERATED_SCENES
from panoptic_data.generator.scene import Scene, make_scene
from panoptic_data.generator.settings import GENERATOR_VERSION, MAX_IMAGES, SceneSettings, parse_size

MANIFEST = "manifest.json"
IDS_PER_IMAGE = 256


def write_scenes(
    out: str | os.PathLike[str],
    num_images: int,
    size: int | str | tuple[int, int],
    seed: int = 0,
    settings: SceneSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Make scenes and write them to a folder.

    The folder holds ``images/*.png``, ``panoptic/*.png``, ``panoptic.json``, ``instances.json`` (overlapping
    masks of the things; an annotation's id is its segment's id) and ``manifest.json`` (how it was made, and
    the size of each file). It is filled under another name and renamed at the end.

    Args:
        out: The folder; it must not exist, or be empty.
        num_images: How many images, at least 1.
        size: One number, ``"HxW"`` or ``(height, width)``.
        seed: Seed, not negative.
        settings: The knobs; None = the defaults.
        overwrite: Replace a folder that an earlier run wrote.
        progress: Called with the number of finished images after each one.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder holds something, and `overwrite` is not set or no generator wrote it.
        ValueError: If a number is out of range.
    """
    out = Path(out).absolute()
    size = parse_size(size)
    if not 1 <= num_images <= MAX_IMAGES:
        msg = f"Expected `num_images` in [1, {MAX_IMAGES}], got {num_images}. For more, use several seeds."
        raise ValueError(msg)
    _check_free(out, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    try:
        building.chmod(0o755)
        _fill(building, num_images, size, seed, settings or SceneSettings(), progress)
        if out.exists() and overwrite:
            shutil.rmtree(out)
        building.rename(out)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return out


def describe(num_images: int, size: tuple[int, int], seed: int, settings: SceneSettings) -> dict[str, Any]:
    """Return what a set of scenes is made from; two equal descriptions mean the same bytes."""
    return {
        "generator_version": GENERATOR_VERSION,
        "num_images": num_images,
        "size": list(size),
        "seed": seed,
        "settings": settings.to_json(),
    }


def find_damage(root: Path, description: dict[str, Any] | None = None) -> str | None:
    """Compare a folder with its manifest.

    Args:
        root: A folder that :func:`write_scenes` wrote.
        description: What it should have been made from; None = anything.

    Returns:
        What is wrong in words, or None if the manifest is there and all files have the sizes it says.
    """
    try:
        manifest = json.loads((root / MANIFEST).read_text())
        files = dict(manifest["files"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"{MANIFEST} cannot be read ({error})"
    if description is not None and manifest.get("made_from") != description:
        return f"{MANIFEST} describes other scenes"
    for name, expected in files.items():
        try:
            found = (root / name).stat().st_size
        except OSError:
            return f"{name} is missing"
        if found != expected:
            return f"{name} has {found} bytes, not {expected}"
    return None


def _check_free(out: Path, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        msg = (
            f"Expected {out} to be new or empty, got a folder or file with content. "
            "Choose another, or pass --overwrite (in Python: overwrite=True)."
        )
        raise FileExistsError(msg)
    if not (out / MANIFEST).is_file():
        msg = (
            f"Expected {out} to be a folder that the generator wrote, got one without {MANIFEST}. "
            "It is not replaced: delete it yourself, or choose another."
        )
        raise FileExistsError(msg)


def _fill(
    root: Path,
    num_images: int,
    size: tuple[int, int],
    seed: int,
    settings: SceneSettings,
    progress: Callable[[int], None] | None,
) -> None:
    (root / "images").mkdir()
    (root / "panoptic").mkdir()
    images, maps, instances = [], [], []
    for index in range(num_images):
        scene = make_scene(index, seed, size, settings)
        name = f"{index:06d}.png"
        Image.fromarray(scene.image).save(root / "images" / name, compress_level=4)
        image_id = index + 1
        base = IDS_PER_IMAGE * index
        ids = np.where(scene.id_map > 0, scene.id_map + base, 0)
        write_panoptic_png(root / "panoptic" / name, ids)
        images.append({"id": image_id, "file_name": name, "height": size[0], "width": size[1]})
        maps.append({"image_id": image_id, "file_name": name, "segments_info": _segments_info(scene, base)})
        instances.extend(_instances(scene, image_id, base))
        if progress is not None:
            progress(index + 1)
    made_from = describe(num_images, size, seed, settings)
    categories = GENERATED_SCENES.to_json()
    things = [category for category in categories if category["isthing"]]
    head = {"info": {"description": "Generated street scenes", **made_from}, "images": images}
    _write_json(root / "panoptic.json", {**head, "annotations": maps, "categories": categories})
    _write_json(root / "instances.json", {**head, "annotations": instances, "categories": things})
    files = {
        path.relative_to(root).as_posix(): path.stat().st_size
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    _write_json(root / MANIFEST, {"made_from": made_from, "files": files})
    for path in (root / "images", root / "panoptic", root):
        _flush_folder(path)


def _segments_info(scene: Scene, base: int) -> list[dict[str, Any]]:
    infos = []
    for segment in scene.segments:
        mask = scene.id_map == segment.segment_id
        infos.append(
            {
                "id": base + segment.segment_id,
                "category_id": GENERATED_SCENES.category_ids[segment.label],
                "iscrowd": int(segment.iscrowd),
                "area": int(mask.sum()),
                "bbox": _bbox(mask),
            }
        )
    return infos


def _instances(scene: Scene, image_id: int, base: int) -> list[dict[str, Any]]:
    height, width = scene.id_map.shape
    annotations = []
    for segment in scene.segments:
        if segment.mask is None:
            continue
        rle = encode_crop(segment.mask, segment.window, (height, width))
        counts = rle["counts"]
        x, y, w, h = _bbox(segment.mask)
        annotation: dict[str, Any] = {
            "id": base + segment.segment_id,
            "image_id": image_id,
            "category_id": GENERATED_SCENES.category_ids[segment.label],
            "iscrowd": int(segment.iscrowd),
            "area": int(segment.mask.sum()),
            "bbox": [x + segment.window[0], y + segment.window[1], w, h],
            "segmentation": {
                "size": [height, width],
                "counts": counts.decode() if isinstance(counts, bytes) else counts,
            },
        }
        if segment.worn_by:
            annotation["worn_by"] = base + segment.worn_by
        annotations.append(annotation)
    return annotations


def _bbox(mask: np.ndarray) -> list[int]:
    """Return [x, y, width, height] around the True pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y]


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        json.dump(content, file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    """Make the names in a folder last, where the system can."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
