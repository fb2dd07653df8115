"""Draw the pictures of the page about fusion: ``python docs/draw_fusion_images.py``.

One generated scene, and what six networks might say about it: masks of 28 x 28 cells, a false detection, a
backpack less sure than its wearer, semantic scores and offsets with noise, a box that cuts off half of a car.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image, ImageDraw
from torch import Tensor

from panoptic_data.generator import GENERATED_SCENES, Scene, make_scene
from panoptic_fusion import (
    BoxMasks,
    PanopticSegmentation,
    colorize,
    encode_centers,
    fuse_by_affinity,
    fuse_by_centers,
    fuse_by_confidence,
    fuse_by_mask_guidance,
    fuse_by_panoptic_logits,
    fuse_by_ranking,
    label_map_from_logits,
)

FOLDER = Path(__file__).parent / "images"
SIZE, INDEX, SEED = (160, 224), 30, 1
GAP, TITLE = 4, 14
STUFF_LIMIT = 256
THINGS, CLASSES = GENERATED_SCENES.num_things, len(GENERATED_SCENES)
PALETTE = GENERATED_SCENES.palette

Panel = tuple[str, np.ndarray]


class Said:
    """What networks say about the scene."""

    def __init__(self, scene: Scene) -> None:
        noise = torch.Generator().manual_seed(0)
        labels = [segment.label for segment in scene.segments]
        self.truth = PanopticSegmentation.from_id_map(
            scene.id_map,
            [segment.segment_id for segment in scene.segments],
            labels,
            [label < THINGS for label in labels],
            iscrowd=[segment.iscrowd for segment in scene.segments],
        )
        self._say_instances(scene)
        label_map = self.truth.label_map(ignore_index=CLASSES)
        self.sem_logits = _blur(F.one_hot(label_map, CLASSES + 1)[..., :CLASSES], 5) * 8
        self.sem_logits += 1.9 * _cloud(CLASSES, 8, noise)
        self.sem_seg = label_map_from_logits(self.sem_logits)
        self.ranking = _blur(F.one_hot(label_map, CLASSES + 1)[..., :THINGS], 5) * 8
        targets = encode_centers(self.truth, sigma=4)
        self.heatmap = (targets.heatmap + 0.03 * _cloud(1, 4, noise)).clamp(0, 1)
        self.offsets = targets.offsets + 1.5 * _cloud(2, 8, noise)
        # Pixels of one segment share a code of 16 numbers: what an affinity head learns to give them.
        codes = F.normalize(torch.randn(int(self.truth.id_map.max()) + 1, 16, generator=noise), dim=1) * 2
        self.features = codes[self.truth.id_map.long()].permute(2, 0, 1)

    def _say_instances(self, scene: Scene) -> None:
        """Make masks with boxes; the largest car's box ends too early, one detection is false."""
        things = [one for one in scene.segments if one.mask is not None and not one.iscrowd]
        windows = torch.tensor([one.window for one in things])
        cells = [
            F.interpolate(
                torch.as_tensor(one.mask)[None, None].float(), (28, 28), mode="bilinear", antialias=True
            )
            for one in things
        ]
        logits = torch.cat(cells)[:, 0] * 16 - 8
        self.labels = torch.tensor([one.label for one in things])
        worn = torch.tensor([one.worn_by > 0 for one in things])
        self.scores = torch.where(worn, 0.7, 0.95) - 0.01 * torch.arange(len(things))
        largest = int((windows[:, 2] - windows[:, 0]).argmax())
        false = windows[largest] + torch.tensor([-14, -10, -14, -10])
        self.boxes = torch.cat([windows, false[None]]).float()
        self.logits = torch.cat([logits, logits[largest : largest + 1]])
        self.labels = torch.cat([self.labels, (self.labels[largest : largest + 1] + 1) % THINGS])
        self.scores = torch.cat([self.scores, torch.tensor([0.62])])
        x0, _, x1, _ = self.boxes[largest].tolist()
        self.cut = self.boxes.clone()
        self.cut[largest, 2] = x0 + 0.65 * (x1 - x0)

    @property
    def masks(self) -> BoxMasks:
        """The detections."""
        return BoxMasks.from_logits(self.logits, self.boxes)

    @property
    def cut_masks(self) -> BoxMasks:
        """The detections with one box that is too short."""
        kept = self.cut[:-1]
        shares = (kept[:, 2] - kept[:, 0]) / (self.boxes[:-1, 2] - self.boxes[:-1, 0])
        columns = [
            F.interpolate(one[None, None, :, : max(1, round(28 * share))], (28, 28), mode="bilinear")[0]
            for one, share in zip(self.logits, shares.tolist(), strict=False)
        ]
        return BoxMasks.from_logits(torch.cat(columns), kept)


