"""The import hook that puts :mod:`panoptic_core.ops._ext` where OpenMMLab looks for compiled operators.

``mmcv.ops`` asks for one compiled module, ``mmcv._ext``. Installations without a compiler (mmcv-lite) lack
it, and without it half of MMDetection cannot be imported. :func:`install` appends a finder to
:data:`sys.meta_path` that answers for this one name. Being last, it is asked only where no compiled module
was found: it steps aside for one by its place. Nothing of OpenMMLab is imported here.
"""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_NAME = "mmcv._ext"
_IMPLEMENTATION = "panoptic_core.ops._ext"


class _StandInLoader(Loader):
    """Makes the module ``mmcv._ext`` out of our adapter, when it is first asked for."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make an empty module."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module: our operators, and a ``__getattr__`` that answers for all others."""
        implementation = importlib.import_module(_IMPLEMENTATION)
        for name in (*implementation.__all__, "__getattr__"):
            setattr(module, name, getattr(implementation, name))
        module.__doc__ = implementation.__doc__


class _StandInFinder(MetaPathFinder):
    """Finds ``mmcv._ext`` and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(_NAME, _StandInLoader(), origin=_IMPLEMENTATION) if fullname == _NAME else None


def install() -> None:
    """Make OpenMMLab's operators importable without compiled mmcv; call it before the first import of mmdet.

    Idempotent. A compiled ``mmcv._ext`` is always preferred. Importing ``panoptic_heads`` or
    ``panoptic_data`` calls this.

    Raises:
        ImportError: If mmcv was imported without its operators before, and has given up on them.
    """
    if any(type(finder).__qualname__ == _StandInFinder.__qualname__ for finder in sys.meta_path):
        return
    if _NAME not in sys.modules and compiled_extension() is None:
        _refuse_after_failed_import()
    sys.meta_path.append(_StandInFinder())


def compiled_extension() -> str | None:
    """Return the path of the compiled ``mmcv._ext`` beside the installed mmcv, or None; imports nothing."""
    package = sys.modules.get("mmcv")
    spec = package.__spec__ if package is not None else importlib.util.find_spec("mmcv")
    if spec is None or spec.submodule_search_locations is None:
        return None
    found = PathFinder.find_spec(_NAME, spec.submodule_search_locations)
    return found.origin if found is not None else None


def _refuse_after_failed_import() -> None:
    """Raise if a module of mmcv went without the operators for good.

    Nearly all of OpenMMLab is indifferent: an import that failed for want of ``mmcv._ext`` leaves no trace
    and succeeds when repeated. The one exception catches the failure and goes on without the name, which
    mmdet's models then cannot import.
    """
    module = sys.modules.get("mmcv.cnn.bricks.transformer")
    if module is not None and not hasattr(module, "MultiScaleDeformableAttention"):
        msg = (
            "Expected to be imported before mmcv and mmdet, but `mmcv.cnn.bricks.transformer` is already "
            "loaded; it found no compiled `mmcv._ext` and went without `MultiScaleDeformableAttention`, so "
            "that `mmdet.models` cannot be imported in this process any more. Import `panoptic_heads` or "
            "`panoptic_data` (or call `panoptic_core.ops.install()`) before anything of mmcv and mmdet."
        )
        raise ImportError(msg)
