"""HTML out of nested calls: nothing gets in unescaped."""

from hypothesis import given
from hypothesis import strategies as st

from panoptic_core.report._html import Html, join, tag


def test_text_and_attributes_are_escaped() -> None:
    shown = tag("td", "<b>", Html("<i>&amp;</i>"), ["&", None, 3], class_="a", data_value="\"'<", hidden=True)
    assert shown == ('<td class="a" data-value="&quot;&#x27;&lt;" hidden>&lt;b&gt;<i>&amp;</i>&amp;3</td>')


def test_elements_without_content_and_attributes_that_are_left_out() -> None:
    assert tag("br") == "<br>"
    assert tag("rect", x=1, rx=None, hidden=False) == '<rect x="1"/>'
    assert tag("meta", name="a", http_equiv="b") == '<meta name="a" http-equiv="b">'


def test_what_no_file_can_hold_is_replaced() -> None:
    assert tag("b", "a\ud800\x00\x1bb\tc") == "<b>a?\ufffd\ufffdb\tc</b>"


@given(st.text())
def test_any_text_stays_text(text: str) -> None:
    shown = join([text])
    assert "<" not in shown
    assert '"' not in shown
    shown.encode("utf-8")
