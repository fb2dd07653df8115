"""Which files can be collected here: the OpenMMLab layer needs the extra ``[mm]``."""

from importlib.util import find_spec

collect_ignore_glob = (
    []
    if find_spec("mmengine")
    else [
        "src/panoptic_core/registry.py",
        "src/panoptic_core/inference.py",
        "src/panoptic_core/engine/*",
        "src/panoptic_core/evaluation/*",
        "tests/engine/*",
        "tests/evaluation/*",
        "tests/test_registry.py",
        "tests/test_inference.py",
    ]
)
