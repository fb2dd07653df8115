"""Check one PNG of a submission against the segments that the JSON lists."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from panoptic_core.files import PanopticFileError, decode_panoptic_png
from panoptic_core.submission.findings import Finding, found
from panoptic_core.submission.servers import Server


def check_map(
    data: bytes, where: str, segments: Any, server: Server, size: tuple[int, int] | None
) -> Iterator[Finding]:
    """Check a PNG.

    Args:
        data: The file's bytes.
        where: Its name in the zip.
        segments: ``segments_info`` of its entry; anything that is no list of segments is left to others.
        server: Whose rules.
        size: ``(H, W)`` that it must have, if known.
    """
    try:
        ids = decode_panoptic_png(data, "the PNG")
    except PanopticFileError as error:
        yield found("png-unreadable", where, str(error))
        return
    if size is not None and ids.shape != tuple(size):
        yield found(
            "size", where, f"expected {size[1]} x {size[0]} pixels, got {ids.shape[1]} x {ids.shape[0]}"
        )
    if not isinstance(segments, list):
        return
    listed = {row["id"] for row in segments if isinstance(row, dict) and type(row.get("id")) is int}
    present = set(np.unique(ids).tolist()) - {0}
    strangers, absent = sorted(present - listed), sorted(listed - present)
    if strangers and {_swapped(one) for one in present} <= listed:
        yield found("channel-order", where, f"{len(strangers)} ids are listed with red and blue exchanged")
        return
    if strangers:
        yield found("id-not-listed", where, f"{_shown(strangers)} in the PNG, but not in `segments_info`")
    if absent:
        yield found("id-not-in-png", where, f"{_shown(absent)} in `segments_info`, but own no pixel")


def _swapped(segment_id: int) -> int:
    red, green, blue = segment_id & 255, segment_id >> 8 & 255, segment_id >> 16
    return blue + 256 * green + 65536 * red


def _shown(ids: list[int]) -> str:
    shown = ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")
    return f"{len(ids)} segment ids ({shown}) are"
