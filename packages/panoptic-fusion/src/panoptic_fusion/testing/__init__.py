"""Contract tests that every fusion inherits, inputs made from ground truth, and literal references.

The contracts need pytest, ``pip install "panoptic-fusion[testing]"``, and are imported when first asked for;
the rest needs nothing.
"""

from typing import TYPE_CHECKING, Any

from panoptic_fusion.testing.compare import assert_same_segments, check_consistent, with_instances
from panoptic_fusion.testing.inputs import (
    NUM_CLASSES,
    NUM_THINGS,
    example_segmentation,
    raw_outputs_from_segmentation,
)
from panoptic_fusion.testing.memory import LargestTensor

if TYPE_CHECKING:
    from panoptic_fusion.testing.contracts import FusionContract, InstanceFusionContract

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


def __getattr__(name: str) -> Any:
    if name in ("FusionContract", "InstanceFusionContract"):
        from panoptic_fusion.testing import contracts

        return getattr(contracts, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
