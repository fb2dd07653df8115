"""The report of an evaluation: one HTML file that opens anywhere and needs nothing else."""

from panoptic_core.report.content import ReportContent
from panoptic_core.report.page import render
from panoptic_core.report.writing import (
    REPORTED,
    WORST,
    Sources,
    find_photos,
    worst_images,
    write_page,
    write_report,
)

__all__ = [
    "REPORTED",
    "WORST",
    "ReportContent",
    "Sources",
    "find_photos",
    "render",
    "worst_images",
    "write_page",
    "write_report",
]
