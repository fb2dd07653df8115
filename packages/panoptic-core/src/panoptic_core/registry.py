"""Registries of this package: children of MMEngine's root registries, scope ``panoptic_core``.

``type='panoptic_core.X'`` then works in any MMEngine config, whatever its default scope. Nothing heavier is
imported here: the modules that hold the components are imported at the first look-up.
"""

from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOG_PROCESSORS as ROOT_LOG_PROCESSORS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODEL_WRAPPERS as ROOT_MODEL_WRAPPERS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import Registry

SCOPE = "panoptic_core"
_ENGINE = ["panoptic_core.engine"]

HOOKS = Registry("hook", parent=ROOT_HOOKS, scope=SCOPE, locations=_ENGINE)
LOG_PROCESSORS = Registry("log processor", parent=ROOT_LOG_PROCESSORS, scope=SCOPE, locations=_ENGINE)
METRICS = Registry("metric", parent=ROOT_METRICS, scope=SCOPE, locations=["panoptic_core.evaluation"])
MODELS = Registry("model", parent=ROOT_MODELS, scope=SCOPE, locations=["panoptic_core.backbones"])
MODEL_WRAPPERS = Registry("model wrapper", parent=ROOT_MODEL_WRAPPERS, scope=SCOPE, locations=_ENGINE)
OPTIM_WRAPPERS = Registry("optimizer wrapper", parent=ROOT_OPTIM_WRAPPERS, scope=SCOPE, locations=_ENGINE)
