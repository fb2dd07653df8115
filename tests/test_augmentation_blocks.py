"""The block ``tta`` of every config, against what the papers and our own notes say for its method and set."""

from pathlib import Path
from typing import Any

import pytest

from panoptic_core.engine.config.loading import load_config
from panoptic_heads.common import ViewSettings

CONFIGS = Path(__file__).parents[1] / "configs"
SETS = ("ade20k", "cityscapes", "coco", "vistas")
LEAVES = sorted(
    str(path.relative_to(CONFIGS))
    for name in SETS
    for path in (CONFIGS / name).glob("*.py")
    if "_small_" not in path.name
)


def _sides(short: range, test_side: int) -> tuple[float, ...]:
    return tuple(side / test_side for side in short)


CENTERS_WIDE = ViewSettings((0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0))  # arXiv:1911.10194, section 4
CENTERS_COCO = ViewSettings((0.5, 0.75, 1.0, 1.25, 1.5))
TASC = ViewSettings((0.75, 1.0, 1.25, 1.5))  # arXiv:1812.01192, section 4.2: "multiple scales"; ours
# arXiv:1901.03784, section 6.1: short sides of test images of 1024 and 800, the semantic logits alone
CITYSCAPES_SIDES, COCO_SIDES = _sides(range(704, 1345, 64), 1024), _sides(range(480, 1121, 64), 800)
EXPECTED: dict[tuple[str, str], ViewSettings | None] = {
    ("cityscapes", "panoptic_deeplab"): CENTERS_WIDE,
    ("vistas", "panoptic_deeplab"): CENTERS_WIDE,
    ("coco", "panoptic_deeplab"): CENTERS_COCO,
    ("cityscapes", "tascnet"): TASC,
    ("vistas", "tascnet"): TASC,
    ("coco", "tascnet"): None,  # section 4.3: "no test-time augmentation"
    ("ade20k", "tascnet"): None,
    ("vistas", "two_networks"): None,  # table 2 has no such row
    ("cityscapes", "upsnet"): ViewSettings(CITYSCAPES_SIDES, semantics_only=True, space="logits"),
    ("coco", "upsnet"): ViewSettings(COCO_SIDES, semantics_only=True, space="logits"),
    ("cityscapes", "pspnet"): ViewSettings(CITYSCAPES_SIDES, space="logits"),
    ("coco", "pspnet"): ViewSettings(COCO_SIDES, space="logits"),
    ("cityscapes", "oanet"): None,
    ("coco", "oanet"): None,
    ("cityscapes", "dense_affinity"): None,
    ("coco", "dense_affinity"): None,
}


@pytest.mark.parametrize("leaf", LEAVES)
def test_block_is_the_papers(leaf: str) -> None:
    folder, name = leaf.split("/")
    rows = {method: block for (where, method), block in EXPECTED.items() if where == folder}
    (expected,) = (block for method, block in rows.items() if name.startswith(method))
    cfg = load_config(CONFIGS / leaf)
    if expected is None:
        assert "tta" not in cfg
        return
    found = ViewSettings.read(cfg.tta.to_dict())
    assert found.scales == pytest.approx(expected.scales)
    assert (found.flip, found.semantics_only, found.space) == (
        expected.flip,
        expected.semantics_only,
        expected.space,
    )
    assert 1.0 in found.scales
    if name.startswith(("upsnet", "pspnet")):  # factors of what the test pipeline makes
        side = 1024 if folder == "cityscapes" else 800
        assert min(_resize_of(cfg)["scale"]) == side


@pytest.mark.parametrize("name", ["tascnet.py", "upsnet.py", "panoptic_deeplab.py"])
def test_small_configs_can_be_augmented(name: str) -> None:
    assert ViewSettings.read(load_config(CONFIGS / name).tta.to_dict()).flip


def _resize_of(cfg: Any) -> dict[str, Any]:
    (resize,) = (step for step in cfg.test_dataloader.dataset.pipeline if "scale" in step)
    return dict(resize)
