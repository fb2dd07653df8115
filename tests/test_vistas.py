"""The recipes on Mapillary Vistas: the papers' numbers, and their pipelines and losses on native files."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from PIL import Image
from torch import Tensor

import panoptic_data  # noqa: F401 - before mmdet: it makes the operators available
from panoptic_core.categories import VISTAS
from panoptic_core.cli.fuse import main as fuse
from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.runner import PanopticRunner
from panoptic_core.files import read_panoptic_json, write_panoptic_png
from panoptic_core.inference import load_model, predict
from panoptic_heads.registry import MODELS

ROOT = Path(__file__).parents[1]
VISTAS_CONFIGS = ROOT / "configs" / "vistas"
SIZE = (120, 160)
CENTERS = sorted(path.name for path in VISTAS_CONFIGS.glob("panoptic_deeplab_*.py"))
TASCNETS = ["tascnet_r50.py", "two_networks_things_r50.py", "two_networks_stuff_r50.py"]


@pytest.fixture(scope="module")
def vistas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write native files: sky (28), road (14), two cars (56), the camera's own car (65), a void rim."""
    root = tmp_path_factory.mktemp("vistas")
    id_map = np.zeros(SIZE, dtype=np.int32)
    id_map[:50, 8:] = 1
    id_map[50:110, 8:] = 2
    id_map[60:90, 20:60] = 300
    id_map[55:80, 90:150] = 70_000
    id_map[110:, 8:] = 5
    categories = {1: 28, 2: 14, 300: 56, 70_000: 56, 5: 65}
    colours = np.zeros((*SIZE, 3), dtype=np.uint8)
    segments = []
    for segment_id, category in categories.items():
        mask = id_map == segment_id
        colours[mask] = VISTAS.palette[VISTAS.lookup(category)] // 2 + 60
        rows, columns = np.nonzero(mask)
        box = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
        segment = {"id": segment_id, "category_id": category, "iscrowd": 0}
        segments.append(segment | {"area": int(mask.sum()), "bbox": box})
    for split in ("training", "validation"):
        images, maps = root / split / "images", root / split / "panoptic"
        for folder in (images, maps):
            folder.mkdir(parents=True)
        content: dict[str, Any] = {"images": [], "annotations": [], "categories": VISTAS.to_json()}
        for name in ("a", "b"):
            Image.fromarray(colours).save(images / f"{name}.jpg", quality=95)
            write_panoptic_png(maps / f"{name}.png", id_map)
            image = {"id": name, "file_name": f"{name}.jpg", "height": SIZE[0], "width": SIZE[1]}
            content["images"].append(image)
            content["annotations"].append(
                {"image_id": name, "file_name": f"{name}.png", "segments_info": segments}
            )
        (maps / "panoptic_2018.json").write_text(json.dumps(content))
    return root


