"""Text tables for people."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def columns_of_text(rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as text: the first column to the left, others to the right; floats with two digits."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in cells
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "-" if np.isnan(value) else f"{value:.2f}"
    return str(value)
