"""Which files can be collected here."""

from importlib.util import find_spec

# It answers to every name, so also to those by which pytest looks for plug-ins.
collect_ignore = ["src/panoptic_core/ops/_ext.py"]

if not find_spec("mmengine"):  # the OpenMMLab layer needs the extra `[mm]`
    modules = ("backbones", "engine", "evaluation", "inference.py", "registry.py")
    collect_ignore += [f"src/panoptic_core/{name}" for name in modules]
    tests = ("backbones", "engine", "evaluation", "test_inference.py", "test_registry.py")
    collect_ignore += [f"tests/{name}" for name in tests]
