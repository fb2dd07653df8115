"""Which classes are things: what the summaries of several metrics ask."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from panoptic_core.categories import CategoryTable


def flags_of(classes: CategoryTable | ArrayLike) -> NDArray[np.bool_]:
    """Return ``(C,)`` bool of a category table or of flags: which classes are things."""
    return np.asarray(classes.is_thing if isinstance(classes, CategoryTable) else classes, dtype=bool)


def thing_flags(classes: CategoryTable | ArrayLike, num_classes: int) -> NDArray[np.bool_]:
    """Return :func:`flags_of` the classes of counts.

    Raises:
        ValueError: If they are not as many as the counts have classes.
    """
    flags = flags_of(classes)
    if flags.shape != (num_classes,):
        msg = (
            f"Expected as many classes as the counts have, {num_classes}, got {flags.size}. Count with "
            "`num_classes` of the same table."
        )
        raise ValueError(msg)
    return flags
