"""Every config in the repository loads, and its dump in a work folder builds the same model."""

from pathlib import Path

import pytest
from mmengine.config import Config

from panoptic_core.categories import CITYSCAPES, COCO_PANOPTIC
from panoptic_core.engine.config import RunOptions, prepare_config
from panoptic_data.generator.categories import GENERATED_SCENES
from panoptic_heads.registry import MODELS

CONFIGS = Path(__file__).parents[1] / "configs"
LEAVES = sorted(
    str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.py") if "_base_" not in path.parts
)
TABLES = {".": GENERATED_SCENES, "cityscapes": CITYSCAPES, "coco": COCO_PANOPTIC}


@pytest.mark.parametrize("leaf", LEAVES)
def test_dump_builds_the_same_model(leaf: str, tmp_path: Path) -> None:
    options = RunOptions(config=CONFIGS / leaf, work_dir=str(tmp_path), check=False)
    cfg, _ = prepare_config(options, "train")
    cfg.model.backbone.init_cfg = None  # nothing is downloaded
    cfg.dump(tmp_path / "dumped.py")
    dumped = Config.fromfile(tmp_path / "dumped.py")
    shapes, again = (
        {name: value.shape for name, value in MODELS.build(one.model).state_dict().items()}
        for one in (cfg, dumped)
    )
    assert shapes == again


@pytest.mark.parametrize("leaf", LEAVES)
def test_numbers_of_classes_are_the_tables(leaf: str, tmp_path: Path) -> None:
    options = RunOptions(config=CONFIGS / leaf, work_dir=str(tmp_path), check=False)
    cfg, _ = prepare_config(options, "train")
    table = TABLES[str(Path(leaf).parent)]
    head = cfg.model.semantic_head
    assert (head.num_things_classes, head.num_stuff_classes) == (table.num_things, table.num_stuff)
    assert cfg.model.roi_head.bbox_head.num_classes == table.num_things
    assert cfg.model.roi_head.mask_head.num_classes == table.num_things
