"""All mistakes of a config at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from panoptic_core.errors import CommandError


class ConfigError(CommandError, ValueError):
    """A config has mistakes. Nothing was built.

    Attributes:
        problems: One sentence or two each: what is wrong, and the cure.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        lines = [f"{count} in `{source}`; nothing was built."]
        lines += [f"  {number}. {problem}" for number, problem in enumerate(self.problems, start=1)]
        super().__init__("\n".join(lines))


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return `` Did you mean `x`?`` for the closest of some names, or an empty string."""
    close = difflib.get_close_matches(name, sorted(set(names)), n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""
