"""The commands ``panoptic-eval`` and ``panoptic-env``."""
