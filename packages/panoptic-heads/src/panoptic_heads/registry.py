"""The package's registries: children of MMEngine's, under the scope ``panoptic_heads``.

``type='panoptic_heads.TASCNet'`` in any config finds them; what they hold is imported on first use.
"""

from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import Registry

LOCATIONS = [
    "panoptic_heads.common",
    "panoptic_heads.dense_affinity",
    "panoptic_heads.oanet",
    "panoptic_heads.panoptic_deeplab",
    "panoptic_heads.pspnet",
    "panoptic_heads.tascnet",
    "panoptic_heads.upsnet",
]

MODELS = Registry("model", parent=MMENGINE_MODELS, scope="panoptic_heads", locations=LOCATIONS)
HOOKS = Registry("hook", parent=MMENGINE_HOOKS, scope="panoptic_heads", locations=LOCATIONS)
METRICS = Registry("metric", parent=MMENGINE_METRICS, scope="panoptic_heads", locations=LOCATIONS)
