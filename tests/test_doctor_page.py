"""The page of the dataset doctor lists the rules that there are."""

import re
from pathlib import Path

from panoptic_data.checking import RULES

PAGE = Path(__file__).parents[1] / "docs" / "doctor.md"


def test_every_rule_is_on_the_page() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (error|warning|note) \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert dict(rows) == {name: str(rule.severity) for name, rule in RULES.items()}
    assert len(rows) == len(RULES)
    readme = PAGE.parents[1] / "packages" / "panoptic-data" / "README.md"
    assert f"{len(RULES)} rules" in readme.read_text(encoding="utf-8")
