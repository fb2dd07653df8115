"""Saved outputs of three scenes of growing size: results JSON, label PNGs and npz, beside their truth."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from panoptic_core.files import PanopticWriter
from panoptic_core.fusing import instance_results, take_apart
from panoptic_core.testing import tiny_scene
from panoptic_fusion import BoxMasks, RawOutputs

TABLE = tiny_scene().table
COUNT = 3


def imperfect(raw: RawOutputs, seed: int) -> RawOutputs:
    """Score the instances, add shifted copies as false ones, and put noise on the semantic map."""
    generator = torch.Generator().manual_seed(seed)
    assert raw.masks is not None
    assert raw.labels is not None
    assert raw.sem_seg is not None
    full = raw.masks.to_full(raw.size)
    masks = torch.cat([full, full.roll(4, 2)])
    scores = torch.rand(len(masks), generator=generator)
    noise = torch.randint(0, len(TABLE), raw.size, generator=generator)
    noisy = torch.rand(raw.size, generator=generator) < 0.15
    return RawOutputs(
        raw.size, raw.num_things, raw.num_classes,
        sem_seg=torch.where(noisy, noise, raw.sem_seg), masks=BoxMasks.from_full(masks),
        labels=torch.cat([raw.labels, raw.labels]), scores=scores,
    )  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """gt.json + gt/; exact: exact.json, exact/ (PNG), exact_npz/; imperfect: found.json, labels/, npz/."""
    for folder in ("exact", "exact_npz", "labels", "npz"):
        (tmp_path / folder / "city").mkdir(parents=True)
    results: dict[str, list[Any]] = {"exact": [], "found": []}
    with PanopticWriter(tmp_path / "gt.json", table=TABLE) as writer:
        for i in range(COUNT):
            seg, name = tiny_scene(32 + i, 48 + i).segmentation, f"city/{i:03d}"
            writer.add(i, f"{name}_gt.png", seg, image_file_name=f"{name}.jpg")
            raw = take_apart(seg, TABLE)
            for key, folder, npz, outputs in (
                ("exact", "exact", "exact_npz", raw),
                ("found", "labels", "npz", imperfect(raw, i)),
            ):
                results[key] += instance_results(i, outputs, TABLE)
                assert outputs.sem_seg is not None
                labels = outputs.sem_seg.numpy().astype(np.uint8)
                Image.fromarray(labels).save(tmp_path / folder / f"{name}.png")
                outputs.save(tmp_path / npz / f"{name}.npz")
    for key, entries in results.items():
        (tmp_path / f"{key}.json").write_text(json.dumps(entries))
    return tmp_path
