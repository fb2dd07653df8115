"""The report of a test from memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from panoptic_core.engine.html_report import add_values, counting_mode, report_writer
from panoptic_core.evaluation import PanopticQuality, ReportWriter
from panoptic_core.testing import tiny_scene


@pytest.fixture
def samples(sample: Callable[..., dict[str, Any]], tmp_path: Path) -> list[dict[str, Any]]:
    """Five images; the prediction of number N is N pixels off."""
    made = []
    for number in (2, 0, 4, 1, 3):
        path = tmp_path / f"{number}.jpg"
        Image.fromarray(tiny_scene().image).save(path)
        made.append(sample(number, shift=number, img_path=str(path)))
    return made


def test_keeps_the_worst_and_has_no_value(
    samples: list[dict[str, Any]], evaluate: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "report.html"
    writer = ReportWriter(str(out), worst=2, facts={"Config": "a.py"})
    values = evaluate([PanopticQuality(), writer], [*samples, samples[2]], size=5)
    assert not [name for name in values if "report" in name]
    assert writer.content is not None
    assert [image.name for image in writer.content.images] == ["4.jpg", "3.jpg"]
    assert all(image.pictures and image.pictures.photo for image in writer.content.images)
    assert len(writer.content.image_pqs) == 5
    assert [section.key for section in writer.content.sections] == ["quality", "classes", "errors", "sizes"]
    fn = writer.content.sections[2].tables[0].totals[0][1]
    assert fn == writer.content.sections[0].tables[0].rows[0][7] > 0
    assert {"Missed", "Why missed"} <= dict(writer.content.images[0].sentences).keys()
    assert writer.content.headlines[0].value == values["panoptic/PQ"]
    assert ("Config", "a.py") in writer.content.facts
    assert "data:image/jpeg" in out.read_text(encoding="utf-8")


def test_the_order_of_images_changes_nothing(
    samples: list[dict[str, Any]], evaluate: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    pages = []
    for place, order in enumerate((samples, samples[::-1])):
        evaluate(ReportWriter(str(tmp_path / f"{place}.html"), worst=3), order)
        pages.append((tmp_path / f"{place}.html").read_bytes())
    assert pages[0] == pages[1]


def test_the_values_of_the_run_are_added(
    samples: list[dict[str, Any]], evaluate: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    writer = ReportWriter(str(out), worst=0)
    writer.add_values({})  # before a run there is nothing to write
    assert not out.exists()
    evaluate(writer, samples)
    runner = type("Runner", (), {"test_evaluator": type("Metrics", (), {"metrics": [writer]})})
    add_values(runner, {"semantic/mIoU": 61.25, "note": "text", "instance/box_AP": float("nan")})
    assert writer.content is not None
    assert [(one.title, one.value) for one in writer.content.headlines[3:4]] == [("mIoU", 61.25)]
    assert writer.content.sections[-1].key == "values"
    assert "61.25" in out.read_text(encoding="utf-8")


def test_counts_as_the_other_metrics_of_the_run_do() -> None:
    entry = report_writer("a.html", None, {}, [{"type": PanopticQuality, "mode": "exact"}])
    assert entry["mode"] == "exact"
    assert "worst" not in entry
    other = report_writer("a.html", 3, {}, {"type": "panoptic_core.PanopticQuality"}, ["dagger"])
    assert (other["mode"], other["worst"]) == ("default", 3)
    assert other["measures"] == ["dagger", "sizes", "errors"]
    assert counting_mode([{"type": "panoptic_core.PanopticQuality", "mode": "exact"}]) == "exact"
