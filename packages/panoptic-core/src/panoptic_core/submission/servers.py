"""What each test server wants.

- COCO: "Upload Results" (https://cocodataset.org/#upload) and "Results Format", section 4
  (https://cocodataset.org/#format-results): ``panoptic_[testset]_[alg]_results.zip`` holds a JSON and a
  folder of PNGs, both called as the zip.
- Cityscapes: the header and the defaults of cityscapesScripts' ``evalPanopticSemanticLabeling.py``: COCO's
  format with ``image_id`` ``<city>_123456_123456`` and label ids, not train ids; the PNGs are in a folder
  called as the JSON.
- Mapillary Vistas: the same format and metric as COCO's task (https://cocodataset.org/#panoptic-2018, section
  1), with the category ids of ``panoptic_2018.json`` and the images' keys as ``image_id``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from panoptic_core.categories import CITYSCAPES, COCO_PANOPTIC, VISTAS, CategoryTable

_CITYSCAPES_ID = re.compile(r"[a-z][a-z-]*_\d{6}_\d{6}")
_IMAGE_SUFFIX = re.compile(r"\.(png|jpe?g)$", re.IGNORECASE)


@dataclass(frozen=True)
class Server:
    """A test server and its rules.

    Attributes:
        name: As the command spells it.
        table: The classes; segments have its category ids.
        id_rule: What an image id is, in words.
        zip_name: The pattern of the zip's name, if there is one; its first group is the split.
        zip_rule: The same in words.
        size: ``(H, W)`` of every image, if all are alike.
        counts: How many images a split has.
        order: The category ids in the order of "train ids", where the field uses such; else label order.
    """

    name: str
    table: CategoryTable
    id_rule: str
    zip_name: re.Pattern[str] | None = None
    zip_rule: str = "FILE.zip"
    size: tuple[int, int] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    order: tuple[int, ...] = ()

    def is_id(self, image_id: object) -> bool:
        """Return whether a value is an image id as the server wants it."""
        return self.read_id(image_id) == image_id and not isinstance(image_id, bool)

    def read_id(self, text: object) -> int | str | None:
        """Return the image id that an id or a file name means; None if there is none in it."""
        if self.name == "coco":
            if isinstance(text, int):
                return text
            digits = _IMAGE_SUFFIX.sub("", str(text))
            return int(digits) if re.fullmatch(r"[0-9]{1,12}", digits) else None
        if not isinstance(text, str):
            return None
        name = text.rpartition("/")[2]
        if self.name == "cityscapes":
            match = _CITYSCAPES_ID.match(name)
            return match.group() if match else None
        return _IMAGE_SUFFIX.sub("", name) or None

    def png_name(self, image_id: int | str) -> str:
        """Return what to call an image's PNG."""
        return f"{image_id:012d}.png" if isinstance(image_id, int) else f"{image_id}.png"

    def json_stem(self, zip_stem: str, split: str) -> str:
        """Return what JSON and folder are called in a zip of a name."""
        return f"cityscapes_panoptic_{split}" if self.name == "cityscapes" else zip_stem


def _train_order() -> tuple[int, ...]:
    """Return Cityscapes' ids by train id: stuff from the road on, then things from the person on."""
    ids, things = CITYSCAPES.category_ids, CITYSCAPES.num_things
    return ids[things:] + ids[:things]


SERVERS: Mapping[str, Server] = {
    server.name: server
    for server in (
        Server(
            "coco",
            COCO_PANOPTIC,
            "a whole number, such as 139",
            re.compile(r"panoptic_(val2017|test-dev2017|test-challenge2017)_(.+)_results\.zip"),
            "panoptic_[val2017, test-dev2017 or test-challenge2017]_[algorithm]_results.zip",
            counts={"val2017": 5000, "test-dev2017": 20288},
            order=COCO_PANOPTIC.category_ids,
        ),
        Server(
            "cityscapes",
            CITYSCAPES,
            "the image's name up to its two numbers, such as 'berlin_000000_000019'",
            size=(1024, 2048),
            counts={"test": 1525, "val": 500},
            order=_train_order(),
        ),
        Server(
            "vistas",
            VISTAS,
            "the image's file name without suffix",
            counts={"testing": 5000, "validation": 2000},
            order=tuple(sorted(VISTAS.category_ids)),
        ),
    )
}
"""The servers by name."""
