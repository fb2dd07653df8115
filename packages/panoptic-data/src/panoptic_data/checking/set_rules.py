"""Rules on a split as a whole, and on several splits together."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple

from panoptic_data.checking.findings import Finding
from panoptic_data.checking.listing import Listing, is_segment_entry
from panoptic_data.checking.rules import found
from panoptic_data.checks import IMAGE_SUFFIXES, FolderIndex, show
from panoptic_data.datasets.coco_panoptic import find_image


def unseen_classes(listing: Listing) -> Iterator[Finding]:
    """Find classes that no segment has; one finding a split."""
    seen = {
        row["category_id"]
        for annotation in listing.annotations.values()
        for row in annotation["segments_info"]
        if is_segment_entry(row) and type(row["category_id"]) is int
    }
    unseen = [row["name"] for category_id, row in listing.categories.items() if category_id not in seen]
    if unseen and seen:
        what = f"{len(unseen)} of {len(listing.categories)} classes: {show(unseen)}"
        yield found("class-unseen", listing.json_name, what)


def unused_files(listing: Listing, key: str, folder: FolderIndex) -> Iterator[Finding]:
    """Find image files in a folder, and in those of its folders that are used, that nobody names.

    Args:
        listing: The JSON.
        key: ``"images"`` or ``"annotations"``: whose file names.
        folder: Where they start.
    """
    if listing.lacks(key):
        return  # it is said that nothing is known
    rows = (row.get("file_name") for row in listing.rows(key) if isinstance(row, dict))
    names = {name for name in rows if isinstance(name, str)}
    named = {normpath(find_image(name, folder) if key == "images" else name) for name in names}
    unused = [
        (place + "/" if place else "") + name
        for place in sorted({"", *(name.rpartition("/")[0] for name in named)})
        if not place.startswith("..")
        for name in sorted(folder.names(place))
        if Path(name).suffix.lower() in IMAGE_SUFFIXES and (place + "/" if place else "") + name not in named
    ]
    if unused:
        yield found("file-unused", listing.named(folder.root), f"{len(unused)} files: {show(unused)}")


class Classes(NamedTuple):
    """The classes of a split, and its images, by which a second description of it is recognised."""

    json_name: str
    categories: Mapping[int, str]
    images: frozenset[str]


def classes_of(listing: Listing) -> Classes:
    """Return what :func:`differing_categories` compares; order and colours do not matter."""
    kinds = {None: "", True: ", a thing", False: ", stuff"}
    names = {one: f"{row['name']!r}{kinds[listing.is_thing(one)]}" for one, row in listing.categories.items()}
    folder = listing.named(listing.files.images or listing.files.json.parent)
    return Classes(
        listing.json_name, names, frozenset(f"{folder}/{row['file_name']}" for row in listing.images.values())
    )


def differing_categories(splits: Sequence[Classes]) -> Iterator[Finding]:
    """Find splits whose classes are not those of the first one.

    Splits that are described twice (train ids beside ids, both label sets of Vistas) have several label sets
    on purpose, and splits without categories are told of elsewhere.
    """
    times = Counter(split.images for split in splits)
    single = [split for split in splits if split.categories and times[split.images] == 1]
    for split in single[1:]:
        ours, first = split.categories, single[0].categories
        differing = [one for one in sorted(ours.keys() | first.keys()) if ours.get(one) != first.get(one)]
        if differing:
            parts = [
                f"{one} is {ours.get(one, 'absent')} here and {first.get(one, 'absent')} there"
                for one in differing
            ]
            what = f"{len(differing)} ids are not as in {single[0].json_name}: {'; '.join(parts[:3])}"
            yield found("categories-differ", split.json_name, what)


def repeated_contents(digests: Mapping[str, bytes]) -> Iterator[Finding]:
    """Find images of a split that are the same file; the key is the name."""
    groups: dict[bytes, list[str]] = defaultdict(list)
    for name, digest in digests.items():
        groups[digest].append(name)
    for names in groups.values():
        if len(names) > 1:
            yield found("image-content-twice", names[1], f"the same bytes as {names[0]}{_more(names, 2)}")


def leaks(splits: Mapping[str, Mapping[str, bytes]]) -> Iterator[Finding]:
    """Find images that are in two splits; the keys are the split and the name.

    A file that two splits name is in both, too. Two splits of exactly the same files are one split that is
    described twice (Cityscapes' native and converted files, both label sets of Vistas): no leak.
    """
    names = list(splits)
    for index, first in enumerate(names):
        owners: dict[bytes, str] = {}
        for name, digest in splits[first].items():
            owners.setdefault(digest, name)
        for second in names[index + 1 :]:
            if splits[first].keys() == splits[second].keys():
                continue
            for name, digest in splits[second].items():
                if digest in owners:
                    what = f"the same image as {owners[digest]} of split {first}, here in split {second}"
                    yield found("split-leak", name, what)


def _more(names: list[str], shown: int) -> str:
    return f"; {len(names) - shown} more are, too" if len(names) > shown else ""
