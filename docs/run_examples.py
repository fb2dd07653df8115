"""A pytest plug-in that runs the Python examples of the documentation, each page in a scratch folder.

The pages of `COMMANDS` are tutorials: their ``bash`` blocks are run, too, in the order of the page, in a
folder that looks like a clone.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parents[1]
COMMANDS = ["docs/own_data.md"]


def _enter(namespace: dict) -> None:
    namespace["_scratch"] = TemporaryDirectory()
    namespace["_origin"] = Path.cwd()
    os.chdir(namespace["_scratch"].name)


def _enter_clone(namespace: dict) -> None:
    _enter(namespace)
    for folder in ("tools", "configs"):
        Path(folder).symlink_to(ROOT / folder)


def _leave(namespace: dict) -> None:
    os.chdir(namespace["_origin"])
    namespace["_scratch"].cleanup()


def _run_commands(example: Example) -> str | None:
    """Run a block as a user would; return what it printed if it failed."""
    commands = Path(sys.executable).parent  # where this environment's own commands are
    done = subprocess.run(  # noqa: S603  # the commands are this documentation's own
        ["/bin/bash", "-euo", "pipefail", "-c", example.parsed],
        env={**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    return (
        f"exit status {done.returncode} of:\n{example.parsed}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    )


pytest_collect_file = (
    Sybil(
        parsers=[PythonCodeBlockParser(), SkipParser()],
        path=str(ROOT),  # the README files, too
        patterns=["*.md", "**/*.md"],
        excludes=COMMANDS,
        setup=_enter,
        teardown=_leave,
    )
    + Sybil(
        parsers=[
            PythonCodeBlockParser(),
            CodeBlockParser(language="bash", evaluator=_run_commands),
            SkipParser(),
        ],
        path=str(ROOT),
        patterns=COMMANDS,
        setup=_enter_clone,
        teardown=_leave,
    )
).pytest()
