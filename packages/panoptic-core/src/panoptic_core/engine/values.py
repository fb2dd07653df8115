"""Write the values of an evaluation for programs to read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panoptic_core.files import atomic_path


def write_values(path: str | Path, values: Mapping[str, Any]) -> None:
    """Write values by name as JSON, NaN (a class that never occurs) as null; a kill leaves no half file."""
    plain = {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in values.items()
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
