"""Contract tests that every fusion inherits, inputs made from ground truth, and literal references.

Needs pytest: ``pip install "panoptic-fusion[testing]"``.
"""
