from pathlib import Path

import pytest
import torch

from panoptic_core.engine.checkpoint.atomic import (
    atomic_save,
    find_resumable,
    is_whole,
    remove_leftovers,
    write_text_atomically,
)


def _save(path: Path, value: float = 1.0) -> Path:
    torch.save({"state_dict": {"w": torch.full((100,), value)}}, path)
    return path


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text_atomically(path, "old")

    def interrupted_write() -> None:
        with atomic_save(path) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_whole_cut_and_flipped(tmp_path: Path) -> None:
    path = _save(tmp_path / "iter_1.pth")
    assert is_whole(path)
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    assert not is_whole(path)
    middle = content.index(torch.full((4,), 1.0).numpy().tobytes())
    path.write_bytes(content[:middle] + b"\x01" + content[middle + 1 :])  # one byte of a weight
    assert not is_whole(path)
    path.write_bytes(b"")
    assert not is_whole(path)
    assert not is_whole(tmp_path / "none.pth")


def test_the_newest_whole_checkpoint_is_found(tmp_path: Path) -> None:
    assert find_resumable(tmp_path) is None
    for step in (9, 10, 100):
        _save(tmp_path / f"iter_{step}.pth")
    _save(tmp_path / "best_panoptic_PQ_iter_200.pth")
    write_text_atomically(tmp_path / "last_checkpoint", str(tmp_path / "iter_10.pth"))
    # iter_100 is newer than what last_checkpoint names: killed between the two writes.
    assert find_resumable(tmp_path) == tmp_path / "iter_100.pth"
    (tmp_path / "iter_100.pth").write_bytes(b"PK")
    assert find_resumable(tmp_path) == tmp_path / "iter_10.pth"
    (tmp_path / "iter_10.pth").write_bytes(b"")
    assert find_resumable(tmp_path) == tmp_path / "iter_9.pth"


def test_a_checkpoint_elsewhere_and_a_moved_folder(tmp_path: Path) -> None:
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    work.mkdir()
    elsewhere.mkdir()
    _save(elsewhere / "iter_4.pth")
    write_text_atomically(work / "last_checkpoint", str(elsewhere / "iter_4.pth"))
    assert find_resumable(work) == elsewhere / "iter_4.pth"
    write_text_atomically(work / "last_checkpoint", "/gone/iter_2.pth")
    assert find_resumable(work) is None
    _save(work / "iter_2.pth")
    assert find_resumable(work) == work / "iter_2.pth"


def test_leftovers_are_removed(tmp_path: Path) -> None:
    for name in (".iter_1.pth.77.tmp", ".last_checkpoint.77.tmp", "iter_1.pth", ".notes.tmp"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in remove_leftovers(tmp_path)] == [
        ".iter_1.pth.77.tmp",
        ".last_checkpoint.77.tmp",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".notes.tmp", "iter_1.pth"]
