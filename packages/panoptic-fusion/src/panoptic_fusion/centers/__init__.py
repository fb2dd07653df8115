"""Panoptic-DeepLab's instances by their centers: targets, peaks, grouping, votes, fusion.

Cheng et al., CVPR 2020, arXiv:1911.10194. Written from the paper; where it is silent, its public codes
decide, and where those differ there is an argument.
"""

from panoptic_fusion.centers.fusion import fuse_by_centers
from panoptic_fusion.centers.grouping import group_pixels
from panoptic_fusion.centers.peaks import Centers, find_centers
from panoptic_fusion.centers.targets import CenterTargets, encode_centers
from panoptic_fusion.centers.voting import (
    Votes,
    instance_scores,
    majority_vote,
    objectness_at_centroids,
)

__all__ = [
    "CenterTargets",
    "Centers",
    "Votes",
    "encode_centers",
    "find_centers",
    "fuse_by_centers",
    "group_pixels",
    "instance_scores",
    "majority_vote",
    "objectness_at_centroids",
]
