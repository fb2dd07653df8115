"""How long each part of a model takes, on the CPU or a GPU, without changing the model."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import torch

_RESIZING = ("resize_logits", "resize_winner")  # of panoptic_heads.common.resize


@dataclass
class Stopwatch:
    """Tells how long each part takes; a part inside another one is not counted twice.

    Attributes:
        device: Work queued on it is waited for wherever a part begins or ends.
        spent: Milliseconds of each part.
    """

    device: torch.device
    spent: dict[str, float] = field(default_factory=dict)
    _running: list[str] = field(default_factory=list)
    _since: float = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside as this part."""
        self._charge()
        self._running.append(name)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def watch(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, counted as a part."""

        @wraps(call)
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return call(*args, **kwargs)

        return watched

    def watch_borders(self, model: Any) -> None:
        """Count what a detector does from image to raw outputs as network, and from there on as fusion."""
        model.predict_raw = self.watch("network", model.predict_raw)
        model.fuse = self.watch("fusion", model.fuse)

    def _charge(self) -> None:
        """Give the time since the last change to the part that was running."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        if self._running:
            name = self._running[-1]
            self.spent[name] = self.spent.get(name, 0.0) + 1000 * (now - self._since)
        self._since = now


@contextmanager
def watched_resizing(stopwatch: Stopwatch) -> Iterator[None]:
    """Count as the rest what detectors do in `predict_raw`: resizing the network's maps to the image."""
    from panoptic_heads.common import resize

    watched = {name: stopwatch.watch("rest", getattr(resize, name)) for name in _RESIZING}
    modules = [module for name, module in sys.modules.items() if name.startswith("panoptic_heads")]
    places = [
        (module, name, getattr(module, name))
        for module in modules
        for name in _RESIZING
        if hasattr(module, name)
    ]
    for module, name, _ in places:
        setattr(module, name, watched[name])
    try:
        yield
    finally:
        for module, name, original in places:
            setattr(module, name, original)
