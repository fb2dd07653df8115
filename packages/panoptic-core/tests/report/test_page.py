"""The page: well formed, nothing from outside, no name taken for HTML, values as they were measured."""

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panoptic_core.report import ReportContent, render, write_report
from panoptic_core.report.content import ClassName, Column, Headline, ImageReport, Parts, Section, Table

PageReader = Callable[[str], Any]
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'"


@pytest.fixture(scope="module")
def text(evaluated: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert write_report(path, evaluated.outcome, evaluated.sources) == []
    return path.read_text(encoding="utf-8")


def content(**changed: Any) -> ReportContent:
    columns = (
        Column("Class", "class"),
        Column("PQ", "percent"),
        Column("TP", "number"),
        Column("Kinds", "parts", "hint", (("right", "matched"), ("wrong", "false"))),
    )
    rows = (
        (ClassName("car", (1, 2, 3), is_thing=True), 40.0, 1234, Parts((3, 1))),
        (ClassName("sky", (4, 5, 6), is_thing=False), float("nan"), None, Parts((0, 0))),
    )
    section = Section("classes", "Classes", "Some.", (Table(columns, rows, filters=True),))
    values = {
        "title": "Title",
        "facts": (("Mode", "default"),),
        "headlines": (Headline("PQ", float("nan")),),
        "sections": (section,),
        **changed,
    }
    return ReportContent(**values)


def test_nothing_is_loaded_from_outside(text: str, read_page: PageReader) -> None:
    page = read_page(text)
    for name, attributes in page.elements:
        for key in ("src", "href", "srcset", "action", "data", "poster", "background"):
            value = attributes.get(key)
            assert value is None or value.startswith(("#", "data:")), (name, key)
        assert not [key for key in attributes if key.startswith("on") or key == "style"], name
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    assert "@import" not in style
    assert "url(" not in style
    script = "".join(re.findall(r"<script>(.*?)</script>", text, re.DOTALL))
    assert not re.search(r"fetch|XMLHttpRequest|import\(|https?:|eval|innerHTML|insertAdjacentHTML", script)


def test_links_lead_to_something_and_ids_are_unique(text: str, read_page: PageReader) -> None:
    page = read_page(text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for _, a in page.elements if (a.get("href") or "").startswith("#")}
    targets |= {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a}
    assert targets <= set(ids)
    assert {"photo-1", "photo-2", "classes", "images"} <= targets


def test_the_policy_knows_style_and_script_and_nothing_else(text: str, read_page: PageReader) -> None:
    policies = [a["content"] for a in read_page(text).all("meta") if "http-equiv" in a]
    assert len(policies) == 1
    rules = dict(rule.strip().split(" ", 1) for rule in policies[0].split(";"))
    for kind in ("style", "script"):
        inside = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert rules.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert rules == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "img-src": "data:",
    }


def test_names_stay_text(text: str, read_page: PageReader, evil_names: tuple[str, str]) -> None:
    page = read_page(text)
    assert len(page.all("script")) == 1
    assert "img" not in {name for name, _ in page.elements}
    for name in evil_names:
        assert name in page.texts
        assert name not in text
    assert any(a.get("aria-label") == f"prediction of {evil_names[1]}" for a in page.all("button"))


def test_every_text_of_the_content_is_escaped(read_page: PageReader) -> None:
    table = Table(
        (Column(EVIL, "class", EVIL), Column(EVIL, "parts", EVIL, ((EVIL, "matched"),))),
        ((ClassName(EVIL, (0, 0, 0), is_thing=True), Parts((1,))),),
        ((EVIL, EVIL),),
    )
    page = read_page(
        render(
            content(
                title=EVIL,
                facts=((EVIL, EVIL),),
                headlines=(Headline(EVIL, 1.0, EVIL),),
                sections=(Section("evil", EVIL, EVIL, (table,)),),
                images=(ImageReport(EVIL, 1.0, 1, 1, 1, ((EVIL, EVIL),)),),
            )
        )
    )
    assert len(page.all("script")) == 1
    assert "img" not in {name for name, _ in page.elements}
    assert page.texts.count(EVIL) >= 14


def test_cells_carry_the_values_to_sort_by(read_page: PageReader) -> None:
    cells = read_page(render(content())).all("td")
    assert [cell["data-value"] for cell in cells] == ["car", "40.0", "1234", "4", "sky", "", "", "0"]
    rows = read_page(render(content())).all("tr")
    assert [row.get("data-kind") for row in rows] == [None, "things", "stuff"]
    assert ["data-empty" in row for row in rows] == [False, False, True]


def test_a_value_of_zero_is_a_value(read_page: PageReader) -> None:
    car = ClassName("car", (1, 2, 3), is_thing=True)
    table = Table((Column("Class", "class"), Column("PQ", "percent")), ((car, 0.0), (car, float("nan"))))
    rows = read_page(render(content(sections=(Section("a", "A", "", (table,)),)))).all("tr")
    assert ["data-empty" in row for row in rows] == [False, False, True]


def test_bars_are_as_long_as_their_values(read_page: PageReader) -> None:
    widths = [a["width"] for a in read_page(render(content())).all("rect") if a.get("class") == "fill"]
    assert widths == ["40.00%"]
    parts = [(a["x"], a["width"]) for a in read_page(render(content())).all("rect") if "x" in a]
    assert parts == [("0.00%", "75.00%"), ("75.00%", "25.00%")]


def test_the_values_are_those_of_the_evaluation(text: str, evaluated: Any) -> None:
    for row in evaluated.outcome.result.per_class:
        assert f'data-value="{row.pq!r}"' in text
    assert ">100.00<" in text


def test_a_page_without_images_has_no_gallery_and_no_dialog(read_page: PageReader) -> None:
    page = read_page(render(content()))
    assert page.all("dialog") == []
    assert "Images" not in page.texts
    assert "–" in page.texts  # noqa: RUF001 - a value that does not exist


def test_a_histogram_counts_every_image_once(read_page: PageReader) -> None:
    page = read_page(render(content(image_pqs=(0.0, 4.9, 5.0, 100.0, float("nan")))))
    bars = [words for words in page.texts if words.startswith("PQ ") and " to " in words]
    assert bars == ["PQ 0 to 5: 2 of 4 images", "PQ 5 to 10: 1 of 4 images", "PQ 95 to 100: 1 of 4 images"]


def test_the_same_content_gives_the_same_bytes(evaluated: Any, tmp_path: Path, text: str) -> None:
    write_report(tmp_path / "again.html", evaluated.outcome, evaluated.sources)
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == text