def _blur(one_hot: Tensor, width: int) -> Tensor:
    """Turn ``(H, W, C)`` zeros and ones into ``(C, H, W)`` shares of the neighbourhood."""
    maps = one_hot.permute(2, 0, 1)[None].float()
    return F.avg_pool2d(maps, width, stride=1, padding=width // 2, count_include_pad=False)[0]


def _cloud(channels: int, cell: int, noise: torch.Generator) -> Tensor:
    """Return smooth noise ``(channels, H, W)``."""
    coarse = torch.randn(1, channels, SIZE[0] // cell, SIZE[1] // cell, generator=noise)
    return F.interpolate(coarse, SIZE, mode="bicubic")[0]


def labels_picture(label_map: Tensor) -> np.ndarray:
    """Colour a label map; void is black."""
    palette = np.concatenate([PALETTE, np.zeros((256 - CLASSES, 3), np.uint8)])
    return palette[label_map.numpy()]


def masks_picture(image: np.ndarray, masks: BoxMasks, labels: Tensor, scores: Tensor) -> np.ndarray:
    """Draw masks, boxes and scores over the dimmed image."""
    canvas = image // 3
    for i in scores.argsort().tolist():
        x0, y0, x1, y1 = masks.window(i, SIZE)
        crop = masks.crop(i, SIZE).numpy()
        canvas[y0:y1, x0:x1][crop] = canvas[y0:y1, x0:x1][crop] // 3 + PALETTE[labels[i]] // 3 * 2
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    for box, label, score in zip(masks.boxes.tolist(), labels.tolist(), scores.tolist(), strict=True):
        draw.rectangle(box, outline=tuple(PALETTE[label].tolist()))
        draw.text((box[0] + 2, box[1] - 1), f"{score:.2f}"[1:], fill=(255, 255, 255))
    return np.asarray(picture)


def heat_picture(heatmap: Tensor) -> np.ndarray:
    """Draw a heat map ``(1, H, W)`` from black to yellow."""
    heat = heatmap[0].numpy()[..., None]
    return (heat ** np.array([0.5, 1.0, 3.0]) * 255).astype(np.uint8)


def offsets_picture(offsets: Tensor) -> np.ndarray:
    """Draw offsets ``(2, H, W)``: the hue of two colour axes is their direction, grey is zero."""
    y, x = (offsets / 40).clamp(-1, 1).numpy() * 127
    return np.stack([128 + x, 128 - (x + y) / 2, 128 + y], axis=2).clip(0, 255).astype(np.uint8)


def strip(name: str, panels: list[Panel]) -> None:
    """Save titled pictures side by side."""
    height, width = SIZE
    canvas = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + TITLE), (255, 255, 255))
    draw = ImageDraw.Draw(canvas)
    for place, (title, picture) in enumerate(panels):
        canvas.paste(Image.fromarray(picture), (place * (width + GAP), TITLE))
        draw.text((place * (width + GAP), 0), title, fill=(0, 0, 0))
    FOLDER.mkdir(exist_ok=True)
    canvas.quantize(128, kmeans=4, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


def main() -> None:
    """Draw all strips."""
    scene = make_scene(INDEX, SEED, SIZE)
    said = Said(scene)
    paint = partial(colorize, palette=PALETTE)
    detections = "detections", masks_picture(scene.image, said.masks, said.labels, said.scores)
    semantics = "label map", labels_picture(said.sem_seg)
    stuff_only = label_map_from_logits(said.sem_logits[THINGS:]) + THINGS
    instances = said.masks, said.labels, said.scores
    rest = {"num_things": THINGS, "stuff_area_limit": STUFF_LIMIT}

    strip("fusion_scene", [("image", scene.image), ("ground truth", paint(said.truth))])
    by_confidence = fuse_by_confidence(*instances, said.sem_seg, **rest)
    strip("fusion_confidence", [detections, semantics, ("by confidence", paint(by_confidence))])
    guided = fuse_by_mask_guidance(*instances, said.sem_seg, **rest)
    things = np.where((said.sem_seg < THINGS).numpy()[..., None], scene.image, scene.image // 6)
    strip("fusion_guidance", [detections, ("things mask", things), ("by mask guidance", paint(guided))])
    ranked = fuse_by_ranking(*instances, said.ranking, stuff_only, **rest)
    front = labels_picture(said.ranking.argmax(0).where(said.ranking.amax(0) > 1, torch.tensor(255)))
    strip(
        "fusion_ranking",
        [
            detections,
            ("ranking map", front),
            ("stuff", labels_picture(stuff_only)),
            ("by ranking", paint(ranked)),
        ],
    )
    summed = fuse_by_panoptic_logits(*instances, said.sem_logits, **rest)
    strip("fusion_panoptic_logits", [detections, semantics, ("by panoptic logits", paint(summed))])
    centered = fuse_by_centers(
        said.heatmap, said.offsets, said.sem_seg, sem_logits=said.sem_logits, threshold=0.3, **rest
    )
    strip(
        "fusion_centers",
        [
            ("heat map", heat_picture(said.heatmap)),
            ("offsets", offsets_picture(said.offsets)),
            semantics,
            ("by centers", paint(centered)),
        ],
    )
    cut = said.cut_masks, said.labels[:-1], said.scores[:-1], said.sem_logits
    before = fuse_by_affinity(*cut, **rest)
    after = fuse_by_affinity(*cut, said.features, said.features, gamma=2.0, **rest)
    strip(
        "fusion_affinity",
        [
            ("detections, one box cut", masks_picture(scene.image, *cut[:3])),
            semantics,
            ("potential alone", paint(before)),
            ("by affinity", paint(after)),
        ],
    )


if __name__ == "__main__":
    main()
