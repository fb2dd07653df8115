"""Imported first: what MMDetection's models need to be importable without compiled operators."""

from panoptic_core.ops import install

install()
