"""The small configs, made tiny: trained, evaluated, in stages, and on two ranks, one without targets."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.runner import PanopticRunner
from panoptic_heads.tascnet import TASCNet

CONFIGS = Path(__file__).parents[1] / "configs"


def _tiny(name: str, work_dir: Path, cache: Path) -> Config:
    cfg = load_config(CONFIGS / name)
    for loader, count in (("train_dataloader", 4), ("val_dataloader", 3)):
        cfg[loader]["num_workers"] = 0
        cfg[loader]["persistent_workers"] = False
        cfg[loader]["dataset"].update(num_images=count, size=(64, 96), cache_dir=str(cache))
    cfg.train_dataloader["batch_size"] = 2
    cfg.test_dataloader = cfg.val_dataloader
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.param_scheduler = []
    cfg.model.backbone.update(base_channels=8)
    cfg.model.neck.update(in_channels=[8, 16, 32, 64])
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f"{name}-{work_dir.name}"
    return cfg


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


@pytest.mark.parametrize(
    "name", ["tascnet.py", "panoptic_fpn.py", "upsnet.py", "upsnet_c.py", "upsnet_cp.py"]
)
def test_trains_and_evaluates(name: str, tmp_path: Path, cache: Path) -> None:
    runner = PanopticRunner.from_cfg(_tiny(name, tmp_path, cache))
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    assert all(torch.isfinite(value).all() for value in runner.model.parameters())
    assert any(not torch.equal(value, before[key]) for key, value in runner.model.named_parameters())
    values: dict[str, Any] = runner.message_hub.log_scalars
    assert "val/panoptic/PQ" in values
    # Panoptic FPN's head knows no thing class.
    assert ("val/semantic/mIoU" in values) == (name != "panoptic_fpn.py")
    assert (tmp_path / "last_checkpoint").is_file()
    assert list(tmp_path.rglob("pictures/**/*.png"))


def test_a_stage_then_joint(tmp_path: Path, cache: Path) -> None:
    cfg = _tiny("tascnet.py", tmp_path / "stuff", cache)
    cfg.model.update(stage="stuff")
    runner = PanopticRunner.from_cfg(cfg)
    runner.train()
    cfg = _tiny("tascnet.py", tmp_path / "joint", cache)
    cfg.load_from = (tmp_path / "stuff" / "last_checkpoint").read_text()
    joint = PanopticRunner.from_cfg(cfg)
    joint.load_or_resume()
    for (name, ours), theirs in zip(joint.model.named_parameters(), runner.model.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_with_test_time_augmentation(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    PanopticRunner.from_cfg(_tiny("tascnet.py", tmp_path, cache)).train()
    script = runpy.run_path(str(CONFIGS.parent / "tools" / "test.py"))
    out = tmp_path / "values.json"
    tiny = [
        *("test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"),
        *("test_dataloader.dataset.num_images=3", "test_dataloader.dataset.size=[64,96]"),
        *(f"test_dataloader.dataset.cache_dir={cache}", "model.backbone.base_channels=8"),
        *("model.neck.in_channels=[8,16,32,64]", "tta.scales=[0.5,1.0]", "tta.keep_features=True"),
    ]
    arguments = [
        str(tmp_path),
        "--tta",
        "--work-dir",
        str(tmp_path),
        "--json",
        str(out),
        "--cfg-options",
        *tiny,
    ]
    monkeypatch.setattr(sys, "argv", ["test.py", str(CONFIGS / "tascnet.py"), *arguments])
    seen: list[tuple[int, ...]] = []
    extract = TASCNet.extract_feat
    monkeypatch.setattr(TASCNet, "extract_feat", lambda self, x: seen.append(x.shape[2:]) or extract(self, x))
    assert script["main"]() == 0
    assert [tuple(size) for size in seen] == [(32, 64), (32, 64), (64, 96), (64, 96)] * 3  # 32 x 48 padded
    assert {"panoptic/PQ", "semantic/mIoU"} <= json.loads(out.read_text()).keys()
    monkeypatch.setattr(sys, "argv", ["test.py", str(CONFIGS / "panoptic_fpn.py"), str(tmp_path), "--tta"])
    assert script["main"]() == 2
    assert "Add a block such as `tta = dict(scales=" in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["things", "stuff"])
def test_a_stage_with_test_time_augmentation(stage: str, tmp_path: Path, cache: Path) -> None:
    cfg = _tiny("tascnet.py", tmp_path, cache)
    cfg.model.update(stage=stage, tta={"scales": [0.5, 1.0]}, predict_residual=True)
    cfg.train_cfg.update(max_iters=1, val_interval=1)
    PanopticRunner.from_cfg(cfg).train()


TWO_RANKS = """
import sys
import torch
import torch.distributed as dist
from panoptic_core.engine.config.loading import load_config
cfg = load_config(sys.argv[1])
from mmdet.structures import DetDataSample
from mmengine.registry import MODELS
from mmengine.structures import InstanceData, PixelData
from panoptic_data.transforms import WindowMasks
from panoptic_fusion import PanopticSegmentation

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
cfg.model.backbone.update(base_channels=8)
cfg.model.neck.update(in_channels=[8, 16, 32, 64])
model = torch.nn.parallel.DistributedDataParallel(MODELS.build(cfg.model).train())
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
size, boxes, labels = (64, 96), torch.zeros(0, 4), torch.full((64, 96), 255)
ids = torch.zeros(64, 96, dtype=torch.int64)
if rank == 0:  # the other one has nothing to learn from: all void
    boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0]])
    labels[:], ids[:] = 8, 1
    labels[8:40, 8:40], ids[8:40, 8:40] = 0, 2
number = len(boxes)
for step in range(3):
    sample = DetDataSample(metainfo={"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0)})
    crops = [torch.ones(32, 32).numpy()] * number
    masks = WindowMasks(crops, boxes.numpy(), *size)
    sample.gt_instances = InstanceData(
        bboxes=boxes,
        labels=torch.zeros(number).long(),
        masks=masks,
        segment_ids=torch.full((number,), 2),
    )
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    sample.gt_sem_seg = PixelData(sem_seg=labels[None])
    sample.gt_panoptic = PanopticSegmentation.from_id_map(ids, [1, 2], [8, 0], [False, True])
    data = model.module.data_preprocessor(
        {"inputs": [torch.randint(0, 256, (3, *size), dtype=torch.uint8)], "data_samples": [sample]}, True
    )
    total, _ = model.module.parse_losses(model(**data, mode="loss"))
    assert torch.isfinite(total), total
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    total = sum(parameter.double().sum() for parameter in model.parameters()).detach()
    other = total.clone()
    dist.broadcast(other, 0)
    assert total == other, (step, total, other)
print(f"rank {rank} is done")
"""


@pytest.mark.parametrize("name", ["tascnet.py", "upsnet.py"])
def test_a_rank_without_targets_does_not_hang_the_other(name: str, tmp_path: Path) -> None:
    script = tmp_path / "two_ranks.py"
    script.write_text(TWO_RANKS)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, str(script), str(CONFIGS / name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("is done") == 2
