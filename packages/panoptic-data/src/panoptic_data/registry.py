"""Registries of this package: children of MMEngine's own, so that no default scope is needed."""

from mmengine.registry import DATASETS as ENGINE_DATASETS
from mmengine.registry import TRANSFORMS as ENGINE_TRANSFORMS
from mmengine.registry import Registry

DATASETS = Registry(
    "dataset", parent=ENGINE_DATASETS, scope="panoptic_data", locations=["panoptic_data.datasets"]
)
TRANSFORMS = Registry(
    "transform", parent=ENGINE_TRANSFORMS, scope="panoptic_data", locations=["panoptic_data.transforms"]
)
