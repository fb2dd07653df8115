"""The result files of ``panoptic-eval``: JSON for programs, CSV for tables."""

import argparse
import csv
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from panoptic_core.__about__ import __version__
from panoptic_core.evaluating import FolderResult
from panoptic_core.files import atomic_path
from panoptic_core.metrics import ExtendedResult, IoUResult, ThingStuffConfusion, TrimmingResult
from panoptic_core.metrics.pq_summary import finite

_COUNTS = ("tp", "fp", "fn")
_GROUPS = ("all", "things", "stuff")


def write_json(path: Path, outcome: FolderResult, args: argparse.Namespace) -> None:
    """Write the result for programs; a value that does not exist (no class occurs) is null."""
    content = outcome.result.to_dict()
    ids = outcome.table.category_ids
    for row, category_id in zip(content["per_class"], ids, strict=True):
        row["category_id"] = category_id
    content |= {
        "mode": "exact" if args.exact else "default",
        "num_images": outcome.num_images,
        "classes_of": outcome.table.name,
        "gt_json": str(args.gt_json),
        "pred_json": str(args.pred_json),
        "version": __version__,
    }
    if outcome.trimming is not None:
        content["stuff"] = outcome.trimming.to_dict()
    if outcome.semantic is not None and outcome.things_and_stuff is not None:
        content["semantic"] = finite(asdict(outcome.semantic) | outcome.things_and_stuff.to_dict())
    if outcome.extended is not None:
        content["extended"] = outcome.extended.to_dict()
    content["images"] = [finite(asdict(score)) for score in outcome.images]
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def write_csv(path: Path, outcome: FolderResult) -> None:
    """Write a row for each group and each class, with a column for all that was measured of it.

    A value that does not exist is an empty cell. Values are percent.
    """
    rows: list[dict[str, Any]] = []
    for group in _GROUPS:
        values = asdict(getattr(outcome.result, group))
        rows.append({"name": group, "kind": "group", "category_id": "", "is_thing": "", **values})
    for row, category_id in zip(outcome.result.per_class, outcome.table.category_ids, strict=True):
        values = {name: value for name, value in asdict(row).items() if name not in ("name", "is_thing")}
        head = {"name": row.name, "kind": "class", "category_id": category_id, "is_thing": int(row.is_thing)}
        rows.append({**head, **values, "n": ""})
    for place, row_values in enumerate(rows):
        if outcome.extended is not None:
            row_values |= _extended_cells(outcome.extended, place)
        if outcome.trimming is not None:
            row_values |= _trimming_cells(outcome.trimming, place)
        if outcome.semantic is not None and outcome.things_and_stuff is not None:
            row_values |= _pixel_cells("semantic", outcome.semantic, outcome.things_and_stuff, place)
    names = list(rows[0])
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows({name: _cell(row[name]) for name in names} for row in rows)


def _extended_cells(result: ExtendedResult, place: int) -> dict[str, Any]:
    """Return the cells of one row: the groups come first, then the classes."""
    group = _GROUPS[place] if place < len(_GROUPS) else None
    place -= len(_GROUPS)
    cells: dict[str, Any] = {}
    for name, means in (("pq_dagger", result.dagger), ("parsing_covering", result.covering)):
        if means is not None:
            cells[name] = getattr(means, group) if group else list(means.per_class.values())[place]
    parts = {} if result.boundary is None else {"boundary": result.boundary}
    for kind, part in (parts | (result.sizes or {})).items():
        row = getattr(part, group) if group else part.per_class[place]
        cells |= {f"{name}_{kind}": getattr(row, name) for name in ("pq", "sq", "rq", *_COUNTS)}
    if result.errors is not None:
        both = {"misses": result.errors.misses, "falses": result.errors.falses}
        kinds = list(result.errors.per_class.values())[place] if group is None else {}
        for title, groups in both.items():
            counts = groups[group] if group else kinds[title]
            cells |= {f"{title}_{kind}": count for kind, count in counts.items()}
    if result.map_iou is not None and result.things_and_stuff is not None:
        cells |= _pixel_cells("map", result.map_iou, result.things_and_stuff, place + len(_GROUPS))
    return cells


def _trimming_cells(trimming: TrimmingResult, place: int) -> dict[str, Any]:
    """Return the cells of one row: only that of stuff has values."""
    states = {"untrimmed": asdict(trimming.before), "trimmed": asdict(trimming.after)}
    is_stuff = place == _GROUPS.index("stuff")
    cells = {f"{name}_{state}": value for state, part in states.items() for name, value in part.items()}
    return cells if is_stuff else dict.fromkeys(cells)


def _pixel_cells(title: str, iou: IoUResult, confusion: ThingStuffConfusion, place: int) -> dict[str, Any]:
    """Return the cells of one row: the IoU of all and of each class, what things and stuff were taken for."""
    values = [iou.miou, None, None, *iou.per_class.values()]
    row = place - _GROUPS.index("things")
    shares = confusion.percent[row].tolist() if row in (0, 1) else [None] * 3
    names = (f"{title}_{name}" for name in ("as_thing", "as_stuff", "as_void"))
    return {f"{title}_iou": values[place], **dict(zip(names, shares, strict=True))}


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
