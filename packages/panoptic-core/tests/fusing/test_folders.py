"""Saved outputs to panoptic files: the truth comes back, threads change nothing, sweeps are single runs."""

import dataclasses
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from panoptic_core.evaluating import evaluate_folders
from panoptic_core.files import PanopticFileError, PanopticWriter, read_panoptic_json, read_segmentation
from panoptic_core.fusing import (
    METHODS,
    SavedOutputs,
    SettingError,
    fuse_folders,
    instance_results,
    sweep_folders,
    take_apart,
)
from panoptic_core.fusing import folders as fusing_folders
from panoptic_core.testing import tiny_scene
from panoptic_fusion import BoxMasks, RawOutputs

TABLE = tiny_scene().table


def test_four_by_six_by_hand(tmp_path: Path) -> None:
    # Labels: 0 person, 1 car | 2 road, 3 building, 4 sky. Car a, score 0.9: rows 2-3, columns 0-2, 6 pixels.
    #   s s s s s s                                        Car b, score 0.8: rows 2-3, columns 2-4, 6 pixels.
    #   s s s s s s                                        A person, score 0.4: row 0, below the threshold.
    #   c c c c c r    a takes 6. Of b's 6 pixels 2 are taken: 1/3 <= 0.5, b gets 4. Sky keeps 12 pixels;
    #   c c c c c r    road has 2 free ones, fewer than 3: void.
    sem_seg = np.full((4, 6), 4, dtype=np.uint8)
    sem_seg[2:, :5], sem_seg[2:, 5] = 1, 2
    masks = np.zeros((3, 4, 6), dtype=bool)
    masks[0, 2:, 0:3] = masks[1, 2:, 2:5] = masks[2, 0, :2] = True
    raw = RawOutputs(
        (4, 6), 2, 5,
        masks=BoxMasks.from_full(masks), labels=np.array([1, 1, 0]), scores=np.array([0.9, 0.8, 0.4]),
    )  # fmt: skip
    image = {"id": "a", "file_name": "a.jpg", "height": 4, "width": 6}
    (tmp_path / "images.json").write_text(json.dumps({"images": [image], "categories": TABLE.to_json()}))
    (tmp_path / "found.json").write_text(json.dumps(instance_results("a", raw, TABLE)))
    (tmp_path / "labels").mkdir()
    Image.fromarray(sem_seg).save(tmp_path / "labels" / "a.png")
    outputs = SavedOutputs.open(
        tmp_path / "images.json", instances=tmp_path / "found.json", semantic=tmp_path / "labels"
    )

    def fuse(**settings: Any) -> list[tuple[int, int]]:
        fuse_folders(outputs, tmp_path / "out.json", settings=settings, with_scores=True)
        found = read_panoptic_json(tmp_path / "out.json")
        (annotation,) = found.annotations
        assert (annotation["image_id"], annotation["file_name"]) == ("a", "a.png")
        assert found.images[0] == image
        seg = read_segmentation(tmp_path / "out" / "a.png", annotation["segments_info"], TABLE)
        return [(segment.label, segment.area) for segment in seg.segments]

    assert fuse(stuff_area=3) == [(1, 6), (1, 4), (4, 12)]
    assert fuse(stuff_area=2) == [(1, 6), (1, 4), (2, 2), (4, 12)]
    assert fuse(stuff_area=3, overlap=0.3) == [(1, 6), (4, 12)]  # 1/3 > 0.3: b goes, its pixels are void
    assert fuse(stuff_area=3, score=0.3) == [(1, 6), (1, 4), (0, 2), (4, 10)]  # the person is laid last
    assert fuse(stuff_area_limit=3, score_threshold=0.85) == [(1, 6), (4, 12)]  # long names, too


@pytest.mark.parametrize("source", ["files", "npz", "mixed"])
@pytest.mark.parametrize(
    ("method", "settings"),
    [("confidence", {"stuff_area": 0}), ("mask_guidance", {"box_nms": 1.0})],
    ids=["confidence", "mask guidance"],
)
def test_truth_comes_back(root: Path, method: str, settings: dict[str, Any], source: str) -> None:
    given: dict[str, dict[str, Any]] = {
        "files": {"instances": root / "exact.json", "semantic": root / "exact"},
        "npz": {"raw": root / "exact_npz"},
        "mixed": {"instances": root / "exact_npz", "semantic": root / "exact"},
    }
    outputs = SavedOutputs.open(root / "gt.json", **given[source])
    fused = fuse_folders(outputs, root / "out.json", method=method, settings=settings)
    assert fused.num_images == 3
    assert fused.num_segments == 3 * 6
    result = evaluate_folders(root / "gt.json", root / "out.json").result
    assert result.all.pq == result.things.pq == result.stuff.pq == 100


