"""Read a config file of this machine."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from panoptic_core.engine.config.errors import ConfigError, did_you_mean
from panoptic_core.engine.config.imports import import_problems
from panoptic_core.ops import install


def load_config(path: str | Path) -> Config:
    """Load a Python config. A config is a program: load only files that you would run.

    Raises:
        FileNotFoundError: If there is no such file; the message has the closest name beside it.
        ConfigError: If the file cannot be read as a config, **or** what it imports does not exist.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        beside = [entry.name for entry in path.parent.glob("*.py")] if path.parent.is_dir() else []
        msg = f"Expected a config file at `{path}`, but there is none.{did_you_mean(path.name, beside)}"
        raise FileNotFoundError(msg)
    install()  # before a config imports MMDetection, which looks for the operators once
    try:
        cfg = Config.fromfile(str(path))
    except Exception as error:
        raise ConfigError(str(path), [f"The file cannot be read as a config: {error}"]) from error
    problems = import_problems(cfg)
    if problems:
        raise ConfigError(str(path), problems)
    return cfg
