"""What a check found, as text for people and as JSON for programs."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from panoptic_core.files import atomic_path
from panoptic_data.__about__ import __version__
from panoptic_data.checking.catalogue import RULES
from panoptic_data.checking.findings import Finding, FindingLog, Severity
from panoptic_data.checking.fixing import Mended
from panoptic_data.checking.run import Checkup

_ORDER = list(Severity)
_WIDTH = 110


def to_text(checkup: Checkup, limit: int = 5) -> str:
    """Return the report that people read: each rule once, with the first findings, the reason and the cure.

    Args:
        checkup: What was found.
        limit: Findings shown a rule.
    """
    lines = [
        f"Split {split.name}: {split.layout}: {split.num_images} images, {split.num_segments} segments, "
        f"{split.num_classes} classes"
        for split in checkup.splits
    ]
    groups: dict[tuple[int, str], list[Finding]] = {}
    for finding in checkup.log.kept:
        groups.setdefault((_ORDER.index(finding.severity), finding.rule.name), []).append(finding)
    for _, findings in sorted(groups.items(), key=lambda group: group[0][0]):
        lines += ["", *_describe(findings, checkup.log, limit)]
    return "\n".join([*lines, "", *_summary(checkup)])


def to_dict(checkup: Checkup) -> dict[str, Any]:
    """Return the result for programs; plain Python values only."""
    log = checkup.log
    return {
        "version": __version__,
        "splits": [vars(split) for split in checkup.splits],
        "counts": {str(severity): log.by_severity[severity] for severity in Severity},
        "by_rule": dict(log.by_rule),
        "mendable": log.mendable,
        "ignored": dict(log.ignored),
        "findings": [finding.to_dict() for finding in log.kept],
        "findings_left_out": len(log) - len(log.kept),
        "seconds": round(checkup.seconds, 3),
    }


def write_json(path: Path, checkup: Checkup, **more: Any) -> None:
    """Write :func:`to_dict`, whole or not at all.

    Args:
        path: The file.
        checkup: What was found.
        more: Further entries.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(to_dict(checkup) | more, indent=2) + "\n")


def mends_text(mended: Mended, limit: int = 5) -> str:
    """Return what a mended copy changed: each rule with its first mends.

    Args:
        mended: The copy.
        limit: Mends shown a rule.
    """
    lines = [f"Mended: {_count(len(mended.log), 'change')}. The original is as it was."]
    for name, total in mended.log.by_rule.items():
        shown = [mend for mend in mended.log.kept if mend.rule.name == name][:limit]
        lines.append(f"{name}: {total}")
        lines += [f"  {mend.place()}: {mend.what}" for mend in shown]
        if total > len(shown):
            lines.append(f"  ... and {total - len(shown)} more (--limit shows more, --json writes them)")
    return "\n".join([*lines, *(f"Left out: {what}" for what in mended.left_out)])


def rules_text() -> str:
    """Return the list of all rules."""
    return "\n".join(f"{rule.severity:8}{rule.name:26}{rule.title}" for rule in RULES.values())


def _describe(findings: Sequence[Finding], log: FindingLog, limit: int) -> Iterator[str]:
    rule, severity = findings[0].rule, findings[0].severity
    total = log.by_rule[rule.name]
    yield f"{severity} {rule.name}: {rule.title}"
    for finding in findings[:limit]:
        yield f"  {finding.place()}: {finding.what}"
    # Findings of a rule that were not kept are told with those that were.
    others = sum(1 for one in log.kept if one.rule.name == rule.name and one.severity is not severity)
    left = total - others - min(limit, len(findings))
    if left > 0:
        yield f"  ... and {left} more ({total} in all; --limit shows more, --json writes them)"
    for word, text in (("why", rule.why), ("cure", rule.cure)):
        yield textwrap.fill(text, _WIDTH, initial_indent=f"  {word}: ", subsequent_indent="    ")
    if all(finding.mendable for finding in findings):
        yield "  --fix mends it."
    elif any(finding.mendable for finding in findings):
        yield f"  --fix mends {sum(finding.mendable for finding in findings)} of these."


def _summary(checkup: Checkup) -> Iterator[str]:
    log = checkup.log
    for name, number in sorted(log.ignored.items()):
        yield f"Ignored, as asked for: {number} of {name}"
    images = sum(split.num_images for split in checkup.splits)
    counts = ", ".join(_count(log.by_severity[severity], str(severity)) for severity in Severity)
    mendable = f", {log.mendable} of them mended by --fix" if log.mendable else ""
    verdict = "" if log.fails(strict=True) else " Clean."
    yield f"{counts} in {_count(images, 'image')}{mendable} ({checkup.seconds:.1f} s).{verdict}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
