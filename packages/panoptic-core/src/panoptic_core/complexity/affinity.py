"""What the two products of a dense affinity cost: arithmetic, no network."""

from __future__ import annotations

from dataclasses import dataclass

from panoptic_core.complexity._checks import check_positive


@dataclass(frozen=True)
class AffinityCost:
    """What the two products of a dense affinity cost: ``Psi (phi1^T phi0)`` as it stands, or right to left.

    The arithmetic of Li et al., CVPR 2020, arXiv:2001.04982, section 3.4.2; no network is needed.

    Attributes:
        cells: Height and width of the maps, ``P`` cells.
        channels: ``C``, of the features.
        outputs: ``K``, of the potential: detections and stuff classes.
        bytes_a_value: 4 in float32.
    """

    cells: tuple[int, int]
    channels: int
    outputs: int
    bytes_a_value: int = 4

    @property
    def explicit_bytes(self) -> int:
        """Of the affinity of all pairs of cells, ``P x P``."""
        return self.bytes_a_value * self._count**2

    @property
    def factored_bytes(self) -> int:
        """Of what stands between the two thin products, ``C x K``."""
        return self.bytes_a_value * self.channels * self.outputs

    @property
    def explicit_multiply_adds(self) -> int:
        """``C P^2`` for the affinity, ``K P^2`` to apply it."""
        return self._count**2 * (self.channels + self.outputs)

    @property
    def factored_multiply_adds(self) -> int:
        """``C K P`` for either product."""
        return 2 * self._count * self.channels * self.outputs

    @property
    def saved(self) -> float:
        """The share of the multiply-adds that right to left does without."""
        return 1 - self.factored_multiply_adds / self.explicit_multiply_adds

    @property
    def _count(self) -> int:
        return self.cells[0] * self.cells[1]

    def to_table(self) -> str:
        """Return a text table for people, in GB of 2^30 bytes, kB of 2^10, and billions."""
        adds = self.explicit_multiply_adds / 1e9, self.factored_multiply_adds / 1e9
        rows = [
            ("", "explicit", "factored"),
            (
                "memory in between",
                f"{self.explicit_bytes / 2**30:.2f} GB",
                f"{self.factored_bytes / 2**10:.1f} kB",
            ),
            ("multiply-adds B", *(f"{each:.2f}" for each in adds)),
            ("operations B, two for each", *(f"{2 * each:.2f}" for each in adds)),
        ]
        height, width = self.cells
        head = f"dense affinity, {height} x {width} cells, C = {self.channels}, K = {self.outputs}"
        lines = [f"{name:28}{explicit:>12}{factored:>12}" for name, explicit, factored in rows]
        return "\n".join([head, *lines, f"{100 * self.saved:.2f} % of the multiply-adds are saved"])


def affinity_cost(
    size: tuple[int, int], *, channels: int = 128, outputs: int = 153, stride: int = 4
) -> AffinityCost:
    """Return what a dense affinity costs on an image.

    Args:
        size: ``(H, W)`` of the image.
        channels: Of the affinity features.
        outputs: Of the potential: 100 detections and COCO's 53 stuff classes by default.
        stride: Pixels in a cell, each way.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> cost = affinity_cost((800, 1300))  # the paper's example
        >>> round(cost.explicit_bytes / 2**30, 1), round(100 * cost.saved, 1)
        (15.7, 99.8)
        >>> round(2 * cost.factored_multiply_adds / 1e9, 1), cost.factored_bytes
        (5.1, 78336)
    """
    check_positive(size=size, channels=[channels], outputs=[outputs], stride=[stride])
    height, width = (-(-side // stride) for side in size)
    return AffinityCost((height, width), channels, outputs)
