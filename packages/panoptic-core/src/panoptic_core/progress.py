"""How far a long command is: a bar on a terminal, ten lines in a log."""

import sys
import time
from collections.abc import Callable

_BAR = 24  # cells


def show_progress(start: float, what: str = "images") -> Callable[[int, int], None]:
    """Return a function that keeps a bar on stderr up to date on a terminal, else prints ten lines in all.

    Args:
        start: When the work began, of ``time.monotonic()``.
        what: What is counted.

    Returns:
        Takes how many are done, and how many there are.
    """
    live = sys.stderr.isatty()
    shown = start

    def show(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if live and (done == total or now - shown > 0.2):
            shown = now
            left = (now - start) / done * (total - done)
            end = "\n" if done == total else ""
            bar = "#" * (_BAR * done // total)
            line = f"[{bar:-<{_BAR}}] {done}/{total} {what}, {left:.0f} s left   "
            print(f"\r{line}", end=end, file=sys.stderr, flush=True)
        elif not live and total >= 100 and done * 10 // total > (done - 1) * 10 // total:
            print(f"{done}/{total} {what}", file=sys.stderr, flush=True)

    return show
