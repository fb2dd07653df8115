"""What the benchmarks share: medians of interleaved runs, and a table with a bar on every row."""

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch


def interleaved(
    calls: Sequence[Callable[[], object]],
    *,
    repeats: int = 15,
    warm_up: int = 2,
    settle: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Time calls that take turns, so that other load on the machine meets all of them alike.

    Args:
        calls: What to time, without arguments.
        repeats: Timed rounds; each call runs once a round.
        warm_up: Rounds before them that are not timed.
        settle: Calls that are not timed at the beginning of each turn: where inputs come out of the step
        before
            (a decoder, a fusion), the caches hold them, and not what the other side left there.
        clock: Wall time by default; ``time.thread_time`` where both sides use one thread: other load on the
            machine then does not count, which would hit long calls more often than short ones.

    Returns:
        The median milliseconds of each call. Work on a GPU is waited for.
    """
    spent: list[list[float]] = [[] for _ in calls]
    for turn in range(-warm_up, repeats):
        for call, times in zip(calls, spent, strict=True):
            for _ in range(settle):
                call()
            _wait_for_gpu()
            start = clock()
            call()
            _wait_for_gpu()
            if turn >= 0:
                times.append(1000 * (clock() - start))
    return [statistics.median(times) for times in spent]


class Table:
    """Prints one row a comparison as it is made, and remembers whether all bars were met."""

    def __init__(self, title: str) -> None:
        self.missed = 0
        self.rows = 0
        threads = torch.get_num_threads()
        print(f"{title}\n{platform.machine()}, torch {torch.__version__}, {threads} thread(s), medians")
        self._line("work", "peer", "peer", "ours", "ratio", "bar", "met")

    def faster(
        self, work: str, peer: str, theirs: float, ours: float, bar: float | None, note: str = ""
    ) -> None:
        """Add a row of milliseconds whose ratio peer / ours should be at least the bar."""
        self._add(work, peer, f"{theirs:.2f} ms", f"{ours:.2f} ms", theirs / ours, bar, ">=", note)

    def at_most(
        self, work: str, peer: str, theirs: float, ours: float, bar: float | None, note: str = ""
    ) -> None:
        """Add a row of milliseconds whose ratio ours / peer should be at most the bar."""
        self._add(work, peer, f"{theirs:.2f} ms", f"{ours:.2f} ms", ours / theirs, bar, "<=", note)

    def memory(
        self, work: str, peer: str, theirs: float, ours: float, limit: float | None, note: str = ""
    ) -> None:
        """Add a row of MB where ours should stay below the limit; the ratio is peer / ours."""
        met = "-" if limit is None else "yes" if ours <= limit else "NO"
        bar = "-" if limit is None else f"<= {limit:g} MB"
        self._count(met)
        self._line(
            work,
            peer,
            f"{theirs:.0f} MB",
            f"{ours:.0f} MB",
            f"{theirs / max(ours, 1e-9):.1f}x",
            bar,
            met,
            note,
        )

    def slope(self, work: str, peer: str, theirs: float, ours: float, limit: float | None) -> None:
        """Add a row of exponents of HW, of which ours should be at most the limit."""
        met = "-" if limit is None else "yes" if ours <= limit else "NO"
        bar = "-" if limit is None else f"<= {limit:g}"
        self._count(met)
        self._line(work, peer, f"HW^{theirs:.2f}", f"HW^{ours:.2f}", "", bar, met)

    def skip(self, work: str, why: str) -> None:
        """Say why a row is not there."""
        print(f"{work}: skipped, {why}")

    def close(self) -> None:
        """Print whether all bars were met."""
        print(f"{self.missed} of {self.rows} bars missed" if self.missed else f"all {self.rows} bars met")

    def _add(
        self,
        work: str,
        peer: str,
        theirs: str,
        ours: str,
        ratio: float,
        bar: float | None,
        sign: str,
        note: str,
    ) -> None:
        good = bar is None or (ratio >= bar if sign == ">=" else ratio <= bar)
        met = "-" if bar is None else "yes" if good else "NO"
        self._count(met)
        shown = "-" if bar is None else f"{sign} {bar:g}x"
        self._line(work, peer, theirs, ours, f"{ratio:.2f}x", shown, met, note)

    def _count(self, met: str) -> None:
        self.rows += met != "-"
        self.missed += met == "NO"

    @staticmethod
    def _line(
        work: str, peer: str, theirs: str, ours: str, ratio: str, bar: str, met: str, note: str = ""
    ) -> None:
        line = f"{work:<40}{peer:<34}{theirs:>11}{ours:>11}{ratio:>9}{bar:>11}  {met:<4}{note}"
        print(line.rstrip(), flush=True)


def peak_memory(call: Callable[[], object]) -> float:
    """Return the MB by which one call raises the process's memory at its highest; Linux only.

    The kernel's high-water mark is set back first, so memory that the process freed before counts as free
    only
    if it went back to the kernel: call it before anything large was done.
    """
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    call()
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    return int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0])


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
