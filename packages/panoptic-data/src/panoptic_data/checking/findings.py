"""What a check finds: rules, findings, and a log of them whose memory is bounded."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

ImageId = int | str


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # training, evaluation or a usual tool stops, or computes something wrong
    WARNING = "warning"  # legal, but rarely meant
    NOTE = "note"  # worth knowing


@dataclass(frozen=True)
class Rule:
    """One thing that is checked.

    Attributes:
        name: Its name, for ``--ignore`` and programs.
        severity: How bad it is unless a finding says otherwise.
        title: What is found.
        why: What goes wrong if it stays.
        cure: What to do.
    """

    name: str
    severity: Severity
    title: str
    why: str
    cure: str


@dataclass(frozen=True)
class Finding:
    """One violation of a rule.

    Attributes:
        rule: The rule.
        file: The file at fault, relative to the data set's root where it lies below it.
        what: What is there, with its values.
        image: The image's id in the JSON (in native Cityscapes its stem).
        segment: The segment's id.
        category: The category's id.
        severity: How bad it is.
        mendable: Whether ``--fix`` mends it.
    """

    rule: Rule
    file: str
    what: str
    image: ImageId | None = None
    segment: int | None = None
    category: int | None = None
    severity: Severity = Severity.ERROR
    mendable: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, with the rule's reason and cure."""
        return asdict(self) | {
            "rule": self.rule.name,
            "severity": str(self.severity),
            "why": self.rule.why,
            "cure": self.rule.cure,
        }

    def place(self) -> str:
        """Return file and ids in words."""
        parts = [self.file]
        if self.image is not None:
            parts.append(f"image {self.image}")
        if self.segment is not None:
            parts.append(f"segment {self.segment}")
        if self.category is not None:
            parts.append(f"category {self.category}")
        return ", ".join(parts)


class FindingLog:
    """Findings in the order in which they came: the first of each rule kept, all counted.

    Args:
        keep: How many findings of a rule are kept; None keeps all.
        ignore: Names of rules whose findings are counted apart and do not matter.
    """

    def __init__(self, keep: int | None = 1000, ignore: Collection[str] = ()) -> None:
        self.keep = keep
        self.kept: list[Finding] = []
        self.by_rule: Counter[str] = Counter()
        self.by_severity: Counter[Severity] = Counter()
        self.mendable = 0
        self.ignored: Counter[str] = Counter()
        self._ignore = frozenset(ignore)

    def add(self, findings: Iterable[Finding]) -> None:
        """Count findings, and keep them while their rule has few."""
        for finding in findings:
            name = finding.rule.name
            if name in self._ignore:
                self.ignored[name] += 1
                continue
            self.by_rule[name] += 1
            self.by_severity[finding.severity] += 1
            self.mendable += finding.mendable
            if self.keep is None or self.by_rule[name] <= self.keep:
                self.kept.append(finding)

    def __len__(self) -> int:
        return self.by_rule.total()

    def fails(self, *, strict: bool = False) -> bool:
        """Return whether there are errors, or, if `strict`, warnings."""
        return bool(self.by_severity[Severity.ERROR] or (strict and self.by_severity[Severity.WARNING]))
