"""A pytest plug-in that runs the Python examples of the documentation, each page in a scratch folder."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser


def _enter(namespace: dict) -> None:
    namespace["_scratch"] = TemporaryDirectory()
    namespace["_origin"] = Path.cwd()
    os.chdir(namespace["_scratch"].name)


def _leave(namespace: dict) -> None:
    os.chdir(namespace["_origin"])
    namespace["_scratch"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    path=str(Path(__file__).parents[1]),  # the README files, too
    patterns=["*.md", "**/*.md"],
    setup=_enter,
    teardown=_leave,
).pytest()
