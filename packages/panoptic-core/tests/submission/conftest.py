"""Predictions of three images for each server, and their zips."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from panoptic_core.files import PanopticWriter
from panoptic_core.submission import SERVERS, write_submission
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation

COCO_ZIP = "panoptic_test-dev2017_ours_results.zip"
ZIPS = {"coco": COCO_ZIP, "cityscapes": "ours.zip", "vistas": "ours.zip"}
IMAGE_IDS: dict[str, list[int | str]] = {
    "coco": [139, 285, 632],
    "cityscapes": ["berlin_000000_000019", "bonn_000001_000019", "mainz_000002_000019"],
    "vistas": ["-bcDEf012345", "_aBcDef67890", "aabbccddee11"],
}
SIZES = {"coco": (32, 48), "cityscapes": (1024, 2048), "vistas": (40, 56)}


class Made:
    """Predictions on disk, and a zip that can be taken apart and put together again."""

    def __init__(self, root: Path, server: str) -> None:
        self.root, self.server = root, server
        self.zip = root / ZIPS[server]
        self.stem = "cityscapes_panoptic_test" if server == "cityscapes" else self.zip.stem
        self.images = root / "images.json"
        table, (height, width) = SERVERS[server].table, SIZES[server]
        seg = _prediction(height, width, table.num_things)
        rows = []
        with PanopticWriter(root / "pred.json", table=table) as writer:
            for image_id in IMAGE_IDS[server]:
                name = f"{image_id:012d}.jpg" if isinstance(image_id, int) else f"{image_id}.png"
                writer.add(image_id, name, seg, with_scores=True)
                rows.append({"id": image_id, "file_name": name, "height": height, "width": width})
        self.images.write_text(json.dumps({"images": rows}))
        report = write_submission(server, [root / "pred.json"], self.zip, images=self.images, workers=1)
        assert not report.findings, report.to_text()
        with zipfile.ZipFile(self.zip) as archive:
            self.files = {name: archive.read(name) for name in archive.namelist()}
        self.entries: list[Any] = json.loads(self.files.pop(f"{self.stem}.json"))["annotations"]

    @property
    def pngs(self) -> list[str]:
        """The names of the PNGs in the zip."""
        return [name for name in self.files if name.endswith(".png")]

    def pack(self, *, json_name: str | None = None, content: Any = None) -> Path:
        """Write the zip again from `files` and `entries`."""
        body = content if isinstance(content, bytes) else json.dumps(content or {"annotations": self.entries})
        with zipfile.ZipFile(self.zip, "w") as archive:
            archive.writestr(json_name or f"{self.stem}.json", body)
            for name, data in self.files.items():
                archive.writestr(name, data)
        return self.zip


def _prediction(height: int, width: int, num_things: int) -> PanopticSegmentation:
    """Four segments: two things of one class, two stuff classes, and some void."""
    keep = torch.tensor([True, False, True, True, True, False, False])
    scene = tiny_scene(32, 48).segmentation.select(keep)
    rows = [i * 32 // height for i in range(height)]
    columns = [i * 48 // width for i in range(width)]
    id_map = scene.id_map[rows][:, columns]
    labels = [num_things, num_things + 1, 1, 1]
    return PanopticSegmentation.from_id_map(id_map, [1, 3, 4, 5], labels, [False, False, True, True])


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Made]:
    return lambda server: Made(tmp_path, server)


@pytest.fixture
def coco(tmp_path: Path) -> Made:
    return Made(tmp_path, "coco")
