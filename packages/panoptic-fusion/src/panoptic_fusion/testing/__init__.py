"""Contract tests that every fusion inherits, inputs made from ground truth, and literal references.

Needs pytest: ``pip install "panoptic-fusion[testing]"``.
"""

from panoptic_fusion.testing.compare import assert_same_segments, check_consistent, with_instances
from panoptic_fusion.testing.contracts import FusionContract, InstanceFusionContract
from panoptic_fusion.testing.inputs import (
    NUM_CLASSES,
    NUM_THINGS,
    example_segmentation,
    raw_outputs_from_segmentation,
)
from panoptic_fusion.testing.memory import LargestTensor

__all__ = [
    "NUM_CLASSES",
    "NUM_THINGS",
    "FusionContract",
    "InstanceFusionContract",
    "LargestTensor",
    "assert_same_segments",
    "check_consistent",
    "example_segmentation",
    "raw_outputs_from_segmentation",
    "with_instances",
]
