"""Check one image's entry in the JSON of a submission."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from panoptic_core.files import MAX_ID
from panoptic_core.submission.findings import Finding, found
from panoptic_core.submission.servers import Server

_KINDS = {"image_id": int | str, "file_name": str, "segments_info": list}


def check_annotation(
    entry: Any, json_name: str, server: Server, *, train_ids: bool = False
) -> Iterator[Finding]:
    """Check an entry of ``annotations``, without its PNG.

    Args:
        entry: As it stands in the JSON.
        json_name: The JSON's name, for the findings.
        server: Whose rules.
        train_ids: Whether the whole file seems to count classes from 0.
    """
    if not isinstance(entry, dict):
        yield found(
            "annotation", json_name, f"expected an entry of `annotations` to be a dict, got {_shown(entry)}"
        )
        return
    image_id = entry.get("image_id")
    where = f"{json_name}, image {image_id!r}"
    for key, kind in _KINDS.items():
        value = entry.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            yield found("annotation", where, f"expected `{key}`, got {_shown(value)}")
    if isinstance(image_id, int | str) and not server.is_id(image_id):
        yield found("image-id", where, f"expected {server.id_rule}, got {image_id!r}")
    name = entry.get("file_name")
    if isinstance(name, str) and ("/" in name or "\\" in name or not name.endswith(".png")):
        yield found("file-name", where, f"expected the name of a PNG, got {name!r}")
    segments = entry.get("segments_info")
    if isinstance(segments, list):
        yield from _check_segments(segments, where, server, train_ids=train_ids)


def _check_segments(
    segments: Sequence[Any], where: str, server: Server, *, train_ids: bool
) -> Iterator[Finding]:
    table = server.table
    if not segments:
        yield found("nothing-predicted", where, "`segments_info` is empty")
    good: list[Mapping[str, Any]] = []
    for segment in segments:
        keys = segment if isinstance(segment, dict) else {}
        if type(keys.get("id")) is not int or type(keys.get("category_id")) is not int:
            yield found("segment", where, f"expected id and category_id, got {_shown(segment)}")
            continue
        good.append(keys)
    for segment in good:
        place = f"{where}, segment {segment['id']}"
        if not 0 < segment["id"] <= MAX_ID:
            yield found("segment-id", place, f"expected an id in [1, {MAX_ID}]")
        if segment.get("iscrowd"):
            yield found("crowd", place, f"has iscrowd {segment['iscrowd']!r}")
    for segment_id, times in Counter(segment["id"] for segment in good).items():
        if times > 1:
            yield found("duplicate-segment", where, f"segment id {segment_id} is listed {times} times")
    labels = Counter(segment["category_id"] for segment in good)
    unknown = sorted(category for category in labels if category not in table.labels)
    if unknown:
        shown = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        if train_ids:
            last = len(table) - 1
            yield found(
                "train-ids", where, f"{shown} are no category ids; all ids of the file are in [0, {last}]"
            )
        else:
            yield found("unknown-category", where, f"{shown}: no category of {table.name}")
    for category, times in labels.items():
        label = table.labels.get(category)
        if times > 1 and label is not None and label >= table.num_things:
            yield found("stuff-split", where, f"{table.names[label]} (stuff) has {times} segments")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
