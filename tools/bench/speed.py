"""Time one image of a config's model, batch 1, in three parts: ``python tools/benchmark.py speed CONFIG...``.

From the decoded image on the host to the panoptic map on the host, as Panoptic-DeepLab's Table 9 counts it
(arXiv:1911.10194): network, fusion, and the rest, which is copying to the device, normalising, padding,
resizing the network's maps to the image, packing the sample, and copying the map back.

No weights are loaded. What an untrained network says is not what is fused: see `_speed_scene.py`.
"""

import argparse
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from bench._speed_scene import NUM_INSTANCES, StandIn
from bench._stopwatch import Stopwatch, watched_resizing
from mmengine.registry import MODELS, DefaultScope

from panoptic_core.complexity import measure
from panoptic_core.engine.arguments import run_command
from panoptic_core.engine.config import ConfigError
from panoptic_core.engine.config.loading import load_config

PARTS = ("network", "fusion", "rest")  # what puts the scene in place is another part, and not counted
_CITYSCAPES = (1024, 2048)  # every image of the set


@dataclass(frozen=True)
class Speed:
    """Milliseconds of one image.

    Attributes:
        parts: The median of each part.
        whole: The median of the whole, which is not quite the sum of the medians.
        fastest: Of the whole.
        slowest: Of the whole.
    """

    parts: dict[str, float]
    whole: float
    fastest: float
    slowest: float

    @classmethod
    def of(cls, runs: Sequence[Mapping[str, float]]) -> "Speed":
        """Summarize the milliseconds that the parts took in each run."""
        wholes = [sum(spent[name] for name in PARTS) for spent in runs]
        medians = {name: statistics.median(spent[name] for spent in runs) for name in PARTS}
        return cls(medians, statistics.median(wholes), min(wholes), max(wholes))


class Timed:
    """A model ready to be timed on images of one size: its borders are watched, its outputs replaced.

    Args:
        model: A panoptic detector of this repository: it has ``predict_raw``, ``fuse``, ``raw_transforms``.
        size: ``(H, W)`` of the image.
        device: Where it computes.
    """

    def __init__(self, model: Any, size: tuple[int, int], device: str = "cpu") -> None:
        self.model = model.to(device).eval()
        self.size = size
        self.device = torch.device(device)
        self.stopwatch = Stopwatch(self.device)
        self.image = torch.randint(0, 256, (3, *size), generator=torch.Generator().manual_seed(0)).byte()
        self.stand_in: StandIn | None = None
        model.raw_transforms.append(self._replace)
        self.stopwatch.watch_borders(model)
        if hasattr(model, "predict_candidates"):
            self._replace_candidates(model.predict_candidates)

    @torch.no_grad()
    def run(self, repeats: int, warm_up: int = 3) -> Speed:
        """Predict the image again and again.

        Args:
            repeats: How many runs count.
            warm_up: Runs before them that do not.
        """
        runs = []
        with watched_resizing(self.stopwatch):
            for turn in range(-warm_up, repeats):
                self.stopwatch.spent = dict.fromkeys(PARTS, 0.0)
                with self.stopwatch.part("rest"):
                    self.predict()
                if turn >= 0:
                    runs.append(self.stopwatch.spent)
        return Speed.of(runs)

    def predict(self) -> Any:
        """Return the panoptic map of the image, on the host."""
        from mmdet.structures import DetDataSample

        facts = {"img_shape": self.size, "ori_shape": self.size, "scale_factor": (1.0, 1.0), "img_id": 0}
        batch = {"inputs": [self.image], "data_samples": [DetDataSample(metainfo=facts)]}
        return self.model.test_step(batch)[0].pred_panoptic.to("cpu")

    def _replace(self, raw: Any, _: Any) -> Any:
        """Put the scene's outputs in the place of the model's."""
        stuff_alone = getattr(self.model.panoptic_fusion_head, "stuff_everywhere", False)
        with self.stopwatch.part("scene"):
            return self._scene(raw.num_things, raw.num_classes).as_said(raw, stuff_alone=stuff_alone)

    def _replace_candidates(self, ask: Callable[..., Any]) -> None:
        """Let RPN and box head work on the image, and go on with the scene's boxes."""

        def replaced(*args: Any, **kwargs: Any) -> list[Any]:
            said = ask(*args, **kwargs)
            head = self.model.semantic_head
            things, stuff = head.num_things_classes, head.num_stuff_classes
            with self.stopwatch.part("scene"):
                return [self._scene(things, things + stuff).candidates(*each) for each in said]

        self.model.predict_candidates = replaced

    def _scene(self, num_things: int, num_classes: int) -> StandIn:
        """Return the scene; it is made at the first call."""
        if self.stand_in is None:
            self.stand_in = StandIn.make(self.size, num_things, num_classes, str(self.device))
        return self.stand_in


def build_model(config: str | Path, device: str) -> tuple[Any, Any]:
    """Return a config and its model with random weights; nothing is downloaded."""
    cfg = load_config(config)
    _leave_out_weights(cfg.model)
    scope = DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmengine")
    with scope, torch.device(device):
        return cfg, MODELS.build(cfg.model)


