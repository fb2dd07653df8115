"""Writes scenes as a COCO-panoptic split with an instance file; the folder appears whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from panoptic_data.generator.categories import GENERATED_SCENES
from panoptic_data.generator.records import SceneFiles, draw_scenes
from panoptic_data.generator.settings import GENERATOR_VERSION, MAX_IMAGES, SceneSettings, parse_size

MANIFEST = "manifest.json"


def write_scenes(
    out: str | os.PathLike[str],
    num_images: int,
    size: int | str | tuple[int, int],
    seed: int = 0,
    settings: SceneSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
    workers: int | None = None,
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
        workers: Processes that draw, the bytes do not depend on it; None = one a CPU, at most 8, for sets
            that are worth it.

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
        _fill(building, num_images, size, seed, settings or SceneSettings(), progress, workers)
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
    workers: int | None,
) -> None:
    (root / "images").mkdir()
    (root / "panoptic").mkdir()
    images, maps, instances = [], [], []
    for records in draw_scenes(SceneFiles(root, num_images, size, seed, settings), workers):
        images.append(records.image)
        maps.append(records.annotation)
        instances.extend(records.instances)
        if progress is not None:
            progress(len(images))
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
