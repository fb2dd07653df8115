"""A training run small enough to see through: one linear layer, eight numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner


@DATASETS.register_module(name="EngineToyDataset", force=True)
class ToyDataset(BaseDataset):
    METAINFO: ClassVar[dict[str, Any]] = {
        "dataset_name": "toy",
        "classes": ("car", "sky"),
        "palette": [(0, 0, 142), (70, 130, 180)],
        "num_things": 1,
        "category_ids": (26, 23),
    }

    def load_data_list(self) -> list[dict[str, Any]]:
        return [{"img_id": index, "value": float(index)} for index in range(8)]


@MODELS.register_module(name="EngineToyModel", force=True)
class ToyModel(BaseModel):
    def __init__(self, width: int = 1) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, width)
        self.shift = torch.nn.Parameter(torch.zeros(1))

    def forward(
        self, img_id: list[int], value: list[float], sample_idx: Any = None, mode: str = "tensor"
    ) -> Any:
        out = self.layer(torch.as_tensor(value, dtype=torch.float32)[:, None]) + self.shift
        return {"loss": ((out - 1) ** 2).mean()} if mode == "loss" else list(out)


@pytest.fixture
def toy_config(tmp_path: Path) -> dict[str, Any]:
    return {
        "model": {"type": "EngineToyModel"},
        "work_dir": str(tmp_path / "work"),
        "train_dataloader": {
            "dataset": {"type": "EngineToyDataset"},
            "sampler": {"type": "InfiniteSampler", "shuffle": False},
            "batch_size": 2,
            "num_workers": 0,
        },
        "train_cfg": {"by_epoch": False, "max_iters": 6},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9}},
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": 2}},
        "experiment_name": tmp_path.name,
        "log_level": "WARNING",
        "randomness": {"seed": 1},
    }


@pytest.fixture
def train(toy_config: dict[str, Any]) -> Callable[..., Runner]:
    """Train the toy model; keyword arguments replace parts of its config."""
    count = iter(range(100))

    def run(**changes: Any) -> Runner:
        name = f"{toy_config['experiment_name']}_{next(count)}"  # MMEngine keeps one logger a name
        runner = Runner.from_cfg({**toy_config, "experiment_name": name, **changes})
        runner.train()
        return runner

    return run


@METRICS.register_module(name="EngineToyMetric", force=True)
class ToyMetric(BaseMetric):
    """Better at every validation."""

    default_prefix = "toy"
    calls = 0

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list[int]) -> dict[str, float]:
        self.calls += 1
        return {"PQ": float(self.calls)}
