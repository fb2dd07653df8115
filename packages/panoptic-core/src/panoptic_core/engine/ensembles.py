"""Several trained networks that are tested as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn

from panoptic_core.categories import CategoryTable
from panoptic_core.engine.config import ConfigError, load_config
from panoptic_core.engine.config.options import use_augmentation
from panoptic_core.inference import load_model


def join_ensemble(
    model: nn.Module, members: Sequence[tuple[str, str]], *, tta: bool = False, table: CategoryTable | None
) -> None:
    """Load more networks and let a model predict with the mean of all.

    Args:
        model: With ``join``, which takes the others.
        members: Config and checkpoint of each.
        tta: Test each with its own config's block ``tta``.
        table: The classes that all must have; None: not compared.

    Raises:
        ConfigError: If a network cannot be a member.
    """
    own: Any = model.module if is_model_wrapper(model) else model
    device = next(own.parameters()).device
    others = []
    for config, checkpoint in members:
        cfg = load_config(config)
        problems = use_augmentation(cfg) if tta else []
        if problems:
            raise ConfigError(str(config), problems)
        loaded = load_model(cfg, checkpoint, device)
        if table is not None and loaded.table.categories != table.categories:
            msg = f"--ensemble: it was trained on the classes of {loaded.table.name}, not on {table.name}."
            raise ConfigError(str(config), [msg])
        others.append(loaded.network)
    try:
        if not hasattr(own, "join"):
            msg = (
                f"Expected a first network that can be averaged with others (`join`), got "
                f"{type(own).__name__}. Leave --ensemble out."
            )
            raise TypeError(msg)
        own.join(others)
    except TypeError as error:
        configs = ", ".join(str(config) for config, _ in members)
        where = f"the ensemble with {configs}"
        raise ConfigError(where, [f"--ensemble: {error}"]) from error
