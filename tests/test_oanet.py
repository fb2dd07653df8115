"""The small OANet, made tiny: trained, evaluated by both orders, and on two ranks, one of them empty."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.runner import PanopticRunner

CONFIGS = Path(__file__).parents[1] / "configs"


def _tiny(work_dir: Path, cache: Path) -> Config:
    cfg = load_config(CONFIGS / "oanet.py")
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
    cfg.experiment_name = f"oanet-{work_dir.name}"
    return cfg


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


def test_trains_and_evaluates(tmp_path: Path, cache: Path) -> None:
    cfg = _tiny(tmp_path, cache)
    cfg.custom_hooks = [*cfg.custom_hooks, {"type": "panoptic_heads.GradientBalanceHook", "interval": 1}]
    runner = PanopticRunner.from_cfg(cfg)
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    assert all(torch.isfinite(value).all() for value in runner.model.parameters())
    changed = {
        key.split(".")[0]
        for key, value in runner.model.named_parameters()
        if not torch.equal(value, before[key])
    }
    assert {"semantic_head", "roi_head", "ranking_head"} <= changed  # worn objects are conflicts
    values = runner.message_hub.log_scalars
    assert {
        "val/panoptic/PQ",
        "val/panoptic/PQ/backpack",
        "val/occlusion/pairs",
        "val/semantic/mIoU",
    } <= values.keys()
    lines = (tmp_path / "gradient_balance.jsonl").read_text().splitlines()
    assert [json.loads(line)["iter"] for line in lines] == [1, 2]
    assert "train/gradient_stuff" in values


def test_with_test_time_augmentation_and_by_score(tmp_path: Path, cache: Path) -> None:
    cfg = _tiny(tmp_path, cache)
    cfg.model.update(tta={"scales": [0.5, 1.0]}, sharing="backbone")
    cfg.model.panoptic_fusion_head.update(order="score")
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
cfg.model.sharing = sys.argv[2]
model = torch.nn.parallel.DistributedDataParallel(MODELS.build(cfg.model).train())
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
size, boxes, labels = (64, 96), torch.zeros(0, 4), torch.full((64, 96), 255)
ids = torch.zeros(64, 96, dtype=torch.int64)
if rank == 0:  # the other one has nothing to learn from: all void
    boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0], [16.0, 16.0, 32.0, 32.0]])
    labels[:], ids[:] = 8, 1
    labels[8:40, 8:40], ids[8:40, 8:40] = 0, 2  # a person
    labels[16:32, 16:32], ids[16:32, 16:32] = 6, 3  # and what it wears: a conflict
number = len(boxes)
for step in range(3):
    sample = DetDataSample(metainfo={"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0)})
    crops = [torch.ones(32, 32).numpy(), torch.ones(16, 16).numpy()][:number]
    masks = WindowMasks(crops, boxes.numpy(), *size)
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 6])[:number], masks=masks)
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    sample.gt_sem_seg = PixelData(sem_seg=labels[None])
    sample.gt_panoptic = PanopticSegmentation.from_id_map(ids, [1, 2, 3], [8, 0, 6], [False, True, True])
    data = model.module.data_preprocessor(
        {"inputs": [torch.randint(0, 256, (3, *size), dtype=torch.uint8)], "data_samples": [sample]}, True
    )
    total, logs = model.module.parse_losses(model(**data, mode="loss"))
    assert (logs["loss_ranking"] > 0) == (rank == 0), logs
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    total = sum(parameter.double().sum() for parameter in model.parameters()).detach()
    other = total.clone()
    dist.broadcast(other, 0)
    assert total == other, (step, total, other)
print(f"rank {rank} is done")
"""


@pytest.mark.parametrize("sharing", ["fpn", "none"])
def test_a_rank_without_targets_does_not_hang_the_other(sharing: str, tmp_path: Path) -> None:
    script = tmp_path / "two_ranks.py"
    script.write_text(TWO_RANKS)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, str(script), str(CONFIGS / "oanet.py"), sharing],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("is done") == 2
