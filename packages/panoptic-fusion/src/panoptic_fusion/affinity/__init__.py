"""The dense-affinity network's parts: the dynamic potential, the affinity, and the fusion of both."""

from panoptic_fusion.affinity.apply import apply_affinity
from panoptic_fusion.affinity.fusion import fuse_by_affinity, fuse_by_affinity_maps
from panoptic_fusion.affinity.maps import AffinityMaps
from panoptic_fusion.affinity.potential import dynamic_potential

__all__ = [
    "AffinityMaps",
    "apply_affinity",
    "dynamic_potential",
    "fuse_by_affinity",
    "fuse_by_affinity_maps",
]
