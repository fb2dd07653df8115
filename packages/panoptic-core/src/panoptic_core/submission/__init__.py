"""Files for the test servers of COCO, Cityscapes and Mapillary Vistas: written, and checked before upload."""

from panoptic_core.submission.checking import check_submission
from panoptic_core.submission.findings import RULES, Finding, Report, Rule
from panoptic_core.submission.servers import SERVERS, Server
from panoptic_core.submission.writing import write_submission

__all__ = [
    "RULES",
    "SERVERS",
    "Finding",
    "Report",
    "Rule",
    "Server",
    "check_submission",
    "write_submission",
]
