"""The catalogue of what is checked: each rule with its reason and its cure.

The facts behind the reasons: COCO's format (https://cocodataset.org/#format-data), the official metric
(panopticapi's ``evaluation.py``), cityscapesScripts, and what MMDetection 3.3 reads of a panoptic JSON.
"""

from panoptic_data.checking.catalogue.cityscapes import CITYSCAPES
from panoptic_data.checking.catalogue.files import FILES
from panoptic_data.checking.catalogue.lists import LISTS
from panoptic_data.checking.catalogue.segments import SEGMENTS
from panoptic_data.checking.catalogue.sets import SETS
from panoptic_data.checking.findings import Rule

RULES: dict[str, Rule] = {rule.name: rule for rule in (*FILES, *LISTS, *SEGMENTS, *SETS, *CITYSCAPES)}
"""Every rule by its name."""

__all__ = ["RULES"]
