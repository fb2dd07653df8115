"""What tests of several methods share."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest


@pytest.fixture
def train_on_two_ranks(tmp_path: Path) -> Callable[..., None]:
    """Train a config on two processes, one of them without targets: see ``two_ranks.py``."""

    def train(config: Path, options: Sequence[str] = (), only_with_targets: Sequence[str] = ()) -> None:
        """Run three steps.

        Args:
            config: Of the generated scenes' classes.
            options: Overrides, as for ``--cfg-options``; such as make the model tiny.
            only_with_targets: Losses that are above 0 on the first process and 0 on the other.
        """
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
        script = [str(Path(__file__).with_name("two_ranks.py")), str(config)]
        done = subprocess.run(
            [
                *(sys.executable, *torchrun, *script),
                *("--only-with-targets", *only_with_targets, "--cfg-options", *options),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("is done") == 2

    return train
