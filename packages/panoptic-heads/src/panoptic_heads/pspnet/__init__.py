"""PSPNet: the semantic half of the two-network baseline."""

from panoptic_heads.pspnet.heads import AuxiliaryHead, PyramidPoolingHead
from panoptic_heads.pspnet.segmentor import PSPNet
from panoptic_heads.pspnet.sliding import Windows, slide

__all__ = ["AuxiliaryHead", "PSPNet", "PyramidPoolingHead", "Windows", "slide"]
