"""Panoptic segmentation methods for MMDetection: TASCNet and the Panoptic FPN baseline."""
