"""The command ``panoptic-data``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from panoptic_data.__about__ import __version__
from panoptic_data.cli import main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"panoptic-data {__version__}\n"


def test_a_reader_that_has_seen_enough() -> None:
    code = "import sys; from panoptic_data.cli import main; sys.exit(main(['check', '--list-rules']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()  # as `| head` does
    assert process.stderr is not None
    assert b"roken" not in process.stderr.read()
    assert process.wait() == 1


def test_generate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "generate",
        str(tmp_path / "out"),
        "--images",
        "3",
        "--size",
        "40x48",
        "--seed",
        "9",
        "--set",
        "rim=1",
    ]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "3 of 3 scenes" in printed
    assert str(tmp_path / "out") in printed
    info = json.loads((tmp_path / "out" / "panoptic.json").read_text())["info"]
    assert (info["num_images"], info["size"], info["seed"], info["settings"]["rim"]) == (3, [40, 48], 9, 1.0)
    assert main(words) == 1
    assert "pass --overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "16"], "at least 32 pixels, got 16x16"),
        (["--size", "big"], "a size as 128 or 128x192"),
        (["--images", "0"], "`num_images` in [1, 65536], got 0"),
        (["--seed", "-1"], "got 0 and -1"),
        (["--set", "dogs=1"], "NAME=VALUE, got 'dogs=1'"),
        (["--set", "crowd=2"], "`crowd` to be in [0, 1], got 2.0"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(tmp_path / "out"), "--images", "1", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("panoptic-data: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
