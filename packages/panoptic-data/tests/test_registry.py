import subprocess
import sys

import pytest

BUILD = """
{first}
from {library}.registry import TRANSFORMS
transform = TRANSFORMS.build(dict(type="panoptic_data.PackPanopticInputs", min_side=3))
assert transform.min_side == 3
assert TRANSFORMS.get("panoptic_data.LoadPanoptic").__module__ == "panoptic_data.transforms.load"
"""


@pytest.mark.parametrize(("library", "first"), [("mmengine", ""), ("mmdet", "import panoptic_data")])
def test_built_by_name_in_somebody_elses_config(library: str, first: str) -> None:
    """MMEngine finds the registry by the scope in the name; mmdet needs our operators first to import."""
    code = BUILD.format(library=library, first=first)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_import_is_light() -> None:
    code = "import sys, panoptic_data; assert not any(m.startswith(('mmdet', 'mmcv.')) for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
