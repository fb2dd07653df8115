"""The HTML report of a test, from memory: no prediction has to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from panoptic_core.evaluating.scores import image_pq
from panoptic_core.evaluation.panoptic_quality import PREDICTION_CURE, TRUTH_CURE
from panoptic_core.evaluation.per_image import PerImageMetric, image_key, require
from panoptic_core.evaluation.writer import image_name_of
from panoptic_core.metrics import (
    ExtendedCounts,
    ExtendedSum,
    PQCounts,
    sum_counts,
    summarize,
    summarize_extended,
)
from panoptic_core.metrics.extended import count_pairs
from panoptic_core.metrics.matching import count_matches, match_pairs
from panoptic_core.metrics.pairing import Mode, pair_segments
from panoptic_core.registry import METRICS
from panoptic_core.report import REPORTED, WORST, ReportContent, describing, write_page
from panoptic_core.report.content import Column, Headline, ImageReport, Section, Table
from panoptic_core.report.extending import extended_headlines, extended_sections
from panoptic_core.report.pictures import draw_pictures

_HEADLINES = {"semantic/mIoU": "mIoU", "instance/box_AP": "Box AP", "instance/mask_AP": "Mask AP"}


@dataclass(frozen=True)
class _Record:
    """One image: its counts, its own PQ, and its pictures if it is among the worst of its process."""

    counts: PQCounts
    pq: float
    extended: ExtendedCounts
    image: ImageReport | None = None


@METRICS.register_module()
class ReportWriter(PerImageMetric):
    """Writes one HTML file with tables and the worst images; has no values of its own.

    Each process keeps the pictures of as many images as are shown, compressed, and no more.

    Args:
        out: The file; its folder is made.
        worst: How many images are shown.
        mode: ``"default"`` or ``"exact"``, as :class:`PanopticQuality` of the same run.
        measures: What is measured beside PQ, names of :data:`panoptic_core.metrics.MEASURES`.
        title: The heading.
        facts: What was evaluated, such as ``{"Config": "tascnet.py"}``.
        kwargs: See :class:`~panoptic_core.evaluation.per_image.PerImageMetric`.
    """

    default_prefix = "report"

    def __init__(
        self,
        out: str,
        worst: int = WORST,
        mode: Mode = "default",
        measures: Sequence[str] = REPORTED,
        title: str = "Panoptic evaluation",
        facts: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.out = Path(out)
        self.worst = worst
        self.mode: Mode = mode
        self.measures = tuple(measures)
        self.title = title
        self.facts = dict(facts or {})
        self.content: ReportContent | None = None
        self._kept: dict[tuple[str, str], ImageReport] = {}

    def measure(self, sample: Mapping[str, Any]) -> _Record:
        """Count one image, and draw it if it is among the worst so far."""
        pred = require(sample, "pred_panoptic", PREDICTION_CURE)
        target = require(sample, "gt_panoptic", TRUTH_CURE)
        classes = self.table.num_classes
        pairs = pair_segments(pred, target, classes, mode=self.mode, image=sample.get("img_id"))
        found = match_pairs(pairs)  # once, for PQ and all that is measured beside it
        counts = count_matches(pairs, found, classes)
        extended = count_pairs(pairs, found, pred.id_map, target.id_map, self.table.is_thing, self.measures)
        pq = image_pq(counts)
        numbers = int(counts.tp.sum()), int(counts.fp.sum()), int(counts.fn.sum())
        image = ImageReport(image_name_of(sample), pq, *numbers)
        if self._is_among_the_worst(image):
            photo = sample.get("img_path")
            pictures, matches = draw_pictures(pred.cpu(), target.cpu(), self.table, photo, mode=self.mode)
            misses, falses = extended.kinds_of_errors() or (None, None)
            sentences = describing.wrong_segments(matches, self.table)
            sentences += [*describing.kinds("Why missed", misses), *describing.kinds("Why false", falses)]
            self._kept[image_key(sample)] = replace(image, sentences=tuple(sentences), pictures=pictures)
            if len(self._kept) > self.worst:
                del self._kept[max(self._kept, key=lambda key: _badness(self._kept[key]))]
        return _Record(counts, pq, extended)

    def _is_among_the_worst(self, image: ImageReport) -> bool:
        if image.pq != image.pq or self.worst < 1:  # nothing counts in it
            return False
        return len(self._kept) < self.worst or _badness(image) < max(map(_badness, self._kept.values()))

    def evaluate(self, size: int) -> dict[str, Any]:
        """Collect all processes' records and pictures, and write the file."""
        for place, (key, record) in enumerate(self.results):
            self.results[place] = key, replace(record, image=self._kept.get(key))
        self._kept = {}
        return super().evaluate(size)

    def summarize(self, records: Sequence[_Record]) -> dict[str, Any]:
        """Write the file; returns no value."""
        table = self.table
        result = summarize(sum_counts((one.counts for one in records), table.num_classes), table)
        total = ExtendedSum(table.num_classes, self.measures)
        for one in records:
            total.add(one.extended)
        extended = summarize_extended(total.total(), table)
        images = sorted((one.image for one in records if one.image is not None), key=_badness)
        facts = self.facts | {
            "Images": str(len(records)),
            "Classes": f"{len(table)} of {table.name}",
            "Mode": self.mode,
        }
        self.content = ReportContent(
            title=self.title,
            facts=tuple(facts.items()),
            headlines=(*describing.quality_headlines(result), *extended_headlines(extended)),
            sections=(
                *describing.quality_sections(result, table),
                *extended_sections(extended, table),
            ),
            image_pqs=tuple(one.pq for one in records),
            images=tuple(images[: self.worst]),
        )
        self._write()
        return {}

    def add_values(self, values: Mapping[str, Any]) -> None:
        """Write the file again with the values of all metrics of the run; main process only."""
        if self.content is None:
            return
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        lines = [Headline(title, numbers[name]) for name, title in _HEADLINES.items() if name in numbers]
        rows = tuple(sorted(numbers.items()))
        whole = Table((Column("Name", "text"), Column("Value", "number")), rows)
        section = Section("values", "All values", "What every metric of the run gave.", (whole,))
        self.content = replace(
            self.content,
            headlines=(*self.content.headlines, *lines),
            sections=(*self.content.sections, section),
        )
        self._write()

    def _write(self) -> None:
        assert self.content is not None
        self.out.parent.mkdir(parents=True, exist_ok=True)
        write_page(self.out, self.content)


def _badness(image: ImageReport) -> tuple[float, int, str]:
    return image.pq, -(image.fp + image.fn), image.name
