"""Rules on the files of one image: there, readable, of one size, labelled."""

from collections.abc import Callable, Iterator
from pathlib import Path

from panoptic_data.checking.facts import ImageFacts
from panoptic_data.checking.findings import Finding
from panoptic_data.checking.listing import shorten
from panoptic_data.checking.reading import Fault, ImageFile
from panoptic_data.checking.rules import found
from panoptic_data.checks import describe_place


def absent_files(facts: ImageFacts) -> Iterator[Finding]:
    """Find files that are not there."""
    for rule, path, read in (
        ("image-missing", facts.task.image, facts.image),
        ("map-missing", facts.task.map, facts.id_map),
    ):
        if path is not None and read is None:
            name = facts.image_name if rule == "image-missing" else facts.map_name
            yield found(rule, name, f"no such file{_similar(path)}", image=facts.task.image_id)


def broken_files(facts: ImageFacts) -> Iterator[Finding]:
    """Find files that cannot be used."""
    for name, read in ((facts.image_name, facts.image), (facts.map_name, facts.id_map)):
        if isinstance(read, Fault):
            yield found(read.rule, name, read.what, image=facts.task.image_id)


def turned_images(facts: ImageFacts) -> Iterator[Finding]:
    """Find images that a tag turns."""
    if isinstance(facts.image, ImageFile) and facts.image.orientation != 1:
        what = f"EXIF orientation is {facts.image.orientation} (1 is upright)"
        yield found("image-rotated", facts.image_name, what, image=facts.task.image_id)


def sizes(facts: ImageFacts) -> Iterator[Finding]:
    """Find sizes that disagree between image, map and JSON."""
    size = facts.size
    if size is None:
        return
    map_size = None if isinstance(facts.id_map, Fault | None) else facts.id_map.shape
    if map_size is not None and isinstance(facts.image, ImageFile) and map_size != facts.image.size:
        turned = map_size == facts.image.size[::-1] and facts.image.orientation >= 5
        hint = "; the image has an EXIF tag that turns it" if turned else ""
        what = f"the map is {_text(map_size)}, the image {_text(facts.image.size)} (height x width){hint}"
        yield found("image-map-size", facts.map_name, what, image=facts.task.image_id)
        return
    entry = facts.task.entry or {}
    if "height" not in entry or "width" not in entry:
        return
    listed = (entry["height"], entry["width"])
    if listed != size:
        swapped = " (exchanged)" if listed == size[::-1] else ""
        shown = "x".join(map(shorten, listed))  # as JSON: a text is told from a number
        what = f"`height` x `width` is {shown}, the file is {_text(size)}{swapped}"
        yield found("size-differs", facts.listing.json_name, what, image=facts.task.image_id, mendable=True)


def void_maps(facts: ImageFacts) -> Iterator[Finding]:
    """Find maps without a labelled pixel."""
    if facts.pixels is not None and not facts.pixels.ids.size and not facts.segments:
        what = "all pixels are 0 and no segment is listed"
        yield found("map-void", facts.map_name, what, image=facts.task.image_id)


def exchanged_channels(facts: ImageFacts) -> Iterator[Finding]:
    """Find maps that were written B G R."""
    if facts.has_bgr:
        what = f"its {len(facts.segments)} ids are those of the JSON when red and blue are exchanged"
        yield found("map-bgr", facts.map_name, what, image=facts.task.image_id, mendable=True)


IMAGE_RULES: tuple[Callable[[ImageFacts], Iterator[Finding]], ...] = (
    absent_files,
    broken_files,
    turned_images,
    sizes,
    void_maps,
    exchanged_channels,
)
"""Each takes an image's facts and yields what it finds."""


def _similar(path: Path) -> str:
    """Say what is there instead: a name in other letters or of another kind, else the folder's content."""
    if path.parent.is_dir():
        stem = path.stem.lower()
        for other in sorted(path.parent.iterdir()):
            if other.stem.lower() == stem:
                return f"; there is {other.name}"
    return f" ({describe_place(path.parent)})"


def _text(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
