"""What a split holds, as text for people and as plain values for programs."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panoptic_data.checks import show
from panoptic_data.stats.collecting import ClassStats, SplitStats

SMALL, MEDIUM = 32**2, 96**2
"""COCO's area ranges: small objects are below the first, large ones from the second on."""

SORTS = ("label", "segments", "images", "pixels")


def to_text(stats: SplitStats, sort: str = "label") -> str:
    """Return the report that people read; classes that do not occur are named at its end.

    Args:
        stats: What was counted.
        sort: ``"label"`` keeps the order of the table; the others put the most first.
    """
    classes = [stats.of_class(label) for label in range(len(stats.table))]
    unseen = [one.name for one in classes if not one.segments + one.crowds]
    seen = [one for one in classes if one.segments + one.crowds]
    if sort != "label":
        seen.sort(key=lambda one: -getattr(one, sort))
    head = (
        f"Split {stats.name}: {stats.num_images} images, {len(stats.labels)} segments, "
        f"{len(seen)} of {len(classes)} classes of {stats.table.name}"
    )
    lines = [head, *_facts(stats), "", *_class_table(seen)]
    return "\n".join([*lines, *([f"Not there: {show(unseen, limit=20)}"] if unseen else [])])


def to_dict(stats: SplitStats) -> dict[str, Any]:
    """Return everything that is counted; plain Python values only."""
    instances, sizes = stats.instances_an_image, Counter(map(tuple, stats.sizes.tolist()))
    return {
        "split": stats.name,
        "classes_of": stats.table.name,
        "num_images": stats.num_images,
        "num_segments": len(stats.labels),
        "num_instances": int(instances.sum()),
        "num_crowds": int(stats.crowds.sum()),
        "sizes": [{"height": h, "width": w, "images": n} for (h, w), n in sizes.most_common()],
        "void_share": float(stats.void.sum() / max(1, stats.sizes.prod(axis=1).sum())),
        "void_share_an_image": _spread(stats.void_share),
        "instances_an_image": _spread(instances),
        "segments_an_image": _spread(stats.segments_an_image),
        "instances_histogram": {
            str(value): number for value, number in sorted(Counter(instances.tolist()).items())
        },
        "instances_by_size": _by_size(stats),
        "per_class": [stats.of_class(label)._asdict() for label in range(len(stats.table))],
    }


def _facts(stats: SplitStats) -> list[str]:
    sizes = Counter(map(tuple, stats.sizes.tolist()))
    by_area = sorted(sizes, key=lambda size: size[0] * size[1])
    (common, often), *_ = sizes.most_common(1)
    total = stats.void.sum() / stats.sizes.prod(axis=1).sum()
    parts = _by_size(stats)
    number = sum(parts.values())
    shares = ", ".join(f"{name} {value / max(1, number):.0%}" for name, value in parts.items())
    empty = int((stats.instances_an_image == 0).sum())
    sizes_text = (
        f"{_size(by_area[0])} to {_size(by_area[-1])}, {len(sizes)} sizes, most often {_size(common)}"
    )
    return [
        f"  size (height x width)  {sizes_text} ({often} images)",
        f"  void                   {total:.1%} of all pixels; {_worst(stats, stats.void_share, '{:.1%}')}",
        f"  instances an image     {_worst(stats, stats.instances_an_image)}; none in {empty} images",
        f"  segments an image      {_worst(stats, stats.segments_an_image)}",
        f"  size of instances      {shares} (COCO's ranges: below 32x32 pixels, below 96x96, the rest)",
    ]


def _class_table(classes: list[ClassStats]) -> list[str]:
    width = max([5, *(len(one.name) for one in classes)])
    lines = [f"{'class':{width}}  kind   images  segments  crowds   pixels  median area"]
    for one in classes:
        area = "" if one.median_area is None else f"{one.median_area:.0f}"
        kind = "thing" if one.is_thing else "stuff"
        lines.append(
            f"{one.name:{width}}  {kind}  {one.images:6}  {one.segments:8}  {one.crowds:6}  {one.share:6.2%}"
            f"  {area:>11}"
        )
    return lines


def _worst(stats: SplitStats, values: NDArray, form: str = "{:g}") -> str:
    worst = int(values.argmax())
    spread = _spread(values)
    mean = ", mean {:.1f}".format(spread["mean"]) if form == "{:g}" else ""
    return (
        f"median {form.format(spread['median'])}{mean}, at most {form.format(spread['max'])} "
        f"(image {stats.image_ids[worst]})"
    )


def _spread(values: NDArray) -> dict[str, float]:
    return {
        "min": float(values.min()),
        "median": float(np.median(values)),
        "mean": float(values.mean()),
        "max": float(values.max()),
    }


def _by_size(stats: SplitStats) -> dict[str, int]:
    areas = stats.areas[stats.is_instance]
    small, medium = int((areas < SMALL).sum()), int((areas < MEDIUM).sum())
    return {"small": small, "medium": medium - small, "large": len(areas) - medium}


def _size(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
