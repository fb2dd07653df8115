"""The dataset doctor: finds what is wrong with panoptic files, says why it matters and how to cure it."""

from panoptic_data.checking.catalogue import RULES
from panoptic_data.checking.findings import Finding, FindingLog, Rule, Severity
from panoptic_data.checking.fixing import Mended, fix_splits
from panoptic_data.checking.run import Checkup, SplitSize, check_splits

__all__ = [
    "RULES",
    "Checkup",
    "Finding",
    "FindingLog",
    "Mended",
    "Rule",
    "Severity",
    "SplitSize",
    "check_splits",
    "fix_splits",
]