def all_parts(raw: RawOutputs) -> RawOutputs:
    """Add what other networks say: which class is in front, where centers are; crowds are void."""
    assert raw.sem_seg is not None
    assert raw.masks is not None
    full = raw.masks.to_full(raw.size)
    crowd = (raw.sem_seg < raw.num_things) & ~full.any(dim=0)
    sem_seg = torch.where(crowd, 255, raw.sem_seg)
    logits = 10.0 * (sem_seg == torch.arange(raw.num_classes)[:, None, None])
    heatmap, offsets = torch.zeros(1, *raw.size), torch.zeros(2, *raw.size)
    grid = torch.stack(torch.meshgrid(*map(torch.arange, raw.size), indexing="ij"))  # (2, H, W)
    for mask in full:
        center = grid[:, mask].float().mean(dim=1).round()
        heatmap[0, int(center[0]), int(center[1])] = 1
        offsets[:, mask] = center[:, None] - grid[:, mask]
    return dataclasses.replace(
        raw, sem_seg=sem_seg, ranking=logits[: raw.num_things], center_heatmap=heatmap, offsets=offsets
    )


@pytest.mark.parametrize("logits", [False, True], ids=["labels", "logits"])
@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("ranking", {"stuff_area": 0}),
        ("panoptic_logits", {"stuff_area": 0}),
        ("centers", {"stuff_area": 0, "threshold": 0.5}),
        ("affinity", {"stuff_area": 0}),
    ],
    ids=["ranking", "panoptic logits", "centers", "affinity"],
)
def test_truth_comes_back_from_other_networks(
    root: Path, method: str, settings: dict[str, Any], logits: bool
) -> None:
    for path in (root / "exact_npz").rglob("*.npz"):
        raw = all_parts(RawOutputs.load(path))
        if logits:
            assert raw.sem_seg is not None
            channels = torch.arange(raw.num_classes)[:, None, None]
            sem_logits = 10.0 * (raw.sem_seg == channels)
            sem_logits[raw.num_things] += 1  # the first stuff class where nothing is said: crowds and void
            raw = dataclasses.replace(raw, sem_seg=None, sem_logits=sem_logits)
        raw.save(path)
    outputs = SavedOutputs.open(root / "gt.json", raw=root / "exact_npz")
    if method in ("panoptic_logits", "affinity") and not logits:
        with pytest.raises(PanopticFileError, match=r"needs semantic logits.*, got none"):
            fuse_folders(outputs, root / "out.json", method=method, settings=settings)
        return
    fuse_folders(outputs, root / "out.json", method=method, settings=settings)
    result = evaluate_folders(root / "gt.json", root / "out.json").result
    assert result.things.pq == 100
    # A crowd is not void: the first stuff class loses a little by it.
    assert result.stuff.pq == 100 if not logits else result.stuff.pq > 95


def imperfect(root: Path) -> SavedOutputs:
    return SavedOutputs.open(root / "gt.json", instances=root / "found.json", semantic=root / "labels")


GRID = {"overlap": [0.1, 0.5, 0.9], "score": [0.2, 0.6], "stuff_area": [0, 40]}


@pytest.mark.parametrize("method", ["confidence", "mask_guidance"])
def test_sweep_is_what_single_runs_give(root: Path, method: str) -> None:
    rows = sweep_folders(imperfect(root), GRID, gt_json=root / "gt.json", method=method)
    single = []
    for values in itertools.product(*GRID.values()):
        settings = dict(zip(GRID, values, strict=True))
        fuse_folders(imperfect(root), root / "out.json", method=method, settings=settings)
        single.append((settings, evaluate_folders(root / "gt.json", root / "out.json").result))
    assert {str(row.settings): row.result for row in rows} == {str(s): result for s, result in single}
    values = [row.result.all.pq for row in rows]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1
    best = max(single, key=lambda one: one[1].all.pq)  # the first of equal ones
    assert (rows[0].settings, rows[0].result) == best


def test_sweep_reads_each_input_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, read = imperfect(root), Counter[Any]()
    original = SavedOutputs.read
    monkeypatch.setattr(
        SavedOutputs, "read", lambda self, image: read.update([image.image_id]) or original(self, image)
    )
    monkeypatch.setattr(
        fusing_folders,
        "read_segmentation",
        lambda *args, **kwargs: read.update(["truth"]) or read_segmentation(*args, **kwargs),
    )
    sweep_folders(outputs, GRID, gt_json=root / "gt.json")
    assert read == {0: 1, 1: 1, 2: 1, "truth": 3}


