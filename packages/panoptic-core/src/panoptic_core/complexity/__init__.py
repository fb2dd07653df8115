"""What a network costs: parameters and multiply-adds, part by part; the dense affinity's arithmetic."""

from panoptic_core.complexity.affinity import AffinityCost, affinity_cost
from panoptic_core.complexity.network import OWN, Complexity, Part, forward_two_stage, measure

__all__ = ["OWN", "AffinityCost", "Complexity", "Part", "affinity_cost", "forward_two_stage", "measure"]
