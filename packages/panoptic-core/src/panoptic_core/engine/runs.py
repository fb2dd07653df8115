"""Train, evaluate, predict: what the tools do after they have read their arguments."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper
from mmengine.registry import MODELS, DefaultScope

from panoptic_core.categories import CategoryTable
from panoptic_core.complexity import Complexity, affinity_cost, measure
from panoptic_core.engine.affinity_pictures import check_points
from panoptic_core.engine.config import ConfigError, RunOptions, prepare_config
from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.distributed import join_processes, leave_processes
from panoptic_core.engine.ensembles import join_ensemble
from panoptic_core.engine.html_report import add_values, counting_mode, report_writer
from panoptic_core.engine.prediction_files import find_images, predict_files
from panoptic_core.engine.runner import PanopticRunner
from panoptic_core.engine.stuff_report import report_stuff
from panoptic_core.engine.values import write_values
from panoptic_core.engine.videos import VideoError, check_video, is_video, predict_video
from panoptic_core.evaluation.raw_writer import RawOutputsWriter
from panoptic_core.inference import load_model
from panoptic_core.metrics import MEASURES
from panoptic_core.oracles import apply_oracles
from panoptic_core.truncation import TruncateBoxes


def train(options: RunOptions) -> PanopticRunner:
    """Train as a config and options say.

    Returns:
        The runner, after training.

    Raises:
        ConfigError: If the config has mistakes; nothing was built then.
    """
    _leave_out_noise()
    cfg, notes = prepare_config(options, "train")
    join_processes(options.launcher)
    try:
        runner: PanopticRunner = PanopticRunner.from_cfg(cfg)
        for note in notes:
            runner.logger.info(note)
        runner.train()
    finally:
        leave_processes()
    return runner


def evaluate(
    options: RunOptions,
    *,
    out: str | None = None,
    labels: str | None = None,
    pictures: int = 0,
    json_path: str | None = None,
    raw: str | None = None,
    raw_logits: bool = False,
    truncate: float | None = None,
    stuff_report: bool = False,
    stuff_limit: int | None = None,
    report: str | None = None,
    worst: int | None = None,
    extended: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Evaluate a checkpoint.

    Args:
        options: With ``checkpoint`` set.
        out: Write prediction files (PNG and JSON) into this folder.
        labels: Write label PNGs of the semantic maps into this folder.
        pictures: Draw so many images (image, ground truth, prediction, mismatch) into the work folder.
        json_path: Write the values there; NaN becomes null.
        raw: Write what the network says before fusion into this folder, an npz file an image.
        raw_logits: With the class scores of all pixels, which some fusions need, and which are large.
        truncate: Cut this fraction of every box before the fusion, see :mod:`panoptic_core.truncation`.
        stuff_report: Measure what the semantic head confuses and what trimming small stuff does, too: see
            :mod:`panoptic_core.engine.stuff_report`.
        stuff_limit: Pixels, for the stuff report; by default the fusion's limit, else the data set's usual
            one.
        report: Write an HTML report with tables and the worst images there.
        worst: How many images it shows.
        extended: Measure these things beside PQ, too: names of :data:`panoptic_core.metrics.MEASURES`, or
            none for all of them.

    Returns:
        The values by name.

    Raises:
        ConfigError: If the config has mistakes; nothing was built then.
        OracleError: If the model cannot be tested with an oracle.
        TruncationError: If the model has no boxes to truncate.
    """
    _leave_out_noise()
    cfg, _ = prepare_config(options, "test")
    folders = ((out, "PanopticWriter"), (labels, "LabelWriter"))
    added: list[dict[str, Any]] = [
        {"type": f"panoptic_core.{writer}", "out": folder} for folder, writer in folders if folder is not None
    ]
    if truncate is not None:
        added.append({"type": "panoptic_core.TruncationRecovery"})
    if report is not None:
        facts = {"Config": str(options.config), "Checkpoint": str(options.checkpoint)}
        added.append(report_writer(report, worst, facts, cfg.test_evaluator, extended))
    if extended is not None:
        entry = {"type": "panoptic_core.ExtendedPanopticQuality", "measures": extended or MEASURES}
        added.append(entry | {"mode": counting_mode(cfg.test_evaluator)})
    if added:
        evaluators = cfg.test_evaluator
        evaluators = list(evaluators) if isinstance(evaluators, list | tuple) else [evaluators]
        cfg.test_evaluator = [*evaluators, *added]
    hooks = [hook for hook in cfg.custom_hooks if "PredictionPicturesHook" not in str(hook.get("type"))]
    if pictures > 0:
        hooks.insert(0, {"type": "panoptic_core.PredictionPicturesHook", "num_images": pictures})
    cfg.custom_hooks = hooks
    join_processes(options.launcher)
    try:
        runner: PanopticRunner = PanopticRunner.from_cfg(cfg)
        if options.ensemble:
            _join_ensemble(runner, options)
        if options.oracle:
            _apply_oracles(runner, options.oracle)
        if truncate is not None:
            _truncate_boxes(runner, truncate, str(options.config))
        if raw is not None:
            _keep_raw(runner.model, raw, logits=raw_logits, config=str(options.config))
        if stuff_report:
            report_stuff(runner, str(options.config), stuff_limit)
        values = runner.test()
        add_values(runner, values)
        if json_path is not None and is_main_process():
            write_values(json_path, values)
    finally:
        leave_processes()
    return values


