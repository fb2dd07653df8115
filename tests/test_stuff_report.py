"""``tools/test.py --stuff-report`` on the small configs, untrained: one run of the network, both tables.

With true semantics stuff is at 100 before trimming, and below after it.
"""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from panoptic_core.cli.evaluate import main as evaluate_files
from panoptic_core.engine.config.loading import load_config
from panoptic_heads.registry import MODELS

ROOT = Path(__file__).parents[1]
LIMIT = 500  # of 64 x 96 pixels: some stuff of a scene is smaller, some is not


@pytest.fixture
def test_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run ``tools/test.py`` on an untrained network of a config; return its values."""
    script = runpy.run_path(str(ROOT / "tools" / "test.py"))

    def run(name: str, *arguments: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
        cfg = load_config(ROOT / "configs" / name)
        small = ["model.backbone.base_channels=8"]
        cfg.model.backbone.update(base_channels=8)
        if "neck" in cfg.model:
            cfg.model.neck.update(in_channels=[8, 16, 32, 64])
            small.append("model.neck.in_channels=[8,16,32,64]")
        else:
            cfg.model.head.update(in_channels=[8, 16, 32, 64])
            small.append("model.head.in_channels=[8,16,32,64]")
        torch.manual_seed(0)
        torch.save({"state_dict": MODELS.build(cfg.model).state_dict(), "meta": {}}, tmp_path / "weights.pth")
        data = {
            "num_workers": 0, "persistent_workers": False, "dataset.num_images": 3,
            "dataset.size": "[64,96]", "dataset.cache_dir": tmp_path / "scenes",
        }  # fmt: skip
        small += [f"test_dataloader.{key}={value}" for key, value in data.items()]
        out = tmp_path / "values.json"
        command = [str(ROOT / "configs" / name), str(tmp_path / "weights.pth"), "--work-dir", str(tmp_path)]
        monkeypatch.setattr(
            sys, "argv",
            ["test.py", *command, "--json", str(out), *arguments, "--cfg-options", *small, *options],
        )  # fmt: skip
        assert script["main"]() == 0
        values: dict[str, Any] = json.loads(out.read_text())
        return values

    return run


@pytest.mark.parametrize(
    "name", ["tascnet.py", "panoptic_fpn.py", "upsnet.py", "oanet.py", "panoptic_deeplab.py"]
)
def test_both_tables_of_every_method(name: str, test_tool: Any, capsys: pytest.CaptureFixture[str]) -> None:
    own = (f"model.panoptic_fusion_head.stuff_area_limit={LIMIT}",)
    values = test_tool(name, "--stuff-report", "--oracle", "semantics", options=own)
    assert values["stuff/PQ_untrimmed"] == values["stuff/IoU_untrimmed"] == 100
    assert values["stuff/PQ_trimmed"] < 100
    assert values["stuff/IoU_trimmed"] < 100
    for key in ("PQ", "SQ", "RQ"):  # the same maps
        assert values[f"stuff/{key}_trimmed"] == values[f"panoptic/{key}_st"]
    if name == "panoptic_fpn.py":  # its head has one channel for all things
        assert "semantic/thing_as_thing" not in values
    else:
        assert values["semantic/thing_as_thing"] == values["semantic/stuff_as_stuff"] == 100
    shown = capsys.readouterr().out
    what = "regions" if name == "oanet.py" else "segments"
    assert f"Stuff of 3 final maps (percent), {what} below {LIMIT} pixels trimmed" in shown
    assert "Things and stuff of the semantic head" in shown


def test_files_say_the_same(test_tool: Any, tmp_path: Path) -> None:
    """A run without a limit, and its files judged by ``panoptic-eval``."""
    no_limit = ("model.panoptic_fusion_head.stuff_area_limit=0",)
    out = str(tmp_path / "out")
    values = test_tool(
        *("upsnet.py", "--stuff-limit", str(LIMIT), "--out", out, "--labels", f"{out}/labels", "--extended"),
        options=no_limit,
    )
    assert values["stuff/IoU_trimmed"] < values["stuff/IoU_untrimmed"]
    assert values["semantic/thing_as_stuff"] > 0
    (truth,) = (tmp_path / "scenes").rglob("panoptic.json")
    files = ["--gt-json", str(truth), "--pred-json", f"{out}/panoptic.json", "--quiet"]
    report = tmp_path / "report.json"
    stuff = ["--extended", "--stuff-limit", str(LIMIT), "--labels", f"{out}/labels", "--json", str(report)]
    assert evaluate_files([*files, *stuff]) == 0
    found = json.loads(report.read_text())
    for state, key in (("untrimmed", "before"), ("trimmed", "after")):
        for name in ("PQ", "SQ", "RQ", "IoU"):
            assert found["stuff"][key][name.lower()] == values[f"stuff/{name}_{state}"]
    beside = found["extended"]
    for name, key in (("PQ_dagger", "dagger"), ("PC", "covering")):
        assert beside[key]["all"] == values[f"extended/{name}"]
    assert beside["boundary"]["stuff"]["pq"] == values["extended/PQ_boundary_st"]
    assert beside["errors"]["misses"]["all"]["missed"] == values["extended/FN_missed"]
    assert found["semantic"]["miou"] == values["semantic/mIoU"]
    for name in ("thing_as_thing", "thing_as_stuff", "stuff_as_thing", "stuff_as_void"):
        assert found["semantic"][name] == values[f"semantic/{name}"]


def test_no_limit_to_be_had(test_tool: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="2 == 0"):
        test_tool("upsnet.py", "--stuff-report", options=("model.panoptic_fusion_head.stuff_area_limit=0",))
    assert "no limit is usual on 'generated scenes'. Say one by --stuff-limit" in capsys.readouterr().err