def default_size(cfg: Any) -> tuple[int, int] | None:
    """Return the ``(H, W)`` of the images that a config tests on, a landscape where they differ.

    None if the config does not say.
    """
    dataset = cfg.get("test_dataloader", {}).get("dataset", {})
    for step in dataset.get("pipeline", []):
        if _name(step["type"]) == "Resize" and "scale" in step:
            width, height = step["scale"]
            return int(height), int(width)
    size = dataset.get("size")
    if isinstance(size, int):
        return size, size
    if size is not None:
        height, width = size.split("x") if isinstance(size, str) else size
        return int(height), int(width)
    if _name(dataset.get("type", "")) == "Cityscapes":
        return _CITYSCAPES
    return None


def seen_size(model: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Return the size that the network sees: padded as the detector pads."""
    divisor = getattr(getattr(model, "data_preprocessor", None), "pad_size_divisor", 1)
    height, width = (-(-side // divisor) * divisor for side in size)
    if hasattr(model, "pad_inputs"):
        height, width = model.pad_inputs(torch.empty(1, 3, height, width, device="meta")).shape[2:]
    return height, width


def main(arguments: Sequence[str]) -> None:
    """Time the models of the named configs, one row each."""
    parser = argparse.ArgumentParser(
        "benchmark.py speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="+", metavar="CONFIG")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="of the image; default: what the config tests on",
    )
    parser.add_argument("--repeats", type=int, default=10, help="timed runs (default: 10)")
    parser.add_argument("--warm-up", type=int, default=3, help="runs before them (default: 3)")
    args = parse_on_device(parser, arguments)
    if min(args.repeats, args.warm_up, *(args.size or [1])) < 1:
        parser.error(f"sizes and repeats are positive, got {args.size}, {args.repeats}, {args.warm_up}")
    sys.exit(run_command(lambda: _print_rows(args)))


def parse_on_device(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse with ``--device`` and ``--threads``; the device is chosen, the threads are set."""
    parser.add_argument("--device", help="cpu or cuda; default: cuda where there is one")
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own")
    args = parser.parse_args(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    has_gpu = torch.cuda.is_available()
    args.device = args.device or ("cuda" if has_gpu else "cpu")
    if args.device.startswith("cuda") and not has_gpu:
        parser.error(f"--device {args.device}: PyTorch finds no CUDA device here. Take --device cpu.")
    return args


def _print_rows(args: argparse.Namespace) -> None:
    torch.backends.cudnn.benchmark = True  # one size: the fastest algorithm is looked for in the warm-up
    torch.set_flush_denormal(True)  # random weights may fade to numbers that processors are slow with
    where = f"{platform.machine()}, {torch.get_num_threads()} thread(s)"
    if torch.device(args.device).type == "cuda":
        where = torch.cuda.get_device_name(args.device)
    print(
        f"{where}, torch {torch.__version__}, float32, batch 1, {NUM_INSTANCES} instances; "
        f"ms, medians of {args.repeats} runs after {args.warm_up}"
    )
    width = max(len(config) for config in args.configs)
    print(
        f"{'config':<{width}}{'network sees':>14}"
        + "".join(f"{name:>10}" for name in (*PARTS, "all"))
        + f"{'all, from to':>20}{'M-adds (B)':>12}",
        flush=True,
    )
    for config in args.configs:
        cfg, model = build_model(config, args.device)
        size = tuple(args.size) if args.size else default_size(cfg)
        check_timeable(config, model, size)
        seen = seen_size(model, size)
        speed = Timed(model, size, args.device).run(args.repeats, args.warm_up)
        del model
        count = measure(build_model(config, "meta")[1], seen).multiply_adds
        sizes, spread = f"{seen[0]} x {seen[1]}", f"{speed.fastest:.1f} - {speed.slowest:.1f}"
        print(
            f"{config:<{width}}{sizes:>14}"
            + "".join(f"{speed.parts[name]:>10.1f}" for name in PARTS)
            + f"{speed.whole:>10.1f}{spread:>20}{count / 1e9:>12.2f}",
            flush=True,
        )


def check_timeable(config: str, model: Any, size: tuple[int, int] | None) -> None:
    """Raise a ConfigError for what cannot be timed: a model without fusion, images without a size."""
    problems = []
    if size is None:
        problems.append("`test_dataloader`: its images have no size that is known. Give --size H W.")
    semantic_only = getattr(getattr(model, "head", None), "semantic_only", False)
    if semantic_only or not all(hasattr(model, name) for name in ("predict_raw", "fuse", "raw_transforms")):
        kind = type(model).__name__ + (" without an instance branch" if semantic_only else "")
        problems.append(f"`model`: {kind} has no fusion. Panoptic detectors of panoptic_heads are timed.")
    if problems:
        raise ConfigError(config, problems)


def _leave_out_weights(node: Any) -> None:
    """Take every checkpoint out of a model's config."""
    if isinstance(node, dict):
        init_cfg = node.get("init_cfg")
        if isinstance(init_cfg, dict) and "checkpoint" in init_cfg:
            node["init_cfg"] = None
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ():
        _leave_out_weights(child)


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind).rpartition(".")[2])
