"""The measures beside PQ in the report: every count of an error is in a bar, values are those measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from panoptic_core.evaluating import FolderResult, evaluate_folders
from panoptic_core.metrics import MEASURES
from panoptic_core.report import write_report
from panoptic_core.report.content import ClassName, Parts
from panoptic_core.report.extending import extended_headlines, extended_sections
from panoptic_core.report.writing import sections


def measured(evaluated: Any, measures: Sequence[str]) -> FolderResult:
    sources = evaluated.sources
    return evaluate_folders(
        sources.gt_json, sources.pred_json, pred_folder=sources.pred_folder, measures=measures, workers=1
    )


def test_the_kinds_of_errors_add_up(evaluated: Any) -> None:
    outcome = measured(evaluated, ("errors",))
    assert outcome.extended is not None
    (section,) = extended_sections(outcome.extended, outcome.table)
    (table,) = section.tables
    for row, expected in zip(table.rows, outcome.result.per_class, strict=True):
        name, fn, missed, fp, false = row
        assert isinstance(name, ClassName)
        assert isinstance(missed, Parts)
        assert isinstance(false, Parts)
        assert (name.name, fn, fp) == (expected.name, expected.fn, expected.fp)
        assert (sum(missed.values), sum(false.values)) == (fn, fp)
    assert table.totals[0][1] == outcome.result.all.fn > 0
    words = [name for name, _ in table.columns[2].parts]
    empty = table.totals[0][2]
    assert isinstance(empty, Parts)
    assert empty.values[words.index("lost to void")] == outcome.result.all.fn  # two images lack segments


def test_sizes_and_other_measures_are_those_measured(evaluated: Any) -> None:
    outcome = measured(evaluated, ("sizes", "dagger", "covering", "boundary", "pixels"))
    extended = outcome.extended
    assert extended is not None
    assert extended.sizes is not None
    assert extended.dagger is not None
    assert extended.map_iou is not None
    sizes, measures, confusion = extended_sections(extended, outcome.table)
    assert [row[1] for row in sizes.tables[0].totals] == pytest.approx(
        [getattr(extended.sizes["small"], group).pq for group in ("all", "things", "stuff")], nan_ok=True
    )
    titles = [column.title for column in measures.tables[0].columns]
    assert titles[1:] == ["PQ-dagger", "Covering", "Boundary PQ", "Boundary SQ", "Boundary RQ", "IoU"]
    road = dict(zip(titles, measures.tables[0].rows[2], strict=True))
    assert road["PQ-dagger"] == extended.dagger.per_class["road"]
    assert road["IoU"] == extended.map_iou.per_class["road"]
    assert confusion.key == "map-confusion"
    assert [line.title for line in extended_headlines(extended)] == [
        "PQ-dagger",
        "Parsing Covering",
        "Boundary PQ",
        "mIoU of the maps",
    ]


def test_everything_is_on_the_page_and_well_formed(evaluated: Any, tmp_path: Path, read_page: Any) -> None:
    outcome = measured(evaluated, MEASURES)
    write_report(tmp_path / "all.html", outcome, evaluated.sources)
    page = read_page((tmp_path / "all.html").read_text(encoding="utf-8"))
    keys = [one["id"] for one in page.all("section")]
    assert keys == ["quality", "classes", "errors", "sizes", "measures", "map-confusion", "images"]
    assert keys[:-1] == [section.key for section in sections(outcome)]
    assert "Why missed" in page.texts
    assert any("lost to void" in words for words in page.texts)
