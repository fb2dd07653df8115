import logging
from pathlib import Path

import pytest
from mmcv.transforms import LoadImageFromFile

from panoptic_core.metrics import count_segments, summarize
from panoptic_data.datasets import GeneratedScenes
from panoptic_data.generator import GENERATED_SCENES
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs

TRAIN = [{"type": LoadImageFromFile}, {"type": LoadPanoptic}, {"type": PackPanopticInputs}]
TEST = [*TRAIN[:2], {"type": PackPanopticInputs, "test_mode": True}]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


def make(cache: Path, pipeline: list | None = None, **extra: object) -> GeneratedScenes:
    return GeneratedScenes(8, (64, 96), seed=3, cache_dir=cache, pipeline=pipeline or [], **extra)


def test_made_once_and_read_as_any_set(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = make(cache, TRAIN)
    assert len(first) == 8
    assert first.metainfo == GENERATED_SCENES.to_metainfo()
    made = {path: path.stat().st_mtime_ns for path in cache.rglob("*.png")}
    second = make(cache, TRAIN, data_root="/nowhere")  # what a tool's --data-root sets on every set
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.png")} == made
    for i in range(8):
        ours, theirs = first[i], second[i]
        assert ours["inputs"].shape == (3, 64, 96)
        assert (ours["inputs"] == theirs["inputs"]).all()


def test_settings_make_other_scenes(tmp_path: Path) -> None:
    # things=(0, 0) and no crowd: nothing but stuff is left. Lists are what a dumped config holds.
    dataset = make(tmp_path, TEST, settings={"things": [0, 0], "crowd": 0.0})
    assert all(not dataset[i]["data_samples"].gt_panoptic.is_thing.any() for i in range(8))
    with pytest.raises(ValueError, match=r"`crowd` to be in \[0, 1\], got 2"):
        make(tmp_path, settings={"crowd": 2})


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    dataset = make(tmp_path, lazy_init=True)
    assert not list(tmp_path.iterdir())
    assert dataset.metainfo["num_things"] == GENERATED_SCENES.num_things


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(
        "panoptic_data.datasets.generated_scenes.print_log",
        lambda text, logger, level: lines.append(text) if level == logging.INFO else None,
    )
    GeneratedScenes(3, 32, seed=1, cache_dir=tmp_path)
    assert lines[-1] == "Generating scenes: 3 of 3"


def test_overlapping_instances_agree_with_the_map(tmp_path: Path) -> None:
    # Worn objects make the overlaps: every person wears one here, and nothing else is drawn.
    settings = {
        "person": 1.0,
        "car": 0.0,
        "bicycle": 0.0,
        "dog": 0.0,
        "traffic_light": 0.0,
        "traffic_sign": 0.0,
    }
    dataset = GeneratedScenes(
        8, (96, 96), seed=3, cache_dir=tmp_path, pipeline=TRAIN, settings={**settings, "backpack": 1.0}
    )
    overlapping = 0
    for i in range(8):
        sample = dataset[i]["data_samples"]
        panoptic, instances = sample.gt_panoptic, sample.gt_instances
        assert (instances.segment_ids > 0).all()  # every instance is seen, and joined by its id
        assert len(set(instances.segment_ids.tolist())) == len(instances)
        labels = dict(zip(panoptic.ids.tolist(), panoptic.labels.tolist(), strict=True))
        assert [labels[s] for s in instances.segment_ids.tolist()] == instances.labels.tolist()
        for mask, segment_id in zip(instances.masks.masks, instances.segment_ids.tolist(), strict=True):
            visible = panoptic.mask(segment_id).numpy()
            assert (mask.astype(bool) | ~visible).all()  # what is visible is inside the whole mask
            overlapping += int(mask.sum() > visible.sum())
    assert overlapping > 0


def test_truth_against_itself_is_perfect(cache: Path) -> None:
    dataset = make(cache, TEST, test_mode=True)
    truth = [dataset[i]["data_samples"].gt_panoptic for i in range(8)]
    counts = [count_segments(one, one, len(GENERATED_SCENES)) for one in truth]
    assert summarize(sum(counts[1:], counts[0]), GENERATED_SCENES).all.pq == pytest.approx(100.0)
