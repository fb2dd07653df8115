"""The cache: made once, found again, safe with two processes, repaired when damaged."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from panoptic_data.generator import SceneSettings, ensure_scenes
from panoptic_data.generator import cache as cache_module
from panoptic_data.generator.cache import default_cache_dir
from panoptic_data.generator.writer import find_damage


def _never(done: int) -> None:
    pytest.fail("The scenes are made again.")


def test_made_once_and_found_again(tmp_path: Path) -> None:
    calls: list[int] = []
    root = ensure_scenes(2, 32, 5, tmp_path, progress=calls.append)
    assert calls == [1, 2]
    assert root.parent == tmp_path
    assert find_damage(root) is None
    assert ensure_scenes(2, "32x32", 5, str(tmp_path), progress=_never) == root


def test_everything_that_matters_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = [
        ensure_scenes(1, 32, 0, tmp_path),
        ensure_scenes(2, 32, 0, tmp_path),
        ensure_scenes(1, "32x33", 0, tmp_path),
        ensure_scenes(1, 32, 1, tmp_path),
        ensure_scenes(1, 32, 0, tmp_path, settings=SceneSettings(noise=0.0)),
    ]
    monkeypatch.setattr(cache_module, "GENERATOR_VERSION", "0")
    monkeypatch.setattr("panoptic_data.generator.writer.GENERATOR_VERSION", "0")
    roots.append(ensure_scenes(1, 32, 0, tmp_path))
    assert len(set(roots)) == 6


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANOPTIC_DATA_CACHE", str(tmp_path / "here"))
    assert ensure_scenes(1, 32).parent == tmp_path / "here"
    monkeypatch.delenv("PANOPTIC_DATA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_dir() == tmp_path / "xdg" / "panoptic-data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache_dir() == tmp_path / "home" / ".cache" / "panoptic-data"


@pytest.mark.parametrize("what", ["truncated", "missing", "manifest", "no folder"])
def test_a_damaged_cache_is_made_again(what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = ensure_scenes(2, 32, 0, tmp_path)
    victim = root / "panoptic" / "000001.png"
    if what == "truncated":
        victim.write_bytes(victim.read_bytes()[:20])
    elif what == "missing":
        victim.unlink()
    elif what == "manifest":
        (root / "manifest.json").unlink()
    else:
        for path in sorted(root.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    with caplog.at_level(logging.WARNING):
        assert ensure_scenes(2, 32, 0, tmp_path) == root
    assert "are damaged" in caplog.text
    assert find_damage(root) is None


def test_what_a_killed_process_left_is_harmless(tmp_path: Path) -> None:
    root = ensure_scenes(1, 32, 0, tmp_path)
    (root / "manifest.json").unlink()
    stale = tmp_path / f".{root.name}.abc.tmp"
    (stale / "images").mkdir(parents=True)
    (stale / "images" / "000000.png").write_bytes(b"half")
    assert ensure_scenes(1, 32, 0, tmp_path) == root
    assert not stale.exists()


def test_a_killed_process_takes_its_workers_along(tmp_path: Path) -> None:
    """Workers inherit the lock: one that lived on would make everybody else wait."""
    code = (
        "import sys; from panoptic_data.generator import records, ensure_scenes;"
        "records._usable_cpus = lambda: 2;"
        "ensure_scenes(10_000, 32, 0, sys.argv[1], progress=lambda done: print(done, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        process.kill()
    lock = next(tmp_path.glob("*.lock"))
    waiting = f"import fcntl; fcntl.flock(open({str(lock)!r}), fcntl.LOCK_EX)"
    subprocess.run([sys.executable, "-c", waiting], check=True, timeout=60)


def test_without_locks_the_first_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "fcntl", None)
    other = {}

    def rival(done: int) -> None:  # another process finishes while this one is still at work
        if not other:
            other["root"] = Path()
            other["root"] = ensure_scenes(1, 32, 0, tmp_path)

    assert ensure_scenes(1, 32, 0, tmp_path, progress=rival) == other["root"]
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_two_processes_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from panoptic_data.generator import ensure_scenes; made = [];"
        "print(ensure_scenes(8, 48, 3, sys.argv[1], progress=made.append), len(made))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=120)[0].split() for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    roots, made = zip(*outputs, strict=True)
    assert roots[0] == roots[1]
    assert sorted(map(int, made)) == [0, 8], "one process makes the scenes, the other waits for them"
    assert find_damage(Path(roots[0])) is None
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_a_size_too_small_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 32 pixels"):
        ensure_scenes(1, 16, 0, tmp_path)
    assert list(tmp_path.iterdir()) == []
