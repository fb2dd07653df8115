"""Time a trained model on its test images: ``python tools/benchmark.py trained CONFIG CHECKPOINT``.

Batch 1, from the decoded image on the host to the panoptic map on the host, in the parts of
``benchmark.py speed``: network, fusion, rest. Here the outputs are the network's own.
"""

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from bench._stopwatch import Stopwatch, watched_resizing
from bench.speed import PARTS, Speed, check_timeable, parse_on_device
from mmengine.config import DictAction
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, DefaultScope

from panoptic_core.engine.arguments import run_command
from panoptic_core.engine.config import RunOptions, prepare_config
from panoptic_core.inference import load_model


@torch.no_grad()
def time_images(model: Any, images: Any, device: str, repeats: int = 1, warm_up: int = 3) -> Speed:
    """Predict each image of a data set.

    Args:
        model: A trained panoptic detector, on the device; its methods are watched from now on.
        images: The data set.
        device: Where it computes.
        repeats: How many times each image counts.
        warm_up: Runs on the first image before them that do not.
    """
    stopwatch = Stopwatch(torch.device(device))
    stopwatch.watch_borders(model)
    turns = [0] * warm_up + [index for index in range(len(images)) for _ in range(repeats)]
    runs = []
    with watched_resizing(stopwatch):
        for turn, index in enumerate(turns):
            batch = pseudo_collate([images[index]])
            stopwatch.spent = dict.fromkeys(PARTS, 0.0)
            with stopwatch.part("rest"):
                model.test_step(batch)[0].pred_panoptic.to("cpu")
            if turn >= warm_up:
                runs.append(stopwatch.spent)
    return Speed.of(runs)


def main(arguments: Sequence[str]) -> None:
    """Time one model."""
    parser = argparse.ArgumentParser(
        "benchmark.py trained", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="a Python config file")
    parser.add_argument("checkpoint", help="weights that were trained with this config: a file or a folder")
    parser.add_argument("--repeats", type=int, default=1, help="timed runs of each image (default: 1)")
    parser.add_argument("--warm-up", type=int, default=3, help="runs before them (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the milliseconds as JSON")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={}, metavar="KEY=VALUE")
    args = parse_on_device(parser, arguments)
    if min(args.repeats, args.warm_up) < 1:
        parser.error(f"repeats and warm-up are positive, got {args.repeats}, {args.warm_up}")
    sys.exit(run_command(lambda: _print_row(args)))


def _print_row(args: argparse.Namespace) -> None:
    cfg, _ = prepare_config(RunOptions(args.config, args.checkpoint, cfg_options=args.cfg_options), "test")
    model: Any = load_model(cfg, args.checkpoint, args.device).network
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmengine"):
        images = DATASETS.build(cfg.test_dataloader.dataset)
    check_timeable(args.config, model, (1, 1))
    torch.set_flush_denormal(True)
    speed = time_images(model, images, args.device, args.repeats, args.warm_up)
    values = {**speed.parts, "all": speed.whole, "fastest": speed.fastest, "slowest": speed.slowest}
    on_gpu = torch.device(args.device).type == "cuda"
    facts = {
        "images": len(images),
        "repeats": args.repeats,
        "hardware": torch.cuda.get_device_name(args.device) if on_gpu else platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    print(f"{args.config}: {facts}")
    print("ms, medians: " + ", ".join(f"{name} {value:.1f}" for name, value in values.items()))
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({**facts, **values}, indent=1), encoding="utf-8")
