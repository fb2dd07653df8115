"""``panoptic-env``: what is installed here, for bug reports and for the question whether a GPU is used."""

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from panoptic_core.__about__ import __version__

_PACKAGES = (
    "panoptic-fusion",
    "panoptic-core",
    "panoptic-data",
    "panoptic-heads",
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "pycocotools",
    "mmengine",
    "mmdet",
    "mmcv",
    "mmcv-lite",
    "opencv-python",
    "opencv-python-headless",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report; always succeeds."""
    parser = argparse.ArgumentParser(prog="panoptic-env", description="Report versions, GPU and operators.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    args = parser.parse_args(argv)
    facts = environment()
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        width = max(map(len, facts))
        print("\n".join(f"{name.ljust(width)}  {value}" for name, value in facts.items()))
    return 0


def environment() -> dict[str, str]:
    """Return what this environment consists of, one line a fact; a missing package is 'not installed'."""
    facts = {
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "CPUs": str(os.cpu_count()),
    }
    facts |= {name: _version(name) for name in _PACKAGES}
    facts["CUDA"], facts["GPU"], facts["torch threads"] = _torch_facts()
    facts["operators"] = _operators()
    return facts


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _torch_facts() -> tuple[str, str, str]:
    try:
        import torch
    except (ImportError, OSError) as error:  # a broken installation is what people report
        return "-", f"torch cannot be imported: {error}", "-"
    built = (
        f"torch is built for CUDA {torch.version.cuda}"
        if torch.version.cuda
        else "torch is built for the CPU"
    )
    if not torch.cuda.is_available():
        return built, "none", str(torch.get_num_threads())
    names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    shown = ", ".join(f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in names)
    return built, shown, str(torch.get_num_threads())


def _operators() -> str:
    """Say what stands in for mmcv's compiled operators; imported late, so that the report survives it."""
    try:
        return str(importlib.import_module("panoptic_core.ops").backend())
    except Exception as error:  # the report must not fail where the installation does
        return f"not available: {type(error).__name__}: {error}"
