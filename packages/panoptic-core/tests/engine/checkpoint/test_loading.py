import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader, load_checkpoint

from panoptic_core.engine.checkpoint import (
    BrokenCheckpointError,
    UnsafeCheckpointError,
    install_safe_loading,
    load_checkpoint_file,
)


class Payload:
    """Run a shell command when unpickled the usual way."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


class EvalPayload(Payload):
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"open({str(self.marker)!r}, 'w')",)


class GetattrPayload(Payload):
    """Reach for ``__globals__`` through the one getattr that is allowed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (np.ndarray, "__subclasses__")


class ObjectArrayPayload(Payload):
    def __reduce__(self) -> tuple[Any, ...]:
        return np.dtype, ("O", False, True)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it_ran"


def test_the_payload_works_when_opened_the_unsafe_way(tmp_path: Path, marker: Path) -> None:
    # Without this the tests below would prove nothing.
    torch.save({"state_dict": {}, "extra": Payload(marker)}, tmp_path / "bad.pth")
    torch.load(tmp_path / "bad.pth", weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize("payload", [Payload, EvalPayload, GetattrPayload, ObjectArrayPayload])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_pickled_payload_is_refused_and_does_not_run(
    tmp_path: Path, marker: Path, payload: type[Payload], legacy: bool
) -> None:
    path = tmp_path / "bad.pth"
    torch.save({"state_dict": {}, "extra": payload(marker)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(
        UnsafeCheckpointError, match=r"bad\.pth.*more than tensors.*Nothing of it was run.*bare weights"
    ):
        load_checkpoint_file(path)
    assert not marker.exists()


def test_the_refusal_names_what_the_file_asked_for(tmp_path: Path, marker: Path) -> None:
    torch.save({"extra": EvalPayload(marker)}, tmp_path / "bad.pth")
    with pytest.raises(UnsafeCheckpointError, match=r"\(`eval`\)|\(`builtins\.eval`\)"):
        load_checkpoint_file(tmp_path / "bad.pth")


def test_a_bare_pickle_is_not_opened(tmp_path: Path, marker: Path) -> None:
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Payload(marker)))
    with pytest.raises((BrokenCheckpointError, UnsafeCheckpointError), match=r"bare\.pth"):
        load_checkpoint_file(tmp_path / "bare.pth")
    assert not marker.exists()


def test_torchscript_and_tar_files_are_refused(tmp_path: Path) -> None:
    torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1, 1)).save(tmp_path / "script.pt")
    with pytest.raises(UnsafeCheckpointError, match="without running what is in it"):
        load_checkpoint_file(tmp_path / "script.pt")
    (tmp_path / "pickle").write_bytes(pickle.dumps(0))
    with tarfile.open(tmp_path / "old.tar", "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.add(tmp_path / "pickle", name)
    with pytest.raises((BrokenCheckpointError, UnsafeCheckpointError), match=r"old\.tar"):
        load_checkpoint_file(tmp_path / "old.tar")


@pytest.mark.parametrize(
    "content", [b"", b"hello world", b"PK\x03\x04" + bytes(100)], ids=["empty", "text", "cut"]
)
def test_a_damaged_file_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cut.pth").write_bytes(content)
    with pytest.raises(BrokenCheckpointError, match=r"cut\.pth.*damaged.*fetch it again"):
        load_checkpoint_file(tmp_path / "cut.pth")


def test_missing_file_and_wrong_content(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        load_checkpoint_file(tmp_path / "nowhere.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(BrokenCheckpointError, match="dictionary of weights, got list"):
        load_checkpoint_file(tmp_path / "list.pth")


def test_an_mmengine_checkpoint_loads_whole(train: Callable[..., Runner]) -> None:
    runner = train()
    checkpoint = load_checkpoint_file(Path(runner.work_dir, "iter_6.pth"))
    assert checkpoint["meta"]["iter"] == 6
    assert checkpoint["meta"]["dataset_meta"]["classes"] == ("car", "sky")
    saved = checkpoint["message_hub"]["log_scalars"]["train/loss"]
    ours = runner.message_hub.get_scalar("train/loss")
    np.testing.assert_array_equal(saved.data[0], ours.data[0])
    assert saved.statistics("mean", 2) == ours.statistics("mean", 2)
    assert checkpoint["optimizer"]["state"][0]["momentum_buffer"].shape == (1,)


@pytest.mark.parametrize(
    "code", ["bool", "int8", "uint8", "int32", "int64", "float16", "float32", "float64", ">f4"]
)
def test_numpy_numbers_and_arrays_survive(tmp_path: Path, code: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(code)
    torch.save(
        {"array": array, "number": array[1, 2], "fortran": np.asfortranarray(array)}, tmp_path / "a.pth"
    )
    loaded = load_checkpoint_file(tmp_path / "a.pth")
    np.testing.assert_array_equal(loaded["array"], array)
    np.testing.assert_array_equal(loaded["fortran"], array)
    assert (loaded["array"].dtype.kind, loaded["array"].itemsize) == (array.dtype.kind, array.itemsize)
    assert loaded["number"] == array[1, 2]


def test_object_arrays_are_refused(tmp_path: Path) -> None:
    torch.save({"array": np.array([{"a": 1}], dtype=object)}, tmp_path / "a.pth")
    with pytest.raises(UnsafeCheckpointError, match=r"numpy\.dtype\('O"):
        load_checkpoint_file(tmp_path / "a.pth")


def test_resume_does_not_run_config_text(train: Callable[..., Runner], marker: Path) -> None:
    # MMEngine's Runner.resume runs meta['config'] as a Python file; building type='os.system' calls it.
    first = train()
    path = Path(first.work_dir, "iter_6.pth")
    checkpoint = load_checkpoint_file(path)
    text = (
        f"import os\nos.system('touch {marker}')\nmodel = dict(type='os.system', command='touch {marker}')\n"
    )
    checkpoint["meta"]["config"] = text
    checkpoint["meta"]["cfg"] = text
    checkpoint["message_hub"]["runtime_info"]["cfg"] = text
    checkpoint["meta"]["dataset_meta"]["type"] = "os.system"
    torch.save(checkpoint, path)
    runner = train(resume=True, load_from=str(path), train_cfg={"by_epoch": False, "max_iters": 8})
    assert runner.iter == 8
    assert not marker.exists()
    loaded = load_checkpoint_file(path)
    assert "config" not in loaded["meta"]
    assert "cfg" not in loaded["meta"]
    assert "cfg" not in loaded["message_hub"]["runtime_info"]


def test_resume_through_mmengine_refuses_a_payload(train: Callable[..., Runner], marker: Path) -> None:
    first = train()
    path = Path(first.work_dir, "iter_6.pth")
    checkpoint = load_checkpoint_file(path)
    checkpoint["meta"]["hook_msgs"] = Payload(marker)
    torch.save(checkpoint, path)
    with pytest.raises(UnsafeCheckpointError, match=r"iter_6\.pth"):
        train(resume=True, load_from=str(path))
    assert not marker.exists()


def test_every_address_of_mmengine_has_our_loader() -> None:
    install_safe_loading()
    modules = {loader.__module__ for loader in CheckpointLoader._schemes.values()}
    assert modules == {"panoptic_core.engine.checkpoint.schemes"}


def test_downloads_are_loaded_safely(tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"extra": Payload(marker)}, tmp_path / "bad-1234.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "bad-1234.pth").rename(tmp_path / "hub" / "checkpoints" / "bad-1234.pth")  # as if downloaded
    with pytest.raises(UnsafeCheckpointError, match=r"https://example\.org/bad-1234\.pth"):
        load_checkpoint(torch.nn.Linear(1, 1), "https://example.org/bad-1234.pth")
    assert not marker.exists()


@pytest.mark.parametrize("address", ["open-mmlab://no_such_model", "mmcls://no_such_model", "pavi://x"])
def test_unknown_addresses_say_so(address: str) -> None:
    with pytest.raises(RuntimeError, match=address):
        CheckpointLoader.load_checkpoint(address)


@pytest.mark.parametrize(
    "failure", [ImportError("no torchvision"), RuntimeError("torchvision::nms does not exist")]
)
def test_torchvision_weights_without_torchvision(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise failure

    monkeypatch.setattr("mmengine.runner.checkpoint.get_torchvision_models", fails)
    with pytest.raises(
        RuntimeError, match=r"`torchvision://resnet50` needs torchvision.*give the file's path"
    ):
        CheckpointLoader.load_checkpoint("torchvision://resnet50")


def test_torchvision_weights_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save({"fc.weight": torch.ones(2)}, cache / "r50-1234.pth")  # as if downloaded
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    addresses = {"resnet50": "https://example.org/r50-1234.pth", "resnet101": "https://example.org/r101.pth"}
    monkeypatch.setattr("mmengine.runner.checkpoint.get_torchvision_models", lambda: addresses)
    assert CheckpointLoader.load_checkpoint("torchvision://resnet50")["fc.weight"].sum() == 2
    with pytest.raises(RuntimeError, match=r"`resnet50\.v9` is not in the table\. Close names: resnet50\."):
        CheckpointLoader.load_checkpoint("torchvision://resnet50.v9")
