"""Train on real images: the papers' configs at a reduced side, and small models that learn four by heart.

``PANOPTIC_DATA_ROOT=FOLDER python tools/realdata.py [STEP ...]`` (``nox -s realdata -- [STEP ...]`` runs it),
for example ``python tools/realdata.py overfit_upsnet``. FOLDER holds ``cityscapes_mini/`` and ``coco_mini/``,
in the layouts of the full sets; the overfit steps read the first alone. Results are under
``work_dirs/realdata``; a table is printed at the end. Learning by heart takes up to 20 minutes of two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OVERFIT_IMAGES = 4
OVERFIT_SIDE = 512
OVERFIT_BAR = 80  # PQ on the images that were learnt by heart; more is asked for
# From random weights the batch norm must learn, too.
FROM_SCRATCH = [
    "model.backbone.init_cfg=None",
    "model.backbone.frozen_stages=-1",
    "model.backbone.norm_eval=False",
    "model.backbone.norm_cfg.requires_grad=True",
    "train_dataloader.num_workers=1",
    "val_dataloader.num_workers=1",
]


def train(config: str, data_root: Path, work_dir: Path, options: list[str]) -> dict[str, float]:
    """Train and evaluate through ``tools/train.py``; return the metrics and the minutes."""
    shutil.rmtree(work_dir, ignore_errors=True)
    command = ["tools/train.py", config, "--data-root", str(data_root), "--work-dir", str(work_dir)]
    if options:
        command += ["--cfg-options", *options]
    print(f"python {' '.join(command)}", flush=True)
    begun = time.monotonic()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)  # noqa: S603
    metrics = json.loads((work_dir / "metrics.json").read_text(encoding="utf-8"))
    return {**metrics, "minutes": (time.monotonic() - begun) / 60}


def cityscapes(data: Path, out: Path) -> dict[str, float]:
    """Train ResNet-50 with the Cityscapes config at short side 256, and evaluate on the val images."""
    options = [
        *FROM_SCRATCH,
        "train_dataloader.dataset.pipeline.2.scale=[(512,256),(512,320)]",
        "val_dataloader.dataset.pipeline.1.scale=(512,256)",
        "train_cfg.max_iters=60",
        "train_cfg.val_interval=60",
    ]
    return train(
        "configs/cityscapes/tascnet_r50.py", data / "cityscapes_mini", out / "cityscapes_r50", options
    )


def coco(data: Path, out: Path) -> dict[str, float]:
    """Train ResNet-50 with the COCO config at short side 256, and evaluate on the val images."""
    options = [
        *FROM_SCRATCH,
        "train_dataloader.dataset.pipeline.2.scale=[(448,224),(448,256)]",
        "val_dataloader.dataset.pipeline.1.scale=(448,256)",
        "train_cfg.max_iters=60",
        "train_cfg.val_interval=60",
    ]
    return train("configs/coco/tascnet_r50.py", data / "coco_mini", out / "coco_r50", options)


def overfit(method: str, data: Path, out: Path) -> dict[str, float]:
    """Let a small network learn four Cityscapes images of 512 x 256 pixels by heart."""
    folder = out / "overfit_images"
    make_small_copy(data / "cityscapes_mini", folder)
    return train(f"configs/cityscapes/{method}_small_overfit.py", folder, out / f"overfit_{method}", [])


def overfit_crops(method: str, data: Path, out: Path) -> dict[str, float]:
    """Let it learn crops of 513 x 257 pixels, the middle of four images of half the size."""
    folder = out / "overfit_crops"
    make_small_copy(data / "cityscapes_mini", folder, side=1024, crop=(513, 257))
    return train(f"configs/cityscapes/{method}_small_overfit.py", folder, out / f"overfit_{method}", [])


def make_small_copy(
    source: Path, folder: Path, side: int = OVERFIT_SIDE, crop: tuple[int, int] | None = None
) -> None:
    """Write some Cityscapes training images and their ground truth at a smaller size, as COCO-panoptic.

    Args:
        source: Root of the data set.
        folder: Where to write; it is replaced.
        side: The longest side of the images in pixels.
        crop: Width and height of what is kept of their middle; None = all.
    """
    # What needs OpenMMLab is imported where it is used: --help stays quick.
    import torch
    from mmcv.transforms import LoadImageFromFile

    from panoptic_core.categories import CITYSCAPES
    from panoptic_core.files import PanopticWriter
    from panoptic_data.datasets import Cityscapes
    from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs
    from panoptic_fusion import PanopticSegmentation

    shutil.rmtree(folder, ignore_errors=True)
    (folder / "images").mkdir(parents=True)
    steps = [
        {"type": LoadImageFromFile},
        {"type": LoadPanoptic},
        {"type": PackPanopticInputs, "test_mode": True},
    ]
    dataset = Cityscapes(data_root=str(source), split="train", pipeline=steps, test_mode=True)
    with PanopticWriter(folder / "panoptic.json", table=CITYSCAPES) as writer:
        for index in range(OVERFIT_IMAGES):
            sample = dataset[index]
            truth = sample["data_samples"].gt_panoptic
            image = Image.fromarray(np.ascontiguousarray(sample["inputs"].numpy()[::-1].transpose(1, 2, 0)))
            scale = side / max(image.size)
            size = (round(image.width * scale), round(image.height * scale))
            kept = crop or size
            left, top = (size[0] - kept[0]) // 2, (size[1] - kept[1]) // 2
            window = (left, top, left + kept[0], top + kept[1])
            name = f"{Path(sample['data_samples'].img_path).stem}.png"
            image.resize(size, Image.Resampling.LANCZOS).crop(window).save(folder / "images" / name)
            ids = Image.fromarray(truth.id_map.numpy()).resize(size, Image.Resampling.NEAREST)
            small = np.asarray(ids.crop(window))
            shown = torch.isin(truth.ids, torch.from_numpy(np.unique(small)))
            columns = (truth.ids, truth.labels, truth.is_thing, truth.iscrowd)
            segment_ids, labels, is_thing, iscrowd = (column[shown] for column in columns)
            writer.add(
                index + 1,
                name,
                PanopticSegmentation.from_id_map(small, segment_ids, labels, is_thing, iscrowd=iscrowd),
            )


OVERFIT = {f"overfit_{method}": partial(overfit, method) for method in ("tascnet", "upsnet", "oanet")} | {
    f"overfit_{method}": partial(overfit_crops, method) for method in ("panoptic_deeplab", "dense_affinity")
}
STEPS: dict[str, Callable[[Path, Path], dict[str, float]]] = {
    **OVERFIT,
    "cityscapes": cityscapes,
    "coco": coco,
}


def main() -> int:
    """Run the steps, print the table, and say what did not reach the bar."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}; default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "work_dirs" / "realdata")
    args = parser.parse_args()
    unknown = [name for name in args.steps if name not in STEPS]
    if unknown:
        parser.error(f"There is no step `{unknown[0]}`. Choose of {', '.join(STEPS)}.")
    data = os.environ.get("PANOPTIC_DATA_ROOT")
    if not data:
        parser.error("Set PANOPTIC_DATA_ROOT to the folder that holds cityscapes_mini/ and coco_mini/.")
    results = {name: STEPS[name](Path(data).resolve(), args.out.resolve()) for name in args.steps or STEPS}
    print(f"\n{'step':<16}{'PQ':>8}{'PQ_th':>8}{'PQ_st':>8}{'minutes':>9}")
    for name, result in results.items():
        values = (result[f"panoptic/{key}"] for key in ("PQ", "PQ_th", "PQ_st"))
        cells = "".join("       -" if value is None else f"{value:8.1f}" for value in values)
        print(f"{name:<16}{cells}{result['minutes']:9.1f}")
    below = [
        name
        for name, result in results.items()
        if name in OVERFIT and not result["panoptic/PQ"] > OVERFIT_BAR
    ]
    for name in below:
        print(f"error: {name}: expected PQ > {OVERFIT_BAR} on the images that were learnt by heart.")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
