"""Configs: loaded, overridden, checked as a whole before anything is built."""

from panoptic_core.engine.config.check import check_config
from panoptic_core.engine.config.errors import ConfigError
from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.config.options import RunOptions, prepare_config

__all__ = ["ConfigError", "RunOptions", "check_config", "load_config", "prepare_config"]
