"""Work on many images at once with threads, in bounded memory; shared by the commands."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

Progress = Callable[[int, int], None]
"""Called with the images done and all images, after each image."""


def count_workers(workers: int | None) -> int:
    """Return how many threads to use: as asked for, else one a CPU, at most 8."""
    return min(8, os.cpu_count() or 1) if workers is None else workers


def watched(results: Iterable[R], total: int, progress: Progress | None) -> Iterator[R]:
    """Yield the results and report after each."""
    for done, result in enumerate(results, start=1):
        yield result
        if progress is not None:
            progress(done, total)


def map_in_order(function: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[R]:
    """Map with threads, results in order, at most two items a worker begun and not yet taken."""
    if workers <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            if len(waiting) == 2 * workers:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
