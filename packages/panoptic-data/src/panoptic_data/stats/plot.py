"""A picture of what a split holds."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from panoptic_core.files import atomic_path
from panoptic_data.stats.collecting import SplitStats

_THING, _STUFF = "#3b6fb6", "#8aa83b"
_MOST = 30  # classes that a column of bars has room for


def plot(stats: SplitStats, path: Path) -> None:
    """Draw classes, sizes, instances an image and void of a split as a PNG.

    Args:
        stats: What was counted.
        path: The file; replaced if it is there.
    """
    figure = Figure(figsize=(15, 9), layout="constrained")
    grid = figure.add_gridspec(2, 4, width_ratios=(1.3, 1.3, 1, 1))
    _bars(figure.add_subplot(grid[:, 0]), stats, "segments")
    _bars(figure.add_subplot(grid[:, 1]), stats, "share")
    _instances(figure.add_subplot(grid[0, 2]), stats)
    _areas(figure.add_subplot(grid[0, 3]), stats)
    _void(figure.add_subplot(grid[1, 2]), stats)
    _sizes(figure.add_subplot(grid[1, 3]), stats)
    figure.suptitle(
        f"{stats.name}: {stats.num_images} images, {len(stats.labels)} segments ({stats.table.name})"
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})


def _bars(axes: Axes, stats: SplitStats, key: str) -> None:
    """Draw one bar a class, the largest on top."""
    classes = [stats.of_class(label) for label in range(len(stats.table))]
    ranked = sorted((one for one in classes if getattr(one, key)), key=lambda one: -getattr(one, key))
    shown = ranked[:_MOST][::-1]
    factor = 100 if key == "share" else 1
    values = [getattr(one, key) * factor for one in shown]
    colors = [_THING if one.is_thing else _STUFF for one in shown]
    bars = axes.barh(range(len(shown)), values, color=colors, log=bool(values))
    form = "{:.2g}" if key == "share" else "{:.0f}"
    axes.bar_label(bars, [form.format(value) for value in values], padding=3, fontsize=7)
    axes.set_yticks(range(len(shown)), [one.name for one in shown], fontsize=8)
    axes.margins(y=0.01)
    axes.xaxis.set_minor_formatter(NullFormatter())
    if values:  # a bar of one segment is seen, and the numbers have room
        axes.set_xlim(0.7 * min(values), 2.5 * max(values))
    left = f" ({_MOST} of {len(ranked)} classes)" if len(ranked) > _MOST else ""
    what = "percent of all pixels" if key == "share" else "segments a class, without crowds"
    axes.set_title(f"{what}{left}", fontsize=9)
    for name, color in (("things", _THING), ("stuff", _STUFF)):
        axes.barh([0], [0], color=color, label=name)
    axes.legend(fontsize=8, loc="lower right")


def _instances(axes: Axes, stats: SplitStats) -> None:
    values = stats.instances_an_image
    top = int(values.max())
    step = max(1, (top + 1) // 40)
    axes.hist(values, bins=np.arange(-0.5, top + step + 0.5, step).tolist(), color=_THING)
    axes.set(title="instances an image", ylabel="images")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _areas(axes: Axes, stats: SplitStats) -> None:
    roots = np.sqrt(stats.areas)
    bins = np.geomspace(1, max(2.0, float(roots.max(initial=1)) * 1.01), 40).tolist()
    things = stats.is_instance
    stuff = stats.labels >= stats.table.num_things
    axes.hist([roots[things], roots[stuff]], bins=bins, color=[_THING, _STUFF], stacked=True)
    for edge in (32, 96):
        axes.axvline(edge, color="0.4", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set(title="sizes of the segments", xlabel="root of the pixels; lines: 32, 96", ylabel="segments")


def _void(axes: Axes, stats: SplitStats) -> None:
    axes.hist(100 * stats.void_share, bins=np.linspace(0, 100, 41).tolist(), color="0.5")
    axes.set(title="void, percent of an image", ylabel="images", xlim=(0, 100))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _sizes(axes: Axes, stats: SplitStats) -> None:
    sizes, numbers = np.unique(stats.sizes, axis=0, return_counts=True)
    area = 20 + 200 * numbers / numbers.max()
    axes.scatter(sizes[:, 1], sizes[:, 0], s=area, color=_THING, alpha=0.5)
    axes.set(
        title="sizes of the images",
        xlabel="width",
        ylabel="height",
        xlim=(0, 1.15 * sizes[:, 1].max()),
        ylim=(0, 1.15 * sizes[:, 0].max()),
    )
