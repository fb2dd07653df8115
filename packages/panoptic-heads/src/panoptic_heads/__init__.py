"""Panoptic segmentation methods for MMDetection.

TASCNet, UPSNet, OANet, Panoptic-DeepLab, the dense-affinity network, and the Panoptic FPN baseline.

Importing this package makes MMDetection's operators available where mmcv has none: import it before mmdet.
The models register themselves when a config first asks for one: ``type='panoptic_heads.TASCNet'``.
"""

from panoptic_core.ops import install
from panoptic_heads.__about__ import __version__

install()

__all__ = ["__version__"]
