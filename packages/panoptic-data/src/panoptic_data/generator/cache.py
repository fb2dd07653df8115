"""Scenes that are made once and found again: a cache that two processes may use at the same time."""

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from panoptic_data.generator.settings import GENERATOR_VERSION, SceneSettings, parse_size
from panoptic_data.generator.writer import describe, find_damage, write_scenes

try:
    import fcntl
except ImportError:  # Windows: no locks, so two processes may both make the scenes; the first one's are kept
    fcntl = None  # type: ignore[assignment]

CACHE_VARIABLE = "PANOPTIC_DATA_CACHE"

_logger = logging.getLogger(__name__)


def ensure_scenes(
    num_images: int,
    size: int | str | tuple[int, int],
    seed: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    settings: SceneSettings | None = None,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Return a folder with generated scenes, and make it if it is not there yet.

    Safe with several processes: one makes the scenes, the others wait for it. A folder appears whole or not
    at all, what a killed process left behind is ignored, and a damaged folder is made again.

    Args:
        num_images: How many images.
        size: One number, ``"HxW"`` or ``(height, width)``.
        seed: Seed; use different ones for training and validation.
        cache_dir: Where the folders are kept; None = ``$PANOPTIC_DATA_CACHE``, or ``~/.cache/panoptic-data``.
        settings: The knobs; None = the defaults.
        progress: Called with the number of finished images, if they have to be made.

    Returns:
        The folder; see :func:`~panoptic_data.generator.write_scenes` for what it holds.

    Raises:
        ValueError: If a number is out of range.
    """
    settings = settings or SceneSettings()
    height, width = parse_size(size)
    folder = default_cache_dir() if cache_dir is None else Path(cache_dir).expanduser().absolute()
    name = f"scenes-v{GENERATOR_VERSION}-{num_images}x{height}x{width}-seed{seed}-{settings.digest()}"
    root = folder / name
    description = describe(num_images, (height, width), seed, settings)
    if root.is_dir() and find_damage(root, description) is None:
        return root
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / f".{name}.lock") as locked:
        if root.exists():
            damage = find_damage(root, description)
            if damage is None:
                return root
            _logger.warning("The scenes in %s are damaged: %s. They are made again.", root, damage)
            shutil.rmtree(root)
        if locked:  # nobody else is at work on these scenes: what lies around was left by a killed process
            for stale in folder.glob(f".{name}.*.tmp"):
                shutil.rmtree(stale, ignore_errors=True)
        try:
            return write_scenes(root, num_images, (height, width), seed, settings, progress=progress)
        except OSError:
            # Without locks another process may have finished first; its scenes are as good as ours.
            if find_damage(root, description) is None:
                return root
            raise


def default_cache_dir() -> Path:
    """Return ``$PANOPTIC_DATA_CACHE``, or ``panoptic-data`` in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "panoptic-data"


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Hold a lock that dies with the process; yields False where the system has none."""
    with path.open("w") as file:
        locked = False
        if fcntl is not None:
            with contextlib.suppress(OSError):  # some network drives have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
                locked = True
        yield locked