def test_fixed_settings_and_an_empty_grid(root: Path) -> None:
    swept = sweep_folders(
        imperfect(root), {"score": [0.2]}, gt_json=root / "gt.json", settings={"overlap": 0.9}
    )
    (alone,) = sweep_folders(
        imperfect(root), {}, gt_json=root / "gt.json", settings={"overlap": 0.9, "score": 0.2}
    )
    assert swept[0].settings == {"score": 0.2}
    assert alone.settings == {}
    assert alone.result == swept[0].result


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def test_threads_and_repetition_change_no_byte(root: Path) -> None:
    seen: list[tuple[int, int]] = []
    for name, workers in (("one", 1), ("three", 3), ("again", 3)):
        fuse_folders(
            imperfect(root),
            root / name / "out.json",
            workers=workers,
            settings={"stuff_area": 20},
            progress=lambda done, total: seen.append((done, total)),
        )
    assert files_of(root / "one") == files_of(root / "three") == files_of(root / "again")
    assert len(files_of(root / "one")) == 1 + 3
    assert seen == [(i, 3) for i in (1, 2, 3)] * 3
    serial = sweep_folders(imperfect(root), GRID, gt_json=root / "gt.json", workers=1)
    assert sweep_folders(imperfect(root), GRID, gt_json=root / "gt.json", workers=3) == serial


def test_images_without_instances_and_empty_files(root: Path) -> None:
    entries = json.loads((root / "exact.json").read_text())
    for kept in ([one for one in entries if one["image_id"] != 1], []):
        (root / "some.json").write_text(json.dumps(kept))
        outputs = SavedOutputs.open(root / "gt.json", instances=root / "some.json", semantic=root / "exact")
        fuse_folders(outputs, root / "out.json", settings={"stuff_area": 0})
        second = read_panoptic_json(root / "out.json").annotations[1]
        assert [TABLE.lookup(one["category_id"]) for one in second["segments_info"]] == [2, 3, 4]


def test_results_of_other_images_are_counted(root: Path) -> None:
    entries = json.loads((root / "exact.json").read_text())
    (root / "more.json").write_text(json.dumps([*entries, {**entries[0], "image_id": 99}]))
    outputs = SavedOutputs.open(root / "gt.json", instances=root / "more.json", semantic=root / "exact")
    assert outputs.num_ignored == 1


def test_nothing_at_all_is_void(tmp_path: Path) -> None:
    seg = tiny_scene().segmentation
    with PanopticWriter(tmp_path / "gt.json", table=TABLE) as writer:
        writer.add(1, "1.png", seg.select(torch.zeros(len(seg), dtype=torch.bool)))
    raw = take_apart(seg.select(torch.zeros(len(seg), dtype=torch.bool)), TABLE)
    (tmp_path / "npz").mkdir()
    raw.save(tmp_path / "npz" / "1.npz")
    outputs = SavedOutputs.open(tmp_path / "gt.json", raw=tmp_path / "npz")
    for method in ("confidence", "mask_guidance"):
        assert fuse_folders(outputs, tmp_path / "out.json", method=method).num_segments == 0
        (row,) = sweep_folders(outputs, {}, gt_json=tmp_path / "gt.json", method=method)
        assert np.isnan(row.result.all.pq)


def test_an_old_result_goes_before_a_failure(root: Path) -> None:
    outputs = imperfect(root)
    fuse_folders(outputs, root / "out.json")
    (root / "labels" / "city" / "001.png").write_bytes(b"nothing")
    with pytest.raises(PanopticFileError, match=r"city/001\.png to be a PNG"):
        fuse_folders(outputs, root / "out.json")
    assert not (root / "out.json").exists()
    assert not list(root.glob("*.tmp"))


@pytest.mark.parametrize(
    ("json_path", "folder"),
    [("gt.json", None), ("found.json", None), ("out.json", "labels"), ("out.json", "gt")],
)
def test_inputs_are_never_replaced(root: Path, json_path: str, folder: str | None) -> None:
    before = files_of(root)
    with pytest.raises(PanopticFileError, match="to be no input"):
        fuse_folders(imperfect(root), root / json_path, folder and root / folder)
    assert files_of(root) == before


def test_impossible_settings_are_told_before_files_are_read(root: Path) -> None:
    (root / "labels" / "city" / "000.png").write_bytes(b"")
    for settings, message in (
        ({"overlap": 2.0}, r"'confidence': Expected `overlap_threshold`"),
        ({"guidance": 0.5}, r"setting of method 'confidence' \(score, overlap, stuff_area\), got 'guidance'"),
    ):
        with pytest.raises(SettingError, match=message):
            fuse_folders(imperfect(root), root / "out.json", settings=settings)
    with pytest.raises(SettingError, match="either fixed or swept, got both for score"):
        sweep_folders(
            imperfect(root), {"score": [0.1]}, gt_json=root / "gt.json", settings={"score_threshold": 1}
        )
    with pytest.raises(SettingError, match="values of `score` to try, got none"):
        sweep_folders(imperfect(root), {"score": []}, gt_json=root / "gt.json")
    with pytest.raises(SettingError, match=r"'affinity': Expected `form` to be one of 'product', "):
        fuse_folders(imperfect(root), root / "out.json", method="affinity", settings={"form": "best"})


def test_every_method_is_checked_on_one_pixel() -> None:
    for method in METHODS.values():
        method.check({})
        method.check({option.name: option.default for option in method.options.values()})
