"""A config file whose model has parts, and a data set with files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from torch import nn

from panoptic_core.categories import CITYSCAPES


@MODELS.register_module(name="ConfigToyBackbone", force=True)
class ToyBackbone(nn.Module):
    def __init__(self, depth: int, width: int = 4, norm_cfg: dict[str, Any] | None = None) -> None:
        super().__init__()


@MODELS.register_module(name="ConfigToyHead", force=True)
class ToyHead(nn.Module):
    def __init__(self, num_classes: int, train_cfg: Any, loss: dict[str, Any] | None = None) -> None:
        super().__init__()


@MODELS.register_module(name="ConfigToyDetector", force=True)
class ToyDetector(BaseModel):
    def __init__(
        self, backbone: Any, bbox_head: Any = None, semantic_head: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return {"loss": self.weight.sum()}


@DATASETS.register_module(name="ConfigToyDataset", force=True)
class ToyDataset(BaseDataset):
    """Its files are a JSON and a folder of images."""

    METAINFO = CITYSCAPES.to_metainfo()

    def load_data_list(self) -> list[dict[str, Any]]:
        return [{"img_id": 0}]


CONFIG = """
data_root = "{root}"
dataset = dict(
    type="ConfigToyDataset", data_root=data_root, ann_file="a.json", data_prefix=dict(img="images"))
model = dict(
    type="ConfigToyDetector",
    backbone=dict(type="ConfigToyBackbone", depth=18, norm_cfg=dict(type="BN", requires_grad=True)),
    bbox_head=dict(type="ConfigToyHead", num_classes=8, loss=dict(type="CrossEntropyLoss")),
)
train_dataloader = dict(dataset=dataset, sampler=dict(type="DefaultSampler", shuffle=True), batch_size=2)
val_dataloader = dict(
    dataset=dict(dataset, test_mode=True), sampler=dict(type="DefaultSampler", shuffle=False))
val_evaluator = dict(type="panoptic_core.PanopticQuality")
val_cfg = dict()
train_cfg = dict(type="IterBasedTrainLoop", max_iters=4, val_interval=4)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.02, momentum=0.9))
param_scheduler = [dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=2)]
auto_scale_lr = dict(base_batch_size=8)
randomness = dict(seed=0)
"""


@MODELS.register_module(name="CrossEntropyLoss", force=True)
class ToyLoss(nn.Module):
    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """Write a config that is right, and its data."""
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    (data / "a.json").write_text("{}")
    path = tmp_path / "toy.py"
    path.write_text(CONFIG.replace("{root}", str(data)))
    return path


@pytest.fixture
def changed(config_file: Path) -> Callable[..., Config]:
    """Load the config with entries changed by dotted path; ``None`` removes an entry."""

    def change(**changes: Any) -> Config:
        cfg = Config.fromfile(str(config_file))
        for key, value in changes.items():
            *parents, last = key.split("__")
            node: Any = cfg._cfg_dict
            for parent in parents:
                node = node[int(parent)] if parent.isdigit() else node[parent]
            if value is None:
                del node[last]
            else:
                node[last] = value
        return cfg

    return change
