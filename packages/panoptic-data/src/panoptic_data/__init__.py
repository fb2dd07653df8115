"""Datasets, transforms and a generator of street-like scenes for panoptic segmentation on MMDetection."""

from panoptic_core import ops

ops.install()
