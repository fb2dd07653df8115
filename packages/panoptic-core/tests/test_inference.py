from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.registry import MODELS, TRANSFORMS
from PIL import Image

from panoptic_core.engine.checkpoint import CheckpointError, UnsafeCheckpointError
from panoptic_core.inference import load_model, predict
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation, RawOutputs


@MODELS.register_module(name="InferenceToyModel", force=True)
class ToyModel(BaseModel):
    """Calls pixels with more red than its weight a car, all others sky."""

    def __init__(self) -> None:
        super().__init__(data_preprocessor=BaseDataPreprocessor())
        self.threshold = torch.nn.Parameter(torch.tensor(0.0))

    def forward(self, inputs: Any, data_samples: Any, mode: str = "tensor") -> Any:
        assert mode == "predict"
        assert not self.training
        for image, sample in zip(inputs, data_samples, strict=True):  # (3, H, W) BGR
            id_map = torch.where(image[2].float() > self.threshold, 1, 2)
            sample.pred_panoptic = PanopticSegmentation.from_id_map(id_map, [1, 2], [1, 4], [True, False])
        return data_samples


CONFIG = """
model = dict(type="InferenceToyModel")
test_dataloader = dict(dataset=dict(type="RepeatDataset", dataset=dict(pipeline=[
    dict(type="mmcv.LoadImageFromFile"),
    dict(type="mmdet.Resize", scale=(24, 16), keep_ratio=True),
    dict(type="LoadTheGroundTruth"),
    dict(type="mmdet.PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape")),
])))
default_scope = "mmengine"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "toy.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint; keyword arguments replace its parts."""

    def write(**parts: Any) -> Path:
        content = {
            "state_dict": {"threshold": torch.tensor(100.0)},
            "meta": {"dataset_meta": tiny_scene().table.to_metainfo()},
            **parts,
        }
        path = tmp_path / "iter_1.pth"
        torch.save(content, path)
        return path

    return write


@pytest.fixture
def red_left(tmp_path: Path) -> Path:
    """An image of 32 x 48 pixels whose left half is red."""
    image = np.zeros((32, 48, 3), dtype=np.uint8)
    image[:, :24, 0] = 200
    path = tmp_path / "red_left.png"
    Image.fromarray(image).save(path)
    return path


def test_a_file_and_an_array_give_the_same(
    config: Path, checkpoint: Callable[..., Path], red_left: Path
) -> None:
    model = load_model(config, checkpoint(), "cpu")
    assert model.table == tiny_scene().table
    from_file = predict(model, red_left)
    # 32 x 48 becomes 16 x 24; the left half is car (1), the right half is sky (4).
    assert from_file.segmentation.label_map().unique(dim=0).tolist() == [[1] * 12 + [4] * 12]
    assert from_file.sample.ori_shape == (32, 48)
    assert from_file.sample.img_id == "red_left"
    from_memory = predict(model, np.asarray(Image.open(red_left)))
    torch.testing.assert_close(from_memory.segmentation.id_map, from_file.segmentation.id_map)


@TRANSFORMS.register_module(force=True)
class LoadReducedImage(BaseTransform):
    """Stands for panoptic-data's: it reads files and takes images from memory."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if "img" not in results:
            results["img"] = np.asarray(Image.open(results["img_path"]))[..., ::-1]
        results["img_shape"] = results["ori_shape"] = results["img"].shape[:2]
        return results


def test_a_loader_of_reduced_images_is_kept(
    config: Path, checkpoint: Callable[..., Path], red_left: Path
) -> None:
    config.write_text(CONFIG.replace("mmcv.LoadImageFromFile", "mmengine.LoadReducedImage"))
    model = load_model(config, checkpoint(), "cpu")
    from_file = predict(model, red_left)
    from_memory = predict(model, np.asarray(Image.open(red_left)))
    for one in (from_file, from_memory):
        assert one.segmentation.label_map().unique(dim=0).tolist() == [[1] * 12 + [4] * 12]


def test_a_folder_stands_for_its_newest_checkpoint(config: Path, checkpoint: Callable[..., Path]) -> None:
    assert load_model(config, checkpoint().parent, "cpu").network.threshold == 100


def test_what_the_network_said_before_fusion(
    config: Path, checkpoint: Callable[..., Path], red_left: Path
) -> None:
    model = load_model(config, checkpoint(), "cpu")
    network: Any = model.network
    assert predict(model, red_left, keep_raw=True).raw is None  # it lets nobody see it
    said, step = RawOutputs((32, 48), 1, 5), network.test_step

    def test_step(batch: Any) -> Any:
        for transform in network.raw_transforms:
            assert transform(said, None) is said
        return step(batch)

    network.raw_transforms, network.test_step = [], test_step
    assert predict(model, red_left, keep_raw=True).raw is said
    assert predict(model, red_left).raw is None
    network.test_step = lambda batch: 1 / 0
    with pytest.raises(ZeroDivisionError):
        predict(model, red_left, keep_raw=True)
    assert network.raw_transforms == []


def test_an_image_in_memory_must_be_rgb(config: Path, checkpoint: Callable[..., Path]) -> None:
    model = load_model(config, checkpoint(), "cpu")
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8 RGB, got \(4, 4\) uint8"):
        predict(model, np.zeros((4, 4), dtype=np.uint8))


def test_weights_that_do_not_fit(config: Path, checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match=r"do not fit.*\n.*\n.*\n.*threshold: 3 -> scalar"):
        load_model(config, checkpoint(state_dict={"threshold": torch.zeros(3)}), "cpu")


def test_no_class_names_anywhere(config: Path, checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match="carries no class names"):
        load_model(config, checkpoint(meta={}), "cpu")


def test_nothing_in_the_checkpoint_is_built_or_run(
    config: Path, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    marker = tmp_path / "it_ran"
    command = f"touch {marker}"
    text = f"import os\nos.system('{command}')\nmodel = dict(type='os.system', command='{command}')"
    system = {"type": "os.system", "command": command}
    path = checkpoint(
        meta={
            "cfg": text,
            "config": text,
            "model": system,
            "dataset_meta": {**tiny_scene().table.to_metainfo(), **system},
        },
        message_hub={"runtime_info": {"cfg": text, "hook": system}},
        hooks=[system],
    )
    assert load_model(config, path, "cpu").table == tiny_scene().table
    assert not marker.exists()


def test_a_payload_is_refused(config: Path, checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(tmp_path / "it_ran"), "w")

    with pytest.raises(UnsafeCheckpointError, match=r"iter_1\.pth"):
        load_model(config, checkpoint(extra=Payload()), "cpu")
    assert not (tmp_path / "it_ran").exists()
