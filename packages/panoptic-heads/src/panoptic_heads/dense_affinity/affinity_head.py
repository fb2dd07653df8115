"""The dense instance affinity head (Li et al., CVPR 2020, arXiv:2001.04982, section 3.4.2, equations 3, 4).

Written from the paper, which has no public code. It prints neither a scale nor a mean: the literal sum over
65 000 pixels drowns the potential. Ours is ``P = Psi + gamma phi0(Q) (phi1(Q)^T Psi) / n`` with a learned
``gamma`` that begins as 0.1: at first P is close to the potential.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModule, kaiming_init
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_fusion import affinity_of_cell, apply_affinity, full_precision
from panoptic_heads.common.deformable_head import DeformableBranch
from panoptic_heads.common.precision import at_least_float32
from panoptic_heads.registry import MODELS


class AffinityFeatures(NamedTuple):
    """Two views of the affinity features, of a batch ``(N, C, h, w)`` or of an image ``(C, h, w)``.

    Attributes:
        phi0: Of the pixels that gather.
        phi1: Of the pixels that give.
    """

    phi0: Tensor
    phi1: Tensor

    def of_image(self, index: int) -> "AffinityFeatures":
        """Return one image's features."""
        return AffinityFeatures(self.phi0[index], self.phi1[index])


@MODELS.register_module()
class AffinityHead(BaseModule):
    """Predicts which pixels belong together, and revises a potential by it.

    Q comes from an own copy of the semantic head's architecture. ``phi0`` and ``phi1`` are each a 1x1
    convolution and ReLU (the paper: "an activation"), so that all affinities are at least 0.

    Scale at the start: Q's last convolution begins as the semantic head's (normal, 0.01) and phi by He's
    rule. The affinity of two pixels is then about 1, so that what ``gamma`` scales is about as large as the
    mean of the potential, and ``gamma`` has a gradient from the first step. Phi must not begin as zeros: ReLU
    would keep it there.

    Args:
        in_channels: Channels of the pyramid.
        feat_channels: As in :class:`~panoptic_heads.common.DeformableBranch`, like the next two; UPSNet's.
        num_levels: P2-P5.
        num_convs: 2 on Cityscapes, 3 on COCO, as the semantic head.
        num_groups: Of the group normalisation after each 3x3 convolution (section A.1); not printed, 32 is
            the default of group normalisation (arXiv:1803.08494). None: there is none.
        channels: C, of Q, phi0 and phi1: 128 in all of the paper's experiments.
        initial_gamma: What ``gamma`` begins with. 0: P is the potential at first, and its
            sign is left to chance; where it is negative, pixels take from those that they belong to.
        init_cfg: As MMEngine's.
    """

    def __init__(
        self,
        *,
        in_channels: int = 256,
        feat_channels: int = 128,
        num_levels: int = 4,
        num_convs: int = 2,
        num_groups: int | None = 32,
        channels: int = 128,
        initial_gamma: float = 0.1,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.branch = DeformableBranch(
            channels,
            in_channels=in_channels,
            feat_channels=feat_channels,
            num_levels=num_levels,
            num_convs=num_convs,
            num_groups=num_groups,
        )
        self.phi0 = nn.Conv2d(channels, channels, 1)
        self.phi1 = nn.Conv2d(channels, channels, 1)
        self.initial_gamma = initial_gamma
        self.gamma = nn.Parameter(torch.zeros(()))
        self._begin()

    def init_weights(self) -> None:
        """Set the values that training begins with, whatever ``init_cfg`` says."""
        super().init_weights()
        self._begin()

    def _begin(self) -> None:
        for phi in (self.phi0, self.phi1):
            kaiming_init(phi)
        nn.init.constant_(self.gamma, self.initial_gamma)

    def forward(self, features: Sequence[Tensor]) -> AffinityFeatures:
        """Return the features of a batch at the size of ``features[0]``, float32 or better."""
        query: Tensor = self.branch(features)  # Q
        with full_precision(query):
            query = at_least_float32(query)
            return AffinityFeatures(*(F.relu(_project(query, phi)) for phi in (self.phi0, self.phi1)))

    def revise(self, potential: Tensor, features: AffinityFeatures, valid: Tensor | None = None) -> Tensor:
        """Return P of one image; linear in the pixels, float32 or better also under autocast.

        Args:
            potential: ``(K, h, w)``, as many channels as the image has detections and stuff classes.
            features: That image's, ``(C, h, w)`` each.
            valid: ``(h, w)`` bool, see :func:`valid_cells`; the others give nothing, and P at the valid cells
                does not depend on them. None: all are valid.

        Returns:
            ``(K, h, w)``, in the graph of the potential and of this head, also where K is 0.
        """
        return apply_affinity(potential, *features, self.gamma, valid)


def _project(query: Tensor, phi: nn.Conv2d) -> Tensor:
    """Apply a 1x1 convolution, whose weights may be in half precision, in the precision of its input."""
    bias = None if phi.bias is None else phi.bias.to(query.dtype)
    return F.conv2d(query, phi.weight.to(query.dtype), bias)


def affinity_at(features: AffinityFeatures, row: int, column: int, gamma: float | Tensor = 1.0) -> Tensor:
    """Return how much each cell gives to one cell, ``(h, w)``: what the paper's figures 6 and I show.

    Args:
        features: Of one image, ``(C, h, w)`` each.
        row: Of the cell that gathers.
        column: Of the cell that gathers.
        gamma: The head's: where it is negative, cells take from each other.

    Raises:
        ValueError: If there is no such cell.
    """
    return affinity_of_cell(*features, row, column, gamma)


def valid_cells(
    image_size: tuple[int, int],
    input_size: tuple[int, int],
    grid: tuple[int, int],
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return the cells of a map whose centre lies in the image, not in a batch's padding.

    Args:
        image_size: Height and width of the image, at the upper left corner of the input.
        input_size: Height and width of the padded input, which the cells cover evenly.
        grid: Height and width of the map.
        device: Where the result lies.

    Returns:
        ``grid`` bool.

    Example:
        >>> valid_cells((6, 8), (8, 8), (2, 2)).tolist()  # cells of 4: centres at 2 and 6
        [[True, True], [False, False]]
    """
    rows, columns = (
        (torch.arange(cells, device=device) + 0.5) * (padded / cells) < pixels
        for pixels, padded, cells in zip(image_size, input_size, grid, strict=True)
    )
    return rows[:, None] & columns
