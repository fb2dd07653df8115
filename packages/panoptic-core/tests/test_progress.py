"""How far a long command is."""

import sys

import pytest

from panoptic_core.progress import show_progress


def test_progress_away_from_a_terminal_is_ten_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show = show_progress(0.0)
    for done in range(1, 251):
        show(done, 250)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"{done}/250 images" for done in range(25, 251, 25)]


def test_progress_on_a_terminal_is_a_bar_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show = show_progress(-1e9)
    show(1, 2)
    show(2, 2)
    err = capsys.readouterr().err
    assert err.startswith("\r[############------------] 1/2 images, ")
    assert err.endswith("\r[########################] 2/2 images, 0 s left   \n")
    assert err.count("\n") == 1


def test_what_is_counted_has_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    show = show_progress(0.0, "maps")
    show(10, 100)
    assert capsys.readouterr().err == "10/100 maps\n"
