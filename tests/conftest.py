"""What tests of several methods share."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from mmengine.config import Config

from panoptic_core.engine.config.loading import load_config

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder where tiny generated scenes are kept: all tests draw the same few."""
    return tmp_path_factory.mktemp("scenes")


@pytest.fixture
def tiny_config(tmp_path: Path, scenes: Path) -> Callable[..., Config]:
    """Return a function that loads a small config and makes it tiny: four scenes, two steps, few channels."""

    def load(name: str, folder: str = "") -> Config:
        cfg = load_config(CONFIGS / name)
        for loader, count in (("train_dataloader", 4), ("val_dataloader", 3)):
            cfg[loader].update(num_workers=0, persistent_workers=False)
            cfg[loader]["dataset"].update(num_images=count, size=(64, 96), cache_dir=str(scenes))
        cfg.train_dataloader["batch_size"] = 2
        cfg.test_dataloader = cfg.val_dataloader
        cfg.train_cfg.update(max_iters=2, val_interval=2)
        cfg.param_scheduler = []
        cfg.model.backbone.update(base_channels=8)
        if "neck" in cfg.model:
            cfg.model.neck.update(in_channels=[8, 16, 32, 64])
        cfg.work_dir = str(tmp_path / folder)
        cfg.experiment_name = f"{Path(name).stem}-{tmp_path.name}-{folder}"
        return cfg

    return load


@pytest.fixture
def train_on_two_ranks(tmp_path: Path) -> Callable[..., None]:
    """Train a config on two processes, one of them without targets: see ``two_ranks.py``."""

    def train(config: Path, options: Sequence[str] = (), only_with_targets: Sequence[str] = ()) -> None:
        """Run three steps.

        Args:
            config: Of the generated scenes' classes.
            options: Overrides, as for ``--cfg-options``; such as make the model tiny.
            only_with_targets: Losses that are above 0 on the first process and 0 on the other.
        """
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
        script = [str(Path(__file__).with_name("two_ranks.py")), str(config)]
        done = subprocess.run(
            [
                *(sys.executable, *torchrun, *script),
                *("--only-with-targets", *only_with_targets, "--cfg-options", *options),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("is done") == 2

    return train
