"""``tools/benchmark.py speed``: what is counted as what, and what stands for a trained network's outputs."""

import runpy
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict

from panoptic_core.engine.config.loading import load_config
from panoptic_fusion import AffinityMaps, RawOutputs
from panoptic_heads.common import network_output, resize

ROOT = Path(__file__).parents[1]
SMALL = sorted(path.name for path in (ROOT / "configs").glob("*.py"))


@pytest.fixture(scope="module")
def speed() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        yield import_module("bench.speed")
    finally:
        sys.path.remove(str(ROOT / "tools"))


@pytest.fixture(scope="module")
def stand_in(speed: ModuleType) -> Any:
    return speed.StandIn.make((96, 128), 3, 7, "cpu")


# --- the stopwatch


def test_parts_by_hand(speed: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    # rest 0-1, network 1-3, resizing 3-6 (rest), network 6-7, rest 7-8, fusion 8-10, rest 10-12 seconds
    ticks = iter([0.0, 1.0, 3.0, 6.0, 7.0, 8.0, 10.0, 12.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    watch = speed.Stopwatch(torch.device("cpu"))
    with watch.part("rest"):
        with watch.part("network"):
            watch.watch("rest", lambda: None)()
        watch.watch("fusion", lambda: None)()
    assert watch.spent == {"rest": 1000 * (1 + 3 + 1 + 2), "network": 1000 * (2 + 1), "fusion": 2000}


def test_an_error_ends_its_part(speed: ModuleType) -> None:
    watch = speed.Stopwatch(torch.device("cpu"))
    with pytest.raises(RuntimeError), watch.part("rest"), watch.part("network"):
        raise RuntimeError
    with watch.part("fusion"):
        pass
    assert set(watch.spent) == {"rest", "network", "fusion"}


def test_resizing_is_watched_for_a_while(speed: ModuleType) -> None:
    watch = speed.Stopwatch(torch.device("cpu"))
    originals = resize.resize_logits, network_output.resize_winner
    with speed.watched_resizing(watch):
        network_output.resize_winner(torch.zeros(3, 2, 2), resize.Sizes((8, 8), (8, 8), (8, 8)))
    assert set(watch.spent) == {"rest"}
    with pytest.raises(RuntimeError), speed.watched_resizing(watch):
        raise RuntimeError
    assert (resize.resize_logits, network_output.resize_winner) == originals


# --- the scene


def test_the_scene_has_its_instances(stand_in: Any) -> None:
    raw = stand_in.raw
    assert raw.size == (96, 128)
    assert len(raw.masks) == 49
    assert raw.labels.max() == 2
    assert sorted(raw.sem_seg.unique().tolist()) == list(range(7))
    assert raw.center_heatmap.max() > 0.8
    assert not torch.equal(raw.offsets, raw.offsets.round())


def test_the_scene_says_what_the_model_says(stand_in: Any) -> None:
    maps = {"sem_logits": torch.zeros(7, 96, 128), "center_heatmap": torch.zeros(1, 96, 128)}
    raw = stand_in.as_said(RawOutputs((96, 128), 3, 7, **maps))
    assert raw.sem_logits.shape == (7, 96, 128)
    assert raw.masks is raw.sem_seg is raw.ranking is raw.offsets is None
    # A head with one channel for all things: 1 + 4 channels.
    collapsed = stand_in.as_said(RawOutputs((96, 128), 3, 7, sem_logits=torch.zeros(5, 96, 128)))
    is_thing = stand_in.raw.sem_seg < 3
    assert torch.equal(collapsed.sem_logits.argmax(dim=0) == 0, is_thing)
    said = RawOutputs((96, 128), 3, 7, sem_seg=torch.zeros(96, 128).long())
    stuff = stand_in.as_said(said, stuff_alone=True).sem_seg
    assert torch.equal(stuff, torch.where(is_thing, 3, stand_in.raw.sem_seg))
    # On a grid of its own, cells of 4: the scene's class scores with the model's features.
    phi = torch.rand(8, 24, 33)
    maps = AffinityMaps(torch.zeros(7, 24, 33), phi, phi, gamma=0.5, stride=(4.0, 4.0))
    own = stand_in.as_said(RawOutputs((96, 128), 3, 7, affinity=maps)).affinity
    assert own.phi0 is phi
    assert torch.equal(own.sem_logits[:, :, :32], stand_in.raw.sem_logits[:, 2::4, 2::4])
    assert stand_in.raw.masks is not None  # the scene itself is left alone


@pytest.mark.parametrize("columns", [4, 12])
def test_candidates_lie_around_the_instances(stand_in: Any, columns: int) -> None:
    boxes, probs = stand_in.candidates(torch.zeros(200, columns), torch.zeros(200, 4))
    assert (boxes.shape, probs.shape) == ((200, columns), (200, 4))
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(200))
    assert torch.equal(probs[:49].argmax(dim=1), stand_in.raw.labels)
    assert torch.equal(boxes[:, :4], boxes[:, -4:])
    assert float((boxes[:49, :4] - stand_in.raw.boxes).abs().max()) < 10
    none = stand_in.candidates(torch.zeros(0, 4), torch.zeros(0, 4))
    assert [len(part) for part in none] == [0, 0]


# --- sizes


@pytest.mark.parametrize(
    ("leaf", "size"),
    [
        ("upsnet.py", (160, 160)),
        ("cityscapes/upsnet_r50.py", (1024, 2048)),
        ("coco/tascnet_r50.py", (800, 1333)),
    ],
)
def test_size_is_what_a_config_tests_on(speed: ModuleType, leaf: str, size: tuple[int, int]) -> None:
    assert speed.default_size(load_config(ROOT / "configs" / leaf)) == size


@pytest.mark.parametrize(
    ("dataset", "size"),
    [
        ({"type": "panoptic_data.Cityscapes"}, (1024, 2048)),
        ({"type": "GeneratedScenes", "size": "64x96"}, (64, 96)),
        ({"type": "GeneratedScenes", "size": 64}, (64, 64)),
        ({"type": "CocoPanoptic", "pipeline": [{"type": "Resize", "scale": (641, 600)}]}, (600, 641)),
        ({"type": "CocoPanoptic", "pipeline": [{"type": "Resize", "scale_factor": 2.0}]}, None),
        ({}, None),
    ],
)
def test_size_of_data_sets(speed: ModuleType, dataset: dict[str, Any], size: tuple[int, int] | None) -> None:
    assert speed.default_size(ConfigDict(test_dataloader={"dataset": dataset})) == size


# --- models


@pytest.mark.parametrize("leaf", SMALL)
def test_a_model_is_timed_on_the_scene(speed: ModuleType, leaf: str) -> None:
    _, model = speed.build_model(ROOT / "configs" / leaf, "cpu")
    assert speed.seen_size(model, (90, 120)) == ((97, 129) if "deeplab" in leaf else (96, 128))
    timed = speed.Timed(model, (90, 120))
    said = []
    model.raw_transforms.insert(0, lambda raw, sample: said.append(raw) or raw)
    result = timed.run(repeats=1, warm_up=0)
    assert min(result.parts.values()) > 0
    assert result.fastest == result.whole == result.slowest
    assert result.whole == pytest.approx(sum(result.parts.values()))
    # Untrained, the detector would have said anything from no instance to a hundred.
    if said[0].masks is not None:
        assert 30 <= len(said[0].masks) <= 80
    with torch.no_grad():
        seg = timed.predict()
    assert seg.shape == (90, 120)
    assert 30 <= int(seg.is_thing.sum()) <= 49


def test_the_tool_prints_a_row(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = str(ROOT / "configs" / "panoptic_fpn.py")
    options = ["--size", "64", "64", "--device", "cpu", "--repeats", "1", "--warm-up", "1"]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "speed", config, *options])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(ROOT / "tools" / "benchmark.py"))["main"]()
    assert stopped.value.code == 0
    head, names, row = capsys.readouterr().out.splitlines()
    assert "49 instances" in head
    assert names.split()[:2] == ["config", "network"]
    assert row.split()[:4] == [config, "64", "x", "64"]
    assert float(row.split()[-1]) > 0


def test_what_cannot_be_timed(speed: ModuleType, capsys: Any) -> None:
    with pytest.raises(speed.ConfigError, match=r"PSPNet has no fusion"):
        speed.check_timeable("pspnet.py", type("PSPNet", (), {})(), (64, 64))
    with pytest.raises(speed.ConfigError, match=r"no size that is known\. Give --size"):
        speed.check_timeable("mine.py", type("PSPNet", (), {})(), None)
    with pytest.raises(SystemExit):
        speed.main(["a.py", "--warm-up", "0"])
    assert "sizes and repeats are positive" in capsys.readouterr().err
