"""The package stands on NumPy and PyTorch alone, and is quick to import."""

import json
import subprocess
import sys

import pytest

import panoptic_fusion

CODE = """
import json, sys, time
start = time.perf_counter()
import torch, numpy
between = time.perf_counter()
before = set(sys.modules)
import panoptic_fusion
ratio = (time.perf_counter() - start) / (between - start)
ours = sorted(set(sys.modules) - before)
import panoptic_fusion.testing.literal
print(json.dumps({"ratio": ratio, "ours": ours, "all": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def fresh() -> dict:
    """Return what a fresh process saw."""
    command = [sys.executable, "-c", CODE]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_loads_no_framework(fresh: dict) -> None:
    names = {name.partition(".")[0] for name in fresh["ours"]}
    assert names - set(sys.stdlib_module_names) == {"panoptic_fusion"}


def test_import_costs_little_beyond_torch(fresh: dict) -> None:
    assert fresh["ratio"] < 1.5


def test_literal_references_need_no_pytest(fresh: dict) -> None:
    names = {name.partition(".")[0] for name in fresh["all"]}
    assert not {"pytest", "mmcv", "mmengine", "mmdet"} & names


def test_every_public_name_is_there() -> None:
    assert sorted(panoptic_fusion.__all__) == panoptic_fusion.__all__
    for name in panoptic_fusion.__all__:
        assert getattr(panoptic_fusion, name).__doc__
