"""Making a finding of a rule's name."""

from typing import Any

from panoptic_data.checking.catalogue import RULES
from panoptic_data.checking.findings import Finding, ImageId, Severity


def found(
    rule: str,
    file: str,
    what: str,
    *,
    image: ImageId | None = None,
    segment: Any = None,
    category: Any = None,
    severity: Severity | None = None,
    mendable: bool = False,
) -> Finding:
    """Return a finding of a rule, as bad as the rule says unless told otherwise."""
    one = RULES[rule]
    return Finding(
        one,
        file,
        what,
        image=image,
        segment=segment if type(segment) is int else None,
        category=category if type(category) is int else None,
        severity=severity or one.severity,
        mendable=mendable,
    )
