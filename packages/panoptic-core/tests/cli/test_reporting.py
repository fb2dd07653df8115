"""``panoptic-eval --report``: the options, and what is written when."""

from pathlib import Path

import pytest
from PIL import Image

from panoptic_core.cli.evaluate import main
from panoptic_core.files import PanopticWriter
from panoptic_core.testing import tiny_scene


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    scene = tiny_scene()
    (tmp_path / "images").mkdir()
    Image.fromarray(scene.image).save(tmp_path / "images" / "1.jpg")
    for name in ("gt", "pred"):
        with PanopticWriter(tmp_path / f"{name}.json", table=scene.table) as writer:
            writer.add(1, "1.jpg", scene.segmentation)
    return ["--gt-json", str(tmp_path / "gt.json"), "--pred-json", str(tmp_path / "pred.json")]


def test_writes_the_report(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.html"
    assert main([*files, "--report", str(out), "--images", str(tmp_path / "images"), "--worst", "3"]) == 0
    assert f"Report: {out}" in capsys.readouterr().err
    assert "data:image/jpeg" in out.read_text()
    assert main([*files, "--quiet", "--exact", "--report", str(out)]) == 0
    assert capsys.readouterr().err == ""
    assert "<dd>exact</dd>" in out.read_text()
    assert "data:image/jpeg" not in out.read_text()


def test_an_unreadable_image_is_a_warning(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images" / "1.jpg").write_bytes(b"")
    out = tmp_path / "report.html"
    assert main([*files, "--quiet", "--report", str(out), "--images", str(tmp_path / "images")]) == 0
    assert capsys.readouterr().err.startswith("panoptic-eval: warning: The image cannot be shown: ")
    assert out.is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--report", "{}/no/report.html"], "for --report, but there is none"),
        (["--report", "{}/report.html", "--images", "{}/gt"], "Expected the image of image 1 in"),
    ],
    ids=["folder", "images"],
)
def test_what_is_missing_is_told_before_the_evaluation(
    files: list[str], options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gt" / "1.png").rename(tmp_path / "gt" / "other.png")
    assert main([*files, *[option.format(tmp_path) for option in options]]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--images", "a"], "--images: say --report FILE too"),
        (["--worst", "3"], "--worst: say --report FILE too"),
        (["--report", "a", "--worst", "-1"], "whole number >= 0, got -1"),
    ],
)
def test_wrong_options_exit_with_2(
    files: list[str], options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main([*files, *options])
    assert error.value.code == 2
    assert message in capsys.readouterr().err
