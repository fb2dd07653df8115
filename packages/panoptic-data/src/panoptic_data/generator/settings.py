"""What a generated scene may hold and how often: one dataclass, easy to change."""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

GENERATOR_VERSION = "9"
"""Part of every cache key; raised whenever a change alters a single byte of the output."""

DEFAULT_SIZE = (160, 160)
"""``(height, width)`` of a scene in pixels where none is asked for."""

MIN_SIDE = 32
MAX_IMAGES = 65_536  # segment ids are 256 * image + k and must fit the three bytes of a PNG pixel
MAX_THINGS = 120


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """The knobs of the generator; the defaults are what the quick start trains and tests on.

    Shares and chances are in ``[0, 1]``; weights are relative to each other; areas are shares of the squared
    short side of the image, so that they mean the same at every size.
    """

    things: tuple[int, int] = (4, 7)
    """Smallest and largest number of things to place (some find no room)."""
    person: float = 3.2
    car: float = 3.0
    bicycle: float = 1.5
    dog: float = 1.4
    traffic_light: float = 1.6
    traffic_sign: float = 1.6
    backpack: float = 0.9
    """Chance that a person seen from the side wears one; a person seen from behind does half as often."""
    company: float = 0.12
    """Chance that a person has others close by: crowded, yet separable."""
    rider: float = 0.15
    """Chance that a bicycle is ridden: a person on top of it."""
    crowd: float = 0.15
    """Chance of a group too dense to separate, annotated as one region with ``iscrowd = 1``."""
    clutter: float = 0.25
    """Chance of an unlabelled object (a bin, a crate, a bollard): void."""
    rim: float = 0.25
    """Chance that the bottom shows the bonnet of the car that carries the camera: void."""
    across: float = 0.45
    """Share of scenes that look across the street; the others look along it."""
    trees: tuple[int, int] = (0, 2)
    """Smallest and largest number of trees and bushes among the things."""
    far: float = 0.04
    """Share of things placed farther away than usual: the small ones."""
    overlap: float = 0.3
    """A spot is taken only if nearer objects will cover at most about this share of each farther one."""
    min_visible: float = 0.6
    """A thing is left out where less than this share of it would be seen."""
    min_thing_area: float = 0.003
    """A thing is left out where less than this area of it would be seen."""
    min_stuff_area: float = 0.02
    """A stuff segment smaller than this becomes void: too small to label."""
    instance_masks: Literal["worn", "full"] = "worn"
    """What a mask in ``instances.json`` covers. ``"worn"``: what is seen, plus what lies under its own worn
    objects (as in COCO); ``"full"``: the whole shape inside the image, also behind other objects."""
    texture: float = 1.0
    """Strength of the surface textures; 0 = flat colours."""
    noise: float = 1.0
    """Strength of the camera noise; 0 = none."""
    blur: float = 0.5
    """Chance of a slightly soft picture."""
    supersample: int | None = None
    """Drawing resolution over image resolution; None = 4 up to a short side of 256 px, 2 above."""

    def __post_init__(self) -> None:
        for name in (
            "backpack",
            "company",
            "rider",
            "crowd",
            "clutter",
            "rim",
            "across",
            "far",
            "overlap",
            "min_visible",
            "blur",
        ):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                msg = f"Expected `{name}` to be in [0, 1], got {value}."
                raise ValueError(msg)
        for name in (*THING_WEIGHTS, "min_thing_area", "min_stuff_area", "texture", "noise"):
            value = getattr(self, name)
            if not value >= 0:
                msg = f"Expected `{name}` to be at least 0, got {value}."
                raise ValueError(msg)
        for name in ("things", "trees"):
            low, high = getattr(self, name)
            if not 0 <= low <= high <= MAX_THINGS:
                msg = (
                    f"Expected `{name}` to be (low, high) with 0 <= low <= high <= {MAX_THINGS}, "
                    f"got {(low, high)}."
                )
                raise ValueError(msg)
        if self.things[1] > 0 and not any(getattr(self, name) for name in THING_WEIGHTS):
            names = ", ".join(THING_WEIGHTS)
            msg = f"Expected one of {names} to be above 0, got zeros. For no things set things=(0, 0)."
            raise ValueError(msg)
        if self.instance_masks not in ("worn", "full"):
            msg = f"Expected `instance_masks` to be 'worn' or 'full', got {self.instance_masks!r}."
            raise ValueError(msg)
        if self.supersample is not None and not 1 <= self.supersample <= 8:
            msg = f"Expected `supersample` to be None or in [1, 8], got {self.supersample}."
            raise ValueError(msg)

    def to_json(self) -> dict[str, object]:
        """Return the settings as plain values, as they go into ``panoptic.json`` and the cache key."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def digest(self) -> str:
        """Return eight hexadecimal digits that change with any setting."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def with_changes(self, changes: list[str]) -> "SceneSettings":
        """Return a copy with some settings changed by ``name=value`` texts, as a command line gives them.

        Args:
            changes: Texts such as ``"crowd=0"``, ``"things=2,6"`` or ``"instance_masks=full"``.

        Raises:
            ValueError: If a name is unknown or a value does not fit.

        Example:
            >>> SceneSettings().with_changes(["things=2,6", "crowd=0"]).things
            (2, 6)
        """
        values: dict[str, Any] = {}
        known = {field.name for field in dataclasses.fields(self)}
        for change in changes:
            name, separator, text = change.partition("=")
            if not separator or name not in known:
                names = ", ".join(sorted(known))
                msg = f"Expected a setting as NAME=VALUE, got {change!r}. The names are: {names}."
                raise ValueError(msg)
            values[name] = _parse(name, text, getattr(self, name))
        return dataclasses.replace(self, **values)


THING_WEIGHTS = ("person", "car", "bicycle", "dog", "traffic_light", "traffic_sign")


def parse_size(size: int | str | tuple[int, int]) -> tuple[int, int]:
    """Read a size: one number is a square, ``HxW`` or a pair is height and width.

    Raises:
        ValueError: If it is neither, or a side is shorter than 32 pixels.

    Example:
        >>> parse_size("128x192"), parse_size(64)
        ((128, 192), (64, 64))
    """
    if isinstance(size, str):
        found = re.fullmatch(r"(\d+)(?:[xX](\d+))?", size.strip())
        if found is None:
            msg = f"Expected a size as 128 or 128x192 (height x width), got {size!r}."
            raise ValueError(msg)
        height, width = int(found[1]), int(found[2] or found[1])
    elif isinstance(size, int):
        height, width = size, size
    else:
        height, width = size
    if min(height, width) < MIN_SIDE:
        msg = (
            f"Expected both sides to be at least {MIN_SIDE} pixels, got {height}x{width}. Take a larger one."
        )
        raise ValueError(msg)
    return height, width


def _parse(name: str, text: str, default: object) -> Any:
    try:
        if isinstance(default, tuple):
            low, _, high = text.partition(",")
            return int(low), int(high or low)
        if isinstance(default, float):
            return float(text)
        if name == "supersample":
            return None if text.lower() == "none" else int(text)
    except ValueError as error:
        msg = f"Expected `{name}` to look like {default!r}, got {text!r}."
        raise ValueError(msg) from error
    return text
