"""Use the built wheels as a stranger would, each step in an empty environment.

Usage: ``python tools/check_wheels.py DIST`` (what ``nox -s build`` does after it built them).

1. ``panoptic-fusion`` alone: only NumPy and torch come along, a fusion runs, nothing of OpenMMLab is loaded.
2. bare ``panoptic-core``: ``panoptic-eval`` and the metric work without OpenMMLab.
3. everything: ``import panoptic_heads``, and mmcv's operators run forward and backward without a compiler.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FUSION_ALONE = """
import sys
import torch
from panoptic_fusion import BoxMasks, fuse_by_confidence
masks = BoxMasks.from_logits(torch.full((1, 28, 28), 5.0), torch.tensor([[2.0, 2.0, 10.0, 10.0]]))
sem_seg = torch.ones(16, 16, dtype=torch.int64)
labels, scores = torch.tensor([0]), torch.tensor([0.9])
seg = fuse_by_confidence(masks, labels, scores, sem_seg, num_things=1, stuff_area_limit=0)
assert sorted(s.area for s in seg.segments) == [64, 192], seg.segments
strangers = ("mmengine", "mmcv", "mmdet", "PIL", "pycocotools")
loaded = [name for name in sys.modules if name.split(".")[0] in strangers]
assert not loaded, loaded
"""

CORE_ALONE = """
import sys
import panoptic_core, panoptic_core.metrics, panoptic_core.files, panoptic_core.categories
from panoptic_core.report import ReportContent, render  # its style and script have to be in the wheel
assert "<style>:root" in render(ReportContent("empty", (), (), ()))
loaded = [name for name in sys.modules if name.split(".")[0] in ("mmengine", "mmcv", "mmdet")]
assert not loaded, loaded
"""

EVERYTHING = """
import panoptic_heads, panoptic_data
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
register_all_modules(init_default_scope=True)
import mmdet.models
from mmcv.ops import RoIAlign, batched_nms, nms, DeformConv2d, ModulatedDeformConv2d
x = torch.rand(1, 4, 16, 16, requires_grad=True)
rois = torch.tensor([[0.0, 1.0, 1.0, 9.0, 9.0]])
RoIAlign(7, 1.0, 0)(x, rois).sum().backward()
assert x.grad is not None and float(x.grad.abs().sum()) > 0
boxes = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 9], [20, 20, 30, 30]])
kept, _ = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
assert len(kept) == 2
DeformConv2d(4, 4, 3, padding=1)(x, torch.zeros(1, 18, 16, 16)).sum().backward()
mask = torch.ones(1, 9, 16, 16)
ModulatedDeformConv2d(4, 4, 3, padding=1)(x, torch.zeros(1, 18, 16, 16), mask).sum().backward()
"""


def check_contents(wheel: Path) -> None:
    """Fail unless a wheel carries its licence and its type marker."""
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("licenses/LICENSE", "py.typed"):
        if not any(name.endswith(needed) for name in names):
            msg = f"Expected {wheel.name} to contain `{needed}`, found only {len(names)} other files."
            raise SystemExit(msg)


def run(*command: str | Path) -> str:
    """Run a command and return what it printed; end the check where it fails."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode != 0:
        sys.exit(f"FAILED: {' '.join(map(str, command))[:300]}\n{result.stdout}\n{result.stderr}")
    return result.stdout


def fresh(folder: Path, dist: Path, *requirements: str) -> Path:
    """Install requirements from the wheels in ``dist`` into an empty environment; return its ``bin``."""
    venv.create(folder, with_pip=True)
    binaries = folder / ("Scripts" if sys.platform == "win32" else "bin")
    constraints = ROOT / "constraints.txt"
    run(
        binaries / "python",
        "-m",
        "pip",
        "install",
        "-q",
        "-c",
        constraints,
        "--find-links",
        dist,
        *requirements,
    )
    return binaries


def main() -> None:
    """Check the wheels of a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dist", type=Path)
    dist = parser.parse_args().dist
    wheels = sorted(dist.glob("*.whl"))
    for wheel in wheels:
        check_contents(wheel)
    print(f"{len(wheels)} wheels carry their licence and py.typed")

    with tempfile.TemporaryDirectory() as scratch:
        binaries = fresh(Path(scratch) / "fusion", dist, "panoptic-fusion")
        run(binaries / "python", "-c", FUSION_ALONE)
        installed = run(binaries / "python", "-m", "pip", "list", "--format=freeze").split()
        print("panoptic-fusion alone brings:", ", ".join(installed))
        for stranger in ("pillow", "pycocotools", "mmengine", "opencv"):
            if any(line.lower().startswith(stranger) for line in installed):
                sys.exit(f"FAILED: panoptic-fusion brought {stranger}")

        run(
            binaries / "python",
            "-m",
            "pip",
            "install",
            "-q",
            "-c",
            ROOT / "constraints.txt",
            "--find-links",
            dist,
            "panoptic-core",
        )
        run(binaries / "python", "-c", CORE_ALONE)
        print("bare panoptic-core:", run(binaries / "panoptic-eval", "--version").strip())
        print("bare panoptic-core:", run(binaries / "panoptic-fuse", "--version").strip())
        run(binaries / "panoptic-env")

        binaries = fresh(Path(scratch) / "everything", dist, "panoptic-heads", "panoptic-data")
        run(binaries / "python", "-c", EVERYTHING)
        print("everything:", run(binaries / "panoptic-data", "--version").strip())
        print(run(binaries / "panoptic-env"))


if __name__ == "__main__":
    main()
