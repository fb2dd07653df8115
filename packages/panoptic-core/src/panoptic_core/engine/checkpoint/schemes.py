"""Safe loaders for every address that MMEngine's ``CheckpointLoader`` knows.

They replace MMEngine's own, which call ``torch.load`` without ``weights_only`` (and, for downloads, with a
torch function whose default is still the unsafe unpickler).
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, get_dist_info
from mmengine.fileio import get_file_backend
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from panoptic_core.engine.checkpoint.allowed import allow_mmengine_checkpoints
from panoptic_core.engine.checkpoint.errors import CheckpointError
from panoptic_core.engine.checkpoint.loading import (
    explain,
    load_checkpoint_file,
    load_checkpoint_from,
    plain_checkpoint,
)


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Load a file of this machine."""
    return load_checkpoint_file(filename, map_location)


def load_from_http(filename: str, map_location: Any = None, model_dir: str | None = None) -> dict[str, Any]:
    """Download into torch's cache (rank 0 first), then load."""
    allow_mmengine_checkpoints()
    rank, _ = get_dist_info()
    if rank > 0:
        barrier()  # rank 0 downloads, the others find the file in the cache
    try:
        checkpoint = torch.hub.load_state_dict_from_url(
            filename, model_dir=model_dir, map_location=map_location, progress=os.isatty(0), weights_only=True
        )
    except Exception as error:
        raise explain(error, filename) from error
    finally:
        if rank == 0:
            barrier()
    return plain_checkpoint(checkpoint, filename)


def load_from_torchvision(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Load ``torchvision://resnet50``: the weights that torchvision publishes under that name.

    Raises:
        CheckpointError: If torchvision cannot be imported **or** knows no such model.
    """
    name = filename.partition("://")[2]
    try:
        addresses = mmengine_checkpoint.get_torchvision_models()
    except (ImportError, RuntimeError) as error:  # a CUDA build beside a CPU torch raises RuntimeError
        msg = (
            f"`{filename}` needs torchvision, which cannot be imported here ({error}). Install the "
            "torchvision that belongs to your torch, or download the weights and give the file's path."
        )
        raise CheckpointError(msg) from error
    return load_from_http(_lookup(addresses, name, filename), map_location)


def load_from_openmmlab(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Load ``open-mmlab://NAME`` by MMEngine's table of addresses."""
    name = filename.partition("://")[2]
    name = mmengine_checkpoint.get_deprecated_model_names().get(name, name)
    address = _lookup(mmengine_checkpoint.get_external_models(), name, filename)
    if address.startswith(("http://", "https://")):
        return load_from_http(address, map_location)
    return load_checkpoint_file(Path(mmengine_checkpoint._get_mmengine_home()) / address, map_location)


def load_from_mmcls(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Load the backbone of ``mmcls://NAME``."""
    address = _lookup(mmengine_checkpoint.get_mmcls_models(), filename.partition("://")[2], filename)
    checkpoint = load_from_http(address, map_location)
    return dict(mmengine_checkpoint._process_mmcls_checkpoint(checkpoint))


def load_from_storage(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Load from S3-like storage through MMEngine's petrel backend."""
    backend = get_file_backend(filename, backend_args={"backend": "petrel"})
    return load_checkpoint_from(io.BytesIO(backend.get(filename)), filename, map_location)


def load_from_pavi(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Refuse: this address has no safe loader.

    Raises:
        CheckpointError: Always.
    """
    msg = f"`{filename}` cannot be loaded safely. Download the file yourself and give its path."
    raise CheckpointError(msg)


def install_safe_loading() -> None:
    """Replace MMEngine's checkpoint loaders by the safe ones. Calling it again changes nothing."""
    allow_mmengine_checkpoints()
    loaders = {
        "": load_from_local,
        "http://": load_from_http,
        "https://": load_from_http,
        "modelzoo://": load_from_torchvision,
        "torchvision://": load_from_torchvision,
        "open-mmlab://": load_from_openmmlab,
        "openmmlab://": load_from_openmmlab,
        "mmcls://": load_from_mmcls,
        r"(\S+\:)?s3://": load_from_storage,
        r"(\S+\:)?petrel://": load_from_storage,
        "pavi://": load_from_pavi,
    }
    for prefix, loader in loaders.items():
        CheckpointLoader.register_scheme(prefix, loader, force=True)


def _lookup(addresses: dict[str, str], name: str, filename: str) -> str:
    if name not in addresses:
        close = ", ".join(sorted(key for key in addresses if name.split(".")[0] in key)[:5])
        msg = f"Expected `{filename}` to name published weights, but `{name}` is not in the table."
        raise CheckpointError(msg + (f" Close names: {close}." if close else ""))
    return addresses[name]
