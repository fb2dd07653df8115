"""MMEngine's runner with a console for people, weights that must fit, and resuming from whole files only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from panoptic_core.engine.checkpoint import CheckpointError, find_resumable, match_weights, state_dict_of

# What MMEngine logs at the start for the log file's sake, hundreds of lines, and remarks on every checkpoint.
_FOR_THE_FILE = (
    "\n----",
    "Config:\n",
    "Hooks will be executed",
    "Exp name:",
    "Distributed training is not used",
    "Loads checkpoint by",
    "Load checkpoint from",
    "Auto resumed",
    "resumed epoch:",
    "Checkpoints will be saved to",
    "Saving checkpoint at",
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    "paramwise_options --",
)


class PanopticRunner(Runner):
    """MMEngine's ``Runner`` (the same arguments).

    - The console shows what happens; environment, config and hooks are in the log file.
    - Resuming takes the newest *whole* checkpoint of the work folder.
    - Resumed and tested weights must fit the model completely. Weights for pre-training are loaded by name:
      what has another shape (layers that depend on the number of classes) is left out, and listed.
    """

    _must_fit = False
    _resume: bool
    _load_from: str | None

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build MMEngine's logger and keep what is for the file away from the console."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.addFilter(lambda record: not record.getMessage().startswith(_FOR_THE_FILE))
        return logger

    def load_or_resume(self) -> None:
        """Load or resume what ``load_from`` and ``resume`` say, once."""
        if self._resume and self._load_from is None and not self._has_loaded:
            found = find_resumable(self.work_dir)
            if found is None:
                self.logger.info(
                    f"No checkpoint to resume in `{self.work_dir}`: training starts from the beginning."
                )
                self._resume = False
            else:
                self._load_from = str(found)
        super().load_or_resume()

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Go on from a checkpoint with its optimizer, schedule, iteration and random seed."""
        self._must_fit = True
        super().resume(filename, *args, **kwargs)
        self.logger.info(f"Resumed from `{filename}` at iteration {self.iter} (epoch {self.epoch}).")

    def val(self) -> dict[str, Any]:
        """Evaluate on the validation set."""
        self._must_fit = True
        return dict(super().val())

    def test(self) -> dict[str, Any]:
        """Evaluate on the test set."""
        self._must_fit = True
        return dict(super().test())

    def load_checkpoint(
        self,
        filename: str,
        map_location: str | Callable[..., Any] = "cpu",
        strict: bool = False,
        revise_keys: Any = None,
    ) -> dict[str, Any]:
        """Load weights by name and shape, and say what did not fit.

        Args:
            filename: A path or an address.
            map_location: As in ``torch.load``.
            strict: Whether weights that do not fit are an error; they always are when resuming or testing.
            revise_keys: Not used: a leading ``module.`` is always removed.

        Raises:
            CheckpointError: If the weights must fit and do not, **or** if none of them fits.
        """
        checkpoint: dict[str, Any] = CheckpointLoader.load_checkpoint(filename, map_location, "silent")
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model: nn.Module = self.model.module if is_model_wrapper(self.model) else self.model
        weights = state_dict_of(checkpoint)
        match = match_weights(model, weights)
        if not match.matched or (not match.is_complete and (strict or self._must_fit)):
            msg = (
                f"The weights in `{filename}` do not fit this model. Use the config that they were trained "
                f"with; to start a training from them, use --load-from.\n{match.describe()}"
            )
            raise CheckpointError(msg)
        model.load_state_dict({name: weights[name] for name in match.matched}, strict=False)
        self._has_loaded = True
        if match.is_complete and not match.unexpected:
            self.logger.info(f"Loaded all {len(match.matched)} weights from `{filename}`.")
        else:
            self.logger.warning(f"Loaded `{filename}` by name.\n{match.describe()}")
        return checkpoint
