"""How often a semantic map takes things for stuff and stuff for things.

Table G of "Unifying Training and Inference for Panoptic Segmentation" (Li et al., CVPR 2020,
arXiv:2001.04982): the confusion matrix of two groups of classes, row by row in percent. It tells which
potential suits a data set: a product of semantics and masks suffers where things are often taken for stuff, a
sum does not (section A.3).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics._groups import thing_flags

GROUPS = ("thing", "stuff", "void")


@dataclass(frozen=True, eq=False)
class ThingStuffConfusion:
    """Pixels by the group of their class in ground truth and prediction.

    Attributes:
        pixels: ``(2, 3)`` int64: rows are annotated things and stuff, columns are things, stuff and void of
            the prediction. A thing that is taken for another thing counts as a thing.
    """

    pixels: NDArray[np.int64]

    @property
    def percent(self) -> NDArray[np.float64]:
        """``(2, 3)``, each row a share of its annotated pixels; NaN where a row has none."""
        with np.errstate(invalid="ignore"):
            return 100 * self.pixels / self.pixels.sum(axis=1, keepdims=True)

    def to_dict(self) -> dict[str, float]:
        """Return the shares by name: ``thing_as_stuff`` is the share of the thing pixels taken for stuff."""
        shares = self.percent.tolist()
        return {
            f"{GROUPS[row]}_as_{GROUPS[column]}": shares[row][column]
            for row in range(2)
            for column in range(3)
        }

    def to_table(self) -> str:
        """Return a text table for people; void has a column if something was left without a class."""
        shown = 3 if self.pixels[:, 2].any() else 2
        lines = ["truth   " + "".join(f"{'as ' + name:>10}" for name in GROUPS[:shown])]
        for name, row in zip(GROUPS, self.percent.tolist(), strict=False):
            cells = ("-" if np.isnan(value) else f"{value:.2f}" for value in row[:shown])
            lines.append(f"{name:<8}" + "".join(f"{cell:>10}" for cell in cells))
        return "\n".join(lines)


def thing_stuff_confusion(
    confusion: NDArray[np.int64], classes: CategoryTable | ArrayLike
) -> ThingStuffConfusion:
    """Join the classes of a confusion matrix into things and stuff.

    Args:
        confusion: ``(C, C + 1)``, a sum of :func:`~panoptic_core.metrics.confusion.confusion_matrix`.
        classes: The category table, or ``(C,)`` bool: which classes are things.

    Raises:
        ValueError: If the matrix has another shape, or the classes differ in number.

    Example:
        >>> confusion = np.array([[6, 1, 3, 0], [0, 9, 1, 0], [2, 0, 8, 0]])  # two things, one stuff class
        >>> thing_stuff_confusion(confusion, [True, True, False]).percent.tolist()
        [[80.0, 20.0, 0.0], [20.0, 80.0, 0.0]]
    """
    count = len(confusion)
    if confusion.shape != (count, count + 1):
        msg = f"Expected `confusion` to be (C, C + 1), got {confusion.shape}. Use `confusion_matrix`."
        raise ValueError(msg)
    rows = np.where(thing_flags(classes, count), 0, 1)
    pixels = np.zeros((2, 3), dtype=np.int64)
    np.add.at(pixels, (rows[:, None], np.append(rows, 2)[None, :]), confusion)
    return ThingStuffConfusion(pixels)
