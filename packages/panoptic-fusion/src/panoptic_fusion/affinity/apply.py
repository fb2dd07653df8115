"""The dense instance affinity: Li et al., CVPR 2020, arXiv:2001.04982, section 3.4.2, equations 3 and 4.

Every pixel gathers the potential of all pixels, weighted by a learned affinity. Right to left it is two thin
products; the affinity of all pairs of pixels is never made.
"""

import torch
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor, check_bool, check_device, check_shape
from panoptic_fusion.precision import full_precision


def apply_affinity(
    potential: ArrayLike,
    phi0: ArrayLike,
    phi1: ArrayLike,
    gamma: float | Tensor = 1.0,
    valid: ArrayLike | None = None,
) -> Tensor:
    """Return ``P = Psi + gamma * phi0^T (phi1 Psi^T) / n``, ``n`` the number of valid pixels.

    ``2 C K H W`` multiply-adds twice, linear in the pixels. Computed in float32 (float64 if `potential` is),
    under autocast, too. Differentiable in everything but `valid`.

    The paper prints neither ``gamma`` nor ``1 / n``: without the mean the sum over 65 000 pixels drowns the
    potential. ``gamma=n`` gives equation 4 to the letter.

    Args:
        potential: ``Psi``, ``(K, H, W)``.
        phi0: ``(C, H, W)``, of the pixels that gather.
        phi1: ``(C, H, W)``, of the pixels that give.
        gamma: A number, or a learned scalar.
        valid: ``(H, W)`` bool; other pixels (the padding of a batch) give nothing, so that the result at the
            valid pixels does not depend on them. None: all are valid.

    Returns:
        ``(K, H, W)``.

    Raises:
        ValueError: If shapes or devices do not fit.
        TypeError: If `valid` is not bool.

    Example:
        >>> potential = torch.tensor([[[1.0, 0.0]], [[0.0, 0.5]]])
        >>> phi = torch.tensor([[[1.0, 1.0]]])  # both pixels are alike
        >>> apply_affinity(potential, phi, phi).tolist()
        [[[1.5, 0.5]], [[0.25, 0.75]]]
    """
    potential, phi0, phi1 = (
        as_tensor(value, name) for value, name in ((potential, "potential"), (phi0, "phi0"), (phi1, "phi1"))
    )
    check_shape(potential, "potential", (None, None, None), "(K, H, W)")
    size = potential.shape[1], potential.shape[2]
    check_features(phi0, phi1, size, potential.device, "potential")
    if valid is not None:
        valid = as_tensor(valid, "valid")
        check_shape(valid, "valid", size, f"{size} of `potential`")
        check_bool(valid, "valid")
        check_device(valid, "valid", potential.device, "potential")
    dtype = torch.float64 if potential.dtype == torch.float64 else torch.float32
    with full_precision(potential):
        psi = potential.to(dtype).flatten(1)  # (K, P)
        gathered = gather(psi, phi1.to(dtype).flatten(1), valid)  # (C, K)
        return torch.addmm(psi, gamma * gathered.T, phi0.to(dtype).flatten(1)).view(potential.shape)


def affinity_of_cell(
    phi0: Tensor, phi1: Tensor, row: int, column: int, gamma: float | Tensor = 1.0
) -> Tensor:
    """Return how much each cell gives to one cell, ``(H, W)``: what the paper's figures 6 and I show.

    Args:
        phi0: ``(C, H, W)``, see `apply_affinity`.
        phi1: ``(C, H, W)``.
        row: Of the cell that gathers.
        column: Of the cell that gathers.
        gamma: Where it is negative, cells take from each other.

    Returns:
        Float32 (float64 if the features are), under autocast, too.

    Raises:
        ValueError: If there is no such cell.
    """
    height, width = phi0.shape[1:]
    if not (0 <= row < height and 0 <= column < width):
        msg = f"Expected a cell inside of ({height}, {width}), got row {row}, column {column}."
        raise ValueError(msg)
    dtype = torch.float64 if phi0.dtype == torch.float64 else torch.float32
    with full_precision(phi0):
        gathering = phi0[:, row, column].to(dtype)
        return gamma * (gathering @ phi1.to(dtype).flatten(1)).view(height, width)


def gather(psi: Tensor, phi1: Tensor, valid: Tensor | None) -> Tensor:
    """Return the mean of ``phi1 Psi^T`` over the valid pixels, ``(C, K)``.

    Args:
        psi: ``(K, P)``.
        phi1: ``(C, P)``.
        valid: ``(H, W)`` bool, or None.
    """
    if valid is None:
        return phi1 @ psi.T / max(psi.shape[1], 1)
    weight = valid.flatten() / valid.sum().clamp(min=1)
    return (
        torch.where(valid.flatten(), phi1, 0) * weight.to(phi1.dtype) @ torch.where(valid.flatten(), psi, 0).T
    )


def check_features(
    phi0: Tensor, phi1: Tensor, size: tuple[int, int], device: torch.device, other: str
) -> None:
    """Raise a ValueError unless both are ``(C, H, W)`` of one size, on the device of the other argument."""
    check_shape(phi0, "phi0", (None, *size), f"(C, H, W) = (C, {size[0]}, {size[1]})")
    check_shape(phi1, "phi1", tuple(phi0.shape), f"{tuple(phi0.shape)} of `phi0`")
    for name, tensor in (("phi0", phi0), ("phi1", phi1)):
        check_device(tensor, name, device, other)
