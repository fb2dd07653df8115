"""The import hook: each case in a process of its own."""

import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

needs_mmdet = pytest.mark.skipif(importlib.util.find_spec("mmdet") is None, reason="mmdet is not installed")


def _run(code: str, *, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    prelude = f"import sys; sys.path.insert(0, {str(path)!r})\n" if path else ""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", prelude + textwrap.dedent(code)],
        capture_output=True,
        text=True,
    )


def _check(code: str, *, path: Path | None = None) -> str:
    result = _run(code, path=path)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_install_imports_nothing_of_openmmlab_and_is_idempotent() -> None:
    _check(
        """
        import sys
        import panoptic_core.ops as ops
        ops.install()
        finders = list(sys.meta_path)
        ops.install()
        assert sys.meta_path == finders
        assert isinstance(ops.backend(), str)
        loaded = [name for name in sys.modules if name.partition(".")[0] in ("mmcv", "mmdet", "mmengine")]
        assert not loaded, loaded
        """
    )


@needs_mmdet
def test_mmdet_imports_and_runs_our_operators() -> None:
    _check(
        """
        import torch
        from panoptic_core.ops import install
        install()
        import mmcv.ops, mmdet.models
        assert mmcv.ops.get_compiler_version() == "none (panoptic_core.ops)"
        assert mmcv.ops.get_compiling_cuda_version() == "none (panoptic_core.ops)"
        features = torch.ones(1, 2, 8, 8, requires_grad=True)
        mmcv.ops.RoIAlign(2, 0.5)(features, torch.tensor([[0.0, 2, 2, 10, 10]])).sum().backward()
        assert features.grad.sum() == 8
        boxes, labels = torch.tensor([[0.0, 0, 4, 4]] * 3), torch.tensor([0, 1, 1])
        config = dict(type="nms", iou_threshold=0.5)
        dets, keep = mmcv.ops.batched_nms(boxes, torch.tensor([0.2, 0.9, 0.4]), labels, config)
        assert keep.tolist() == [1, 0], keep
        """
    )


@needs_mmdet
@pytest.mark.parametrize("first", ["mmdet.structures", "mmdet.models"])
def test_an_earlier_import_that_left_no_trace_is_harmless(first: str) -> None:
    # The second fails for want of the operators; Python forgets a failed import.
    _check(
        f"""
        try:
            import {first}
        except ImportError as error:
            assert error.name == "mmcv._ext"
        from panoptic_core.ops import install
        install()
        import mmdet.models
        """
    )


@needs_mmdet
def test_an_earlier_import_that_gave_up_on_the_operators_is_an_error() -> None:
    result = _run(
        """
        import mmcv.cnn.bricks.transformer
        from panoptic_core.ops import install
        install()
        """
    )
    assert result.returncode == 1
    assert "ImportError: Expected to be imported before mmcv and mmdet" in result.stderr
    assert "Import `panoptic_heads`" in result.stderr


@needs_mmdet
def test_a_missing_operator_imports_and_names_itself_when_called() -> None:
    _check(
        """
        import inspect, pickle
        from panoptic_core.ops import install
        install()
        from mmcv import _ext
        assert callable(_ext.carafe_forward) and "carafe_forward" in repr(_ext.carafe_forward)
        assert not hasattr(_ext, "__wrapped__") and not hasattr(_ext, "__path__")
        inspect.getmodule(_ext), inspect.unwrap(_ext.nms), inspect.getdoc(_ext)
        try:
            _ext.carafe_forward(1, 2, kernel_size=3)
        except RuntimeError as error:
            assert "`mmcv._ext.carafe_forward` was called" in str(error), error
            assert "install a compiled mmcv" in str(error), error
        else:
            raise AssertionError
        """
    )


@needs_mmdet
def test_max_pooling_is_refused() -> None:
    _check(
        """
        import torch
        from panoptic_core.ops import install
        install()
        from mmcv.ops import RoIAlign
        try:
            RoIAlign(2, pool_mode="max")(torch.ones(1, 1, 4, 4), torch.ones(1, 5))
        except ValueError as error:
            assert "got 'max'" in str(error) and "pool_mode='avg'" in str(error)
        else:
            raise AssertionError
        """
    )


def test_steps_aside_for_a_compiled_extension(tmp_path: Path) -> None:
    package = tmp_path / "mmcv"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "_ext.py").write_text("def nms(): return 'compiled'\n")
    out = _check(
        """
        import sys
        from panoptic_core.ops import backend, install
        install()
        assert "mmcv" not in sys.modules
        print(backend())
        from mmcv import _ext
        assert _ext.nms() == "compiled"
        """,
        path=tmp_path,
    )
    assert out.strip() == f"compiled mmcv ({package / '_ext.py'})"


def test_takes_over_where_mmcv_has_no_extension(tmp_path: Path) -> None:
    package = tmp_path / "mmcv"
    package.mkdir()
    (package / "__init__.py").write_text("")
    out = _check(
        """
        from panoptic_core.ops import backend, install, nms
        install()
        from mmcv import _ext
        assert _ext.nms is nms
        print(backend())
        """,
        path=tmp_path,
    )
    assert out.startswith("panoptic_core.ops: PyTorch")


def test_leaves_a_stand_in_of_somebody_else_alone(tmp_path: Path) -> None:
    package = tmp_path / "mmcv"
    package.mkdir()
    (package / "__init__.py").write_text("")
    _check(
        """
        import sys, types
        theirs = sys.modules["mmcv._ext"] = types.ModuleType("mmcv._ext")
        from panoptic_core.ops import install
        install()
        import importlib
        assert importlib.import_module("mmcv._ext") is theirs
        """,
        path=tmp_path,
    )


def test_without_any_mmcv() -> None:
    _check(
        """
        import sys
        sys.modules["mmcv"] = None  # as if not installed
        from panoptic_core.ops import backend, install
        install()
        assert backend().startswith("panoptic_core.ops: PyTorch")
        """
    )


class TestTorchvisionProbe:
    """torchvision counts only if its operators load and run."""

    @pytest.mark.parametrize(
        "body",
        ["raise ImportError", "raise RuntimeError('operator torchvision::nms does not exist')"],
        ids=["missing", "other torch"],
    )
    def test_broken(self, body: str, tmp_path: Path) -> None:
        (tmp_path / "torchvision").mkdir()
        (tmp_path / "torchvision" / "__init__.py").write_text(body)
        code = "from panoptic_core.ops._torchvision import torchvision_ops\nassert torchvision_ops() is None"
        _check(code, path=tmp_path)

    def test_working(self, tmp_path: Path) -> None:
        (tmp_path / "torchvision").mkdir()
        (tmp_path / "torchvision" / "__init__.py").write_text("")
        (tmp_path / "torchvision" / "ops.py").write_text(
            "def nms(boxes, scores, threshold):\n    return scores.argsort(descending=True)[:1]\n"
        )
        _check(
            """
            from panoptic_core.ops import backend
            from panoptic_core.ops._torchvision import torchvision_ops
            assert torchvision_ops().__name__ == "torchvision.ops"
            assert "torchvision's kernels" in backend() or "compiled" in backend()
            """,
            path=tmp_path,
        )
