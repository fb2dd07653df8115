"""Checkpoints that a kill at any moment cannot lose.

MMEngine deletes the oldest file before it writes the new one, and writes the new one under its final name.
Here the new one is written under a temporary name, flushed, renamed; then ``last_checkpoint`` is replaced in
the same way; then the old file goes.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook

from panoptic_core.engine.checkpoint.atomic import (
    LAST_CHECKPOINT,
    atomic_save,
    remove_leftovers,
    write_text_atomically,
)
from panoptic_core.registry import HOOKS


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook`` (the same arguments) with atomic saves.

    ``save_best`` knows that PQ, SQ, RQ, AP and IoU are better when greater. On storage other than local
    disks, where a write is one step, only the order (write, then delete) is changed.
    """

    file_backend: Any
    keep_ckpt_ids: deque[int]
    _default_greater_keys = [*CheckpointHook._default_greater_keys, "PQ", "SQ", "RQ", "AP", "IoU"]  # noqa: RUF012

    def before_train(self, runner: Any) -> None:
        """Prepare the folder: remove what killed saves have left behind."""
        super().before_train(runner)
        self.file_backend = _DeferredDeletes(self.file_backend)
        if self.max_keep_ckpts > 0:
            self.keep_ckpt_ids = deque(self.keep_ckpt_ids)  # without a maximum: the old id goes last
        if is_main_process() and self.file_backend.is_local:
            for folder in {str(self.out_dir), runner.work_dir}:
                for leftover in remove_leftovers(folder):
                    runner.logger.info(f"Removed `{leftover}`, the rest of a save that was killed.")

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        keeps_few = self.max_keep_ckpts > 0
        if keeps_few and (not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step):
            self.keep_ckpt_ids.append(step)
            # One id too many is stored: if a kill prevents the delete below, resuming catches up on it.
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        self._atomic(runner).save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            write_text_atomically(Path(runner.work_dir, LAST_CHECKPOINT), str(self.last_ckpt))
        while keeps_few and len(self.keep_ckpt_ids) > self.max_keep_ckpts:
            old = self.filename_tmpl.format(self.keep_ckpt_ids.popleft())
            if is_main_process():
                self.file_backend.delete_now(self.file_backend.join_path(self.out_dir, old))
        if keeps_few:
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))

    def _save_best_checkpoint(self, runner: Any, metrics: dict[str, Any]) -> None:
        if self.save_best and isinstance(getattr(self, "file_backend", None), _DeferredDeletes):
            atomic = self._atomic(runner)
            super()._save_best_checkpoint(atomic, metrics)
            self.file_backend.delete_deferred(keep=atomic.saved)

    def _atomic(self, runner: Any) -> _AtomicSaves:
        return (
            runner if isinstance(runner, _AtomicSaves) else _AtomicSaves(runner, self.file_backend.is_local)
        )


class _AtomicSaves:
    """A runner whose ``save_checkpoint`` is atomic on local disks; everything else is the runner's."""

    def __init__(self, runner: Any, is_local: bool) -> None:
        self._runner = runner
        self._is_local = is_local
        self.saved: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def save_checkpoint(self, out_dir: str, filename: str, *arguments: Any, **keywords: Any) -> None:
        """Save under a temporary name, then rename (rank 0; the other ranks take part as MMEngine has it)."""
        if self._is_local and is_main_process():
            with atomic_save(Path(out_dir, filename)) as temporary:
                self._runner.save_checkpoint(out_dir, temporary.name, *arguments, **keywords)
            self.saved.add(str(Path(out_dir, filename)))
        else:
            self._runner.save_checkpoint(out_dir, filename, *arguments, **keywords)


class _DeferredDeletes:
    """A storage backend whose deletes wait until :meth:`delete_deferred`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._waiting: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    @property
    def is_local(self) -> bool:
        return isinstance(self._backend, LocalBackend)

    def remove(self, path: str) -> None:
        self._waiting.append(path)

    def rmtree(self, path: str) -> None:
        self._waiting.append(path)

    def delete_deferred(self, keep: set[str]) -> None:
        """Delete what was asked for since the last call, except what was saved again meanwhile."""
        while self._waiting:
            path = self._waiting.pop(0)
            if path not in keep:
                self.delete_now(path)

    def delete_now(self, path: str) -> None:
        """Delete a file, or a folder (checkpoints of some training strategies are folders)."""
        if self._backend.isfile(path):
            self._backend.remove(path)
        elif self._backend.isdir(path):
            self._backend.rmtree(path)