def predict(
    config: str,
    checkpoint: str,
    images: str,
    out: str,
    device: str | None = None,
    affinity_at: Sequence[tuple[int, int]] = (),
    every: int | None = None,
) -> int:
    """Predict an image, a folder or a video, and say what was done.

    Args:
        config: The config file.
        checkpoint: Its weights.
        images: An image, a folder of images, or a video.
        out: The folder to write to.
        device: By default a GPU if there is one.
        affinity_at: Pixels, x and y each, whose affinity is drawn.
        every: Of a video: predict every so many frames.

    Returns:
        0, or 1 if an image could not be read, or a video not to its end; those are named at the end.

    Raises:
        AffinityPictureError: If there is no affinity of such a pixel.
        VideoError: If a video cannot be read, **or** an option does not fit: `every` is for videos alone,
            `affinity_at` for images.
    """
    _leave_out_noise()
    if is_video(images):
        if affinity_at:
            msg = "--affinity-at draws images, not videos. Save the frame as an image, or leave it out."
            raise VideoError(msg)
        check_video(images)
        model = load_model(config, checkpoint, device)
        sentence = predict_video(model, images, out, print, every or 1)
        print(f"The video: `{out}`.")  # noqa: T201
        if sentence is not None:
            print(f"error: {sentence}", file=sys.stderr)  # noqa: T201
        return 0 if sentence is None else 1
    if every is not None:
        msg = f"--every is for a video file, got `{images}`. Leave it out."
        raise VideoError(msg)
    check_points(find_images(images), affinity_at)  # before a network is loaded
    model = load_model(config, checkpoint, device)
    unreadable = predict_files(model, images, out, print, affinity_at)
    print(f"Pictures, PNG maps and JSON files: `{out}`.")  # noqa: T201
    for sentence in unreadable:
        print(f"error: {sentence}", file=sys.stderr)  # noqa: T201
    return 1 if unreadable else 0


def count_network(
    config: str | Path,
    size: tuple[int, int],
    *,
    num_boxes: int = 1000,
    num_masks: int = 100,
    affinity: tuple[int, int] | None = None,
    json_path: str | None = None,
) -> Complexity:
    """Count the parameters and multiply-adds of a config's network, and print them.

    The network is built and run on the meta device: no weights, no data, hardly any time or memory.

    Args:
        config: The config file; also one of MMDetection's.
        size: ``(H, W)`` of the image.
        num_boxes: How many boxes the box head is given.
        num_masks: How many boxes the mask head is given.
        affinity: Channels of features and potential: also print what a dense affinity with them costs on the
            image, see :func:`panoptic_core.complexity.affinity_cost`.
        json_path: Write the counts there.
    """
    _leave_out_noise()
    cfg = load_config(config)
    scope = DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmengine")
    with scope, torch.device("meta"):
        model = MODELS.build(cfg.model)
    counts = measure(model, size, num_boxes=num_boxes, num_masks=num_masks)
    height, width = counts.size
    heads = ""
    if hasattr(model, "roi_head"):
        masks = f"{num_masks} masks" if model.roi_head.with_mask else "no masks"
        heads = f", {num_boxes} boxes, {masks}"
    print(f"{type(model).__name__}, one image of {height} x {width}{heads}\n{counts.to_table()}")  # noqa: T201
    if affinity is not None:
        channels, outputs = affinity
        cost = affinity_cost(size, channels=channels, outputs=outputs)
        pyramid = sum(part.multiply_adds for part in counts.parts if part.name in ("backbone", "neck"))
        print(f"\n{cost.to_table()}\nbackbone and neck: {pyramid / 1e9:.2f} B multiply-adds")  # noqa: T201
    if json_path is not None:
        Path(json_path).write_text(counts.to_json() + "\n", encoding="utf-8")
    return counts


def _join_ensemble(runner: PanopticRunner, options: RunOptions) -> None:
    metainfo = runner.test_dataloader.dataset.metainfo
    table = CategoryTable.from_metainfo(metainfo) if "num_things" in metainfo else None
    join_ensemble(runner.model, options.ensemble, tta=options.tta, table=table)
    runner.logger.info(f"Ensemble of {len(options.ensemble) + 1} networks.")


def _apply_oracles(runner: PanopticRunner, names: Sequence[str]) -> None:
    apply_oracles(runner.model.module if is_model_wrapper(runner.model) else runner.model, names)
    runner.logger.warning(
        f"Oracle: {' and '.join(names)} of the ground truth. The values are no results of the model."
    )


def _keep_raw(model: Any, folder: str, *, logits: bool, config: str) -> None:
    """Let a detector write its raw outputs; class scores only if asked for, or if its fusion reads them."""
    detector = _with_raw_transforms(model, "--save-raw", config)
    detector.raw_transforms.append(RawOutputsWriter(folder))
    detector.keep_sem_logits = detector.keep_sem_logits or logits


def _truncate_boxes(runner: PanopticRunner, fraction: float, config: str) -> None:
    transform = TruncateBoxes(fraction)
    _with_raw_transforms(runner.model, "--truncate-boxes", config).raw_transforms.append(transform)
    runner.logger.warning(
        f"Every box is cut by {100 * fraction:g} %. The values are no results of the model."
    )


def _with_raw_transforms(model: Any, option: str, config: str) -> Any:
    """Return the detector itself, which must call transforms of its raw outputs."""
    detector = getattr(model, "module", model)
    if not hasattr(detector, "raw_transforms"):
        msg = f"{option} needs a detector with `raw_transforms`, got {type(detector).__name__}. Leave it out."
        raise ConfigError(config, [msg])
    return detector


def _leave_out_noise() -> None:
    """Leave out warnings of the layers below that nobody who runs a tool can act on."""
    for message in (
        ".*(OMP|MKL)_NUM_THREADS environment variable",
        ".*`broadcast_buffers` is deprecated",
        ".*`torch.jit.",
    ):
        warnings.filterwarnings("ignore", message=message)


__all__ = ["ConfigError", "RunOptions", "count_network", "evaluate", "predict", "train"]
