"""UPSNet on photographs: what is trained, the dense panoptic logits, is what inference takes the best of."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import DATASETS

from panoptic_core.engine.config import RunOptions, prepare_config
from panoptic_core.engine.config.loading import load_config
from panoptic_fusion import BoxMasks, argmax_panoptic_logits
from panoptic_heads.registry import MODELS

pytestmark = pytest.mark.realdata

CONFIGS = Path(__file__).parents[1] / "configs"
ROOT = os.environ.get("PANOPTIC_DATA_ROOT", "")


def _training_set(leaf: str, folder: str, scale: list[tuple[int, int]]) -> Any:
    cfg, _ = prepare_config(RunOptions(config=CONFIGS / leaf, data_root=str(Path(ROOT, folder)), check=False))
    dataset = cfg.train_dataloader.dataset
    dataset.pipeline[2].update(scale=scale)
    return DATASETS.build(dataset)


def _model(num_things: int, num_stuff: int) -> Any:
    """Return the small UPSNet with random weights that let stuff, instances and unknown win pixels."""
    cfg = load_config(CONFIGS / "upsnet.py").model
    cfg.semantic_head.update(num_things_classes=num_things, num_stuff_classes=num_stuff)
    cfg.roi_head.bbox_head.num_classes = cfg.roi_head.mask_head.num_classes = num_things
    torch.manual_seed(0)
    model = MODELS.build(cfg).train()
    torch.nn.init.normal_(model.semantic_head.branch.score.weight, std=0.3)
    torch.nn.init.normal_(model.roi_head.mask_head.conv_logits.weight, std=0.3)
    return model


@pytest.mark.skipif(not ROOT, reason="PANOPTIC_DATA_ROOT is not set")
@pytest.mark.parametrize(
    ("leaf", "folder", "scale"),
    [
        ("cityscapes/upsnet_r50.py", "cityscapes_mini", [(512, 256), (512, 256)]),
        ("coco/upsnet_r50.py", "coco_mini", [(448, 256), (448, 256)]),
    ],
    ids=["cityscapes", "coco"],
)
@pytest.mark.parametrize("unknown", [True, False])
def test_inference_is_the_argmax_of_the_training_logits(
    leaf: str, folder: str, scale: list[tuple[int, int]], unknown: bool
) -> None:
    dataset = _training_set(leaf, folder, scale)
    model = _model(*(getattr(dataset.table, name) for name in ("num_things", "num_stuff")))
    model.unknown = unknown
    states: list[Any] = []
    model.extra_losses = lambda state: states.append(state) or {}
    num_stuff, kinds = dataset.table.num_stuff, torch.zeros(3, dtype=torch.bool)
    for index in range(3):
        item = dataset[index]
        batch = {"inputs": [item["inputs"]], "data_samples": [item["data_samples"]]}
        data = model.data_preprocessor(batch, training=True)
        with torch.no_grad():
            model.loss(data["inputs"], data["data_samples"])
            state = states.pop()
            truth = state.samples[0].gt_instances
            (dense,) = model.panoptic_logits(state, [torch.ones(len(truth), dtype=torch.bool)])
            (masks,) = model.roi_head.mask_logits_in_boxes(state.features, [truth.bboxes], [truth.labels])
        scale_y, scale_x = (a / b for a, b in zip(dense.shape[1:], state.input_size, strict=True))
        lean = argmax_panoptic_logits(
            state.sem_logits[0],
            BoxMasks.from_logits(masks, truth.bboxes).rescale(scale_x, scale_y),
            truth.labels,
            num_things=dataset.table.num_things,
            unknown=unknown,
        )
        assert torch.equal(lean.long(), dense.argmax(dim=0))
        ends = num_stuff, num_stuff + len(truth), num_stuff + len(truth) + 1
        won = torch.bucketize(lean, torch.tensor(ends), right=True).unique()
        kinds[won] = True
    assert kinds.tolist() == [True, True, unknown]  # stuff, instances, unknown: each has won pixels