def _load(name: str, root: Path) -> Config:
    """Load a recipe for images of a few pixels."""
    cfg = load_config(VISTAS_CONFIGS / name)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(batch_size=1, num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(root)
        for step in loader.dataset.pipeline:
            if "edges" in step:
                step.update(edges=[(150, 50), (150, 80)] if loader is cfg.train_dataloader else (150, 64))
            if "fit" in step:
                step.update(fit=(96, 96))
            if "size" in step:
                step.update(size=(65, 65))
    cfg.test_dataloader = cfg.val_dataloader
    return cfg


@pytest.mark.parametrize("name", ["tascnet_r50.py", "panoptic_deeplab_x71.py"])
def test_pipelines_read_native_files(name: str, vistas: Path) -> None:
    cfg = _load(name, vistas)
    train, val = (DATASETS.build(cfg[key].dataset) for key in ("train_dataloader", "val_dataloader"))
    for seed in range(6):
        np.random.seed(seed)  # noqa: NPY002
        packed = train[seed % 2]
        sample = packed["data_samples"]
        assert tuple(packed["inputs"].shape[1:]) == sample.gt_panoptic.shape
        assert set(sample.gt_sem_seg.sem_seg.unique().tolist()) <= {
            *(VISTAS.lookup(i) for i in (28, 14, 56, 65)),
            255,
        }
        assert ("gt_centers" in sample) == (name != "tascnet_r50.py")
    packed = val[0]
    sample = packed["data_samples"]
    assert sample.gt_panoptic.shape == SIZE == sample.ori_shape
    assert sample.gt_panoptic.labels.tolist() == [VISTAS.lookup(i) for i in (28, 14, 56, 56, 65)]
    assert max(packed["inputs"].shape[1:]) == (96 if name != "tascnet_r50.py" else 85)


def test_numbers_of_tascnet() -> None:
    cfg = load_config(VISTAS_CONFIGS / "tascnet_r50.py")
    assert (cfg.train_cfg.max_iters, cfg.param_scheduler[1].milestones) == (180_000, [120_000, 160_000])
    assert (cfg.optim_wrapper.optimizer.lr, cfg.auto_scale_lr.base_batch_size) == (0.01, 8)
    assert cfg.train_dataloader.dataset.pipeline[0].edges == [(2500, 800), (2500, 1400)]
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
    assert model.semantic_head.num_channels == 29  # N + 1
    assert not model.semantic_head.predicts_every_class
    loss = model.semantic_head.semantic_loss
    assert (type(loss).__name__, loss.top_k) == ("BootstrappedCrossEntropy", 0.25)
    assert model.tasc_weight == 1.0
    assert model.panoptic_fusion_head.stuff_area_limit == 0


# Millions, arXiv:1911.10194, table 5; the HRNets' are further off, see docs/panoptic_deeplab.md
PARAMETERS = {"x65": 44.31, "x71": 46.73}
OURS = {"hrnet_w48": 65.98, "hrnet_w48_plus": 82.04, "hrnet_w48_plus_atrous": 82.04}
OURS |= {"hrnet_wider_plus": 46.83, "hrnet_wider_plus_atrous": 46.83}


@pytest.mark.parametrize("name", CENTERS)
def test_numbers_of_panoptic_deeplab(name: str) -> None:
    cfg = load_config(VISTAS_CONFIGS / name)
    backbone = name.removeprefix("panoptic_deeplab_").removesuffix(".py")
    assert (cfg.train_cfg.max_iters, cfg.param_scheduler[0].end) == (150_000, 150_000)
    assert cfg.optim_wrapper.optimizer.lr == (7.5e-4 if "hrnet" in backbone else 0.001)
    assert cfg.auto_scale_lr.base_batch_size == 64 == 8 * cfg.train_dataloader.batch_size
    steps = cfg.train_dataloader.dataset.pipeline
    assert (steps[0].fit, steps[0].factor_range, steps[2].size) == ((2177, 2177), (0.5, 2.0), (1025, 1025))
    assert cfg.test_dataloader.dataset.pipeline[0].fit == (2177, 2177)
    assert cfg.model.panoptic_fusion_head.stuff_area_limit == 4096
    mean = cfg.model.data_preprocessor.mean
    assert steps[2].pad_value == pytest.approx(mean[::-1])  # the padding is zero after normalisation
    with torch.device("meta"):
        millions = sum(parameter.numel() for parameter in MODELS.build(cfg.model).parameters()) / 1e6
    if backbone in PARAMETERS:
        assert millions == pytest.approx(PARAMETERS[backbone], rel=0.01)
    elif backbone in OURS:
        assert millions == pytest.approx(OURS[backbone], abs=0.01)


@pytest.mark.parametrize("name", TASCNETS)
def test_losses_of_tascnet(name: str, vistas: Path) -> None:
    cfg = _load(name, vistas)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    cfg.model.backbone.init_cfg = None
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    model = MODELS.build(cfg.model)
    packed = dataset[0]
    batch = model.data_preprocessor(
        {"inputs": [packed["inputs"]], "data_samples": [packed["data_samples"]]}, training=True
    )
    losses = model(**batch, mode="loss")
    total = sum(_total(value) for value in losses.values())
    assert torch.isfinite(total)
    total.backward()
    is_joint = name == "tascnet_r50.py"
    assert ("loss_semantic" in losses) == (is_joint or "stuff" in name)
    assert ("loss_mask" in losses) == (is_joint or "things" in name)
    assert ("loss_tasc" in losses) == is_joint
    idle = [key for key, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert not idle  # else training on several GPUs would wait for them


def _total(value: Tensor | list[Tensor]) -> Tensor:
    return sum(value) if isinstance(value, list) else value.sum()  # type: ignore[return-value]


def test_two_networks_become_one_map(vistas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two halves write what they say; ``panoptic-fuse`` joins it."""
    script = runpy.run_path(str(ROOT / "tools" / "test.py"))
    for part in ("things", "stuff"):
        cfg = _load(f"two_networks_{part}_r50.py", vistas)
        cfg.model.backbone.update(depth=18, base_channels=8, init_cfg=None)
        cfg.model.neck.update(in_channels=[8, 16, 32, 64])
        cfg.model.test_cfg.rcnn.score_thr = 0.0
        cfg.dump(tmp_path / f"{part}.py")
        torch.manual_seed(0)
        weights = tmp_path / f"{part}.pth"
        torch.save({"state_dict": MODELS.build(cfg.model).state_dict(), "meta": {}}, weights)
        arguments = [str(tmp_path / f"{part}.py"), str(weights), "--work-dir", str(tmp_path / f"work_{part}")]
        monkeypatch.setattr(sys, "argv", ["test.py", *arguments, "--save-raw", str(tmp_path / part)])
        assert script["main"]() == 0
    truth = vistas / "validation" / "panoptic" / "panoptic_2018.json"
    inputs = ["--instances", str(tmp_path / "things"), "--semantic", str(tmp_path / "stuff")]
    out = tmp_path / "fused.json"
    assert fuse(["--images", str(truth), *inputs, "--out", str(out), "--set", "score=0", "stuff_area=0"]) == 0
    fused = read_panoptic_json(out)
    assert {annotation["image_id"] for annotation in fused.annotations} == {"a", "b"}
    rows = [row for annotation in fused.annotations for row in annotation["segments_info"]]
    assert {VISTAS.lookup(row["category_id"]) < VISTAS.num_things for row in rows} == {True, False}


@pytest.mark.parametrize("name", ["panoptic_fpn.py", "upsnet.py", "oanet.py", "dense_affinity.py"])
def test_any_method_takes_the_data_block(name: str, vistas: Path, tmp_path: Path) -> None:
    block = _load("tascnet_r50.py", vistas)
    cfg = load_config(ROOT / "configs" / name)
    for key in ("train_dataloader", "val_dataloader", "test_dataloader"):
        cfg[key] = block[key]
    _set_classes(cfg.model, VISTAS.num_things, VISTAS.num_stuff)
    cfg.model.backbone.update(base_channels=8)
    cfg.model.neck.update(in_channels=[8, 16, 32, 64])
    cfg.train_cfg.update(max_iters=1, val_interval=1)
    cfg.param_scheduler = []
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = f"{name}-{tmp_path.name}"
    runner = PanopticRunner.from_cfg(cfg)
    runner.train()
    assert "val/panoptic/PQ" in runner.message_hub.log_scalars
    assert all(torch.isfinite(value).all() for value in runner.model.parameters())


def _set_classes(settings: Any, num_things: int, num_stuff: int) -> None:
    for key, value in settings.items():
        if key in ("bbox_head", "mask_head") and value is not None:
            value["num_classes"] = num_things
        if isinstance(value, dict):
            _set_classes(value, num_things, num_stuff)
    counts = {"num_things": num_things, "num_stuff": num_stuff}
    counts |= {f"{key}_classes": count for key, count in counts.items()}
    settings.update({key: count for key, count in counts.items() if key in settings})


def test_one_step_of_training(vistas: Path, tmp_path: Path) -> None:
    cfg = _load("tascnet_r50.py", vistas)
    cfg.model.backbone.update(depth=18, base_channels=8, init_cfg=None)
    cfg.model.neck.update(in_channels=[8, 16, 32, 64])
    cfg.train_cfg.update(max_iters=1, val_interval=1)
    cfg.param_scheduler = []
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = tmp_path.name
    runner = PanopticRunner.from_cfg(cfg)
    runner.train()
    scalars = runner.message_hub.log_scalars
    assert "val/panoptic/PQ" in scalars
    assert "val/semantic/mIoU" not in scalars  # section 4.2: "a full ontology mIoU is not available"
    # What was trained predicts a photograph by the test pipeline, from its file and from memory.
    cfg.dump(tmp_path / "tiny.py")
    meta = {"dataset_meta": VISTAS.to_metainfo()}
    torch.save({"state_dict": runner.model.state_dict(), "meta": meta}, tmp_path / "tiny.pth")
    model = load_model(tmp_path / "tiny.py", tmp_path / "tiny.pth", "cpu")
    path = vistas / "validation/images/a.jpg"
    from_file, from_memory = predict(model, path), predict(model, np.asarray(Image.open(path)))
    for one in (from_file, from_memory):
        assert one.segmentation.shape == one.sample.ori_shape == SIZE
        assert max(one.sample.img_shape) == 85
