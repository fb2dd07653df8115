import subprocess
import sys

import pytest
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import DefaultScope

from panoptic_core import registry
from panoptic_core.ops import install

install()  # the scope mmdet imports mmdet, which needs the operators


@pytest.mark.parametrize("scope", ["mmdet", "mmengine", "panoptic_core"])
def test_our_components_from_any_default_scope(scope: str) -> None:
    with DefaultScope.overwrite_default_scope(scope):
        hook = ROOT_HOOKS.build({"type": "panoptic_core.AtomicCheckpointHook", "interval": 1})
    assert type(hook).__module__ == "panoptic_core.engine.hooks.checkpoint"


def test_without_any_default_scope() -> None:
    metric = ROOT_METRICS.build({"type": "panoptic_core.PanopticQuality"})
    assert type(metric).__module__ == "panoptic_core.evaluation.panoptic_quality"


def test_plain_names_and_others_components_in_our_scope() -> None:
    with DefaultScope.overwrite_default_scope("panoptic_core"):
        assert type(ROOT_HOOKS.build({"type": "AtomicCheckpointHook"})).__name__ == "AtomicCheckpointHook"
        assert type(ROOT_HOOKS.build({"type": "IterTimerHook"})).__module__.startswith("mmengine")
        hook = ROOT_HOOKS.build({"type": "mmdet.SetEpochInfoHook"})
    assert type(hook).__module__.startswith("mmdet")


def test_the_registry_file_is_light() -> None:
    code = (
        "import sys; import panoptic_core.registry;"
        "heavy = [m for m in sys.modules if m.startswith(('mmdet', 'mmcv', 'panoptic_core.e'))];"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_every_registry_is_a_child_of_mmengines_root() -> None:
    ours = [value for value in vars(registry).values() if getattr(value, "scope", None) == "panoptic_core"]
    assert len(ours) == 6
    assert all(item.parent.scope == "mmengine" for item in ours)
