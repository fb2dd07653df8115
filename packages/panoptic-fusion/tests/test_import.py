"""The package stands on NumPy and PyTorch alone, and is quick to import."""

import json
import subprocess
import sys

import panoptic_fusion


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_loads_no_framework() -> None:
    loaded = json.loads(run("import json, sys, panoptic_fusion; print(json.dumps(list(sys.modules)))"))
    names = {name.partition(".")[0] for name in loaded}
    assert not {"mmcv", "mmengine", "mmdet"} & names
    before = json.loads(run("import json, sys, torch, numpy; print(json.dumps(list(sys.modules)))"))
    ours = names - {name.partition(".")[0] for name in before} - set(sys.stdlib_module_names)
    assert ours == {"panoptic_fusion"}


def test_every_public_name_is_there() -> None:
    assert sorted(panoptic_fusion.__all__) == panoptic_fusion.__all__
    for name in panoptic_fusion.__all__:
        assert getattr(panoptic_fusion, name).__doc__


def test_import_costs_little_beyond_torch() -> None:
    code = """
import time
start = time.perf_counter()
import torch
between = time.perf_counter()
import panoptic_fusion
print((time.perf_counter() - start) / (between - start))
"""
    assert float(run(code)) < 1.5
