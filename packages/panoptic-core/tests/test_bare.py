"""The bare part loads no OpenMMLab module, however it is imported."""

import subprocess
import sys


def test_loads_no_mm_module() -> None:
    code = """
import sys
import panoptic_core

assert "torch" not in sys.modules and "numpy" not in sys.modules
import panoptic_core.categories, panoptic_core.files, panoptic_core.metrics, panoptic_core.visualization
import panoptic_core.cli.environment, panoptic_core.cli.evaluate, panoptic_core.cli.submit
import panoptic_core.testing

loaded = [name for name in sys.modules if name.partition(".")[0] in ("mmengine", "mmdet", "mmcv", "cv2")]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)
