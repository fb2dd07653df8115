"""Read checkpoints without running anything that is in them.

Two doors are closed. Unpickling: ``weights_only=True`` is passed explicitly, so torch versions whose default
was False are covered. Config text: MMEngine's ``Runner.resume`` runs ``meta['config']`` as Python, and its
registries would build ``dict(type='os.system', ...)``; the text is dropped before anyone can see it.
"""

from __future__ import annotations

import io
import pickle
import re
import warnings
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch

from panoptic_core.engine.checkpoint.allowed import allow_mmengine_checkpoints
from panoptic_core.engine.checkpoint.errors import BrokenCheckpointError, UnsafeCheckpointError

_DAMAGE = (RuntimeError, EOFError, BadZipFile, pickle.UnpicklingError, ValueError, KeyError)
# What torch's restricted unpickler says when a file asks for too much.
_REFUSALS = re.compile(r"(GLOBAL \S+|(?:Refused|Trying to|Can only|Only persistent_load) [^\n]*)")


def load_checkpoint_file(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Load a local checkpoint as tensors and plain data.

    Args:
        path: A file written by ``torch.save``.
        map_location: As in ``torch.load``.

    Returns:
        The checkpoint, without the config text that it may carry.

    Raises:
        FileNotFoundError: If there is no such file.
        UnsafeCheckpointError: If the file asks for anything beyond tensors, plain data and MMEngine's logs.
        BrokenCheckpointError: If the file is damaged, or if it does not hold a dictionary.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        msg = f"Expected a checkpoint file at `{path}`, but there is none."
        raise FileNotFoundError(msg)
    return load_checkpoint_from(path, str(path), map_location)


def load_checkpoint_from(source: Path | io.BytesIO, name: str, map_location: Any = "cpu") -> dict[str, Any]:
    """Load a checkpoint from a path or from bytes; ``name`` is what error messages call it."""
    allow_mmengine_checkpoints()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*TorchScript archive")  # explained below
            checkpoint = torch.load(source, map_location=map_location, weights_only=True)
    except Exception as error:
        raise explain(error, name) from error
    return plain_checkpoint(checkpoint, name)


def plain_checkpoint(checkpoint: object, name: str) -> dict[str, Any]:
    """Return a loaded checkpoint without config text; an error if it is no dictionary."""
    if not isinstance(checkpoint, dict):
        msg = f"Expected `{name}` to hold a dictionary of weights, got {type(checkpoint).__name__}."
        raise BrokenCheckpointError(msg)
    drop_config_text(checkpoint)
    return checkpoint


def drop_config_text(checkpoint: dict[str, Any]) -> list[str]:
    """Remove, in place, the config text that somebody might evaluate; return the names of what was there."""
    hub = checkpoint.get("message_hub")
    holders = {
        "meta": checkpoint.get("meta"),
        "message_hub.runtime_info": hub.get("runtime_info") if isinstance(hub, dict) else None,
    }
    dropped = []
    for name, holder in holders.items():
        for key in ("cfg", "config"):
            if isinstance(holder, dict) and key in holder:
                del holder[key]
                dropped.append(f"{name}.{key}")
    return dropped


def explain(error: Exception, name: str) -> Exception:
    """Turn what ``torch.load`` raised about the file ``name`` into an error with reason and cure."""
    text = str(error)
    first_line = text.splitlines()[0] if text else type(error).__name__
    refusal = _REFUSALS.search(text) if isinstance(error, pickle.UnpicklingError) else None
    if refusal:
        reason = refusal[1].removeprefix("GLOBAL ")
        return UnsafeCheckpointError(
            f"Refused to load `{name}`: it holds more than tensors and plain data (`{reason}`). "
            "Nothing of it was run. Ask whoever made it for the bare weights "
            "(`torch.save(model.state_dict(), path)`); if you made it yourself, save it again that way from "
            "the code that wrote it."
        )
    if isinstance(error, RuntimeError) and "weights_only" in text:  # TorchScript, the legacy tar format
        return UnsafeCheckpointError(
            f"Refused to load `{name}`: its format cannot be read without running what is in it "
            f"({first_line}). Nothing of it was run. Ask for the bare weights "
            "(`torch.save(model.state_dict(), path)`)."
        )
    if isinstance(
        error, RuntimeError | EOFError | BadZipFile | pickle.UnpicklingError | ValueError | KeyError
    ):
        return BrokenCheckpointError(
            f"Cannot read `{name}` as a checkpoint ({first_line}). The file is cut short, damaged, or "
            "something else, such as a bare pickle, which is not opened. Take the checkpoint before it, or "
            "fetch it again."
        )
    return error
