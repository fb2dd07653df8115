"""Whole scenes: deterministic, complete, and consistent between picture, map and masks."""

import numpy as np
import pytest

from panoptic_data.generator import DEFAULT_SIZE, GENERATED_SCENES, Scene, SceneSettings, make_scene

THINGS = GENERATED_SCENES.num_things
PERSON, BACKPACK = GENERATED_SCENES.names.index("person"), GENERATED_SCENES.names.index("backpack")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Return forty scenes of the default settings."""
    return [make_scene(index, 11, DEFAULT_SIZE) for index in range(40)]


def test_every_class_occurs(scenes: list[Scene]) -> None:
    found = [{segment.label for segment in scene.segments} for scene in scenes]
    for label, name in enumerate(GENERATED_SCENES.names):
        share = sum(label in labels for labels in found) / len(found)
        assert share > 0.25, f"{name} is in {share:.0%} of the scenes"


def test_crowds_void_and_worn_objects_occur(scenes: list[Scene]) -> None:
    assert sum(segment.iscrowd for scene in scenes for segment in scene.segments) >= 2
    assert sum((scene.id_map == 0).sum() > 50 for scene in scenes) >= 8
    assert sum(segment.worn_by > 0 for scene in scenes for segment in scene.segments) >= 10


def test_map_and_segments_agree(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.image.shape == (*DEFAULT_SIZE, 3)
        assert scene.image.dtype == np.uint8
        assert scene.id_map.shape == DEFAULT_SIZE
        ids = [segment.segment_id for segment in scene.segments]
        assert ids == list(range(1, len(ids) + 1))
        assert sorted(set(scene.id_map.ravel().tolist()) - {0}) == ids
        labels = [segment.label for segment in scene.segments]
        assert all((segment.mask is not None) == (segment.label < THINGS) for segment in scene.segments)
        stuff = [label for label in labels if label >= THINGS]
        assert len(stuff) == len(set(stuff)), "one segment a stuff class"
        assert labels.index(stuff[0]) == len(labels) - len(stuff), "things first"


def test_worn_and_visible_masks_differ_by_what_is_worn(scenes: list[Scene]) -> None:
    differing = 0
    for scene in scenes:
        worn = {segment.segment_id for segment in scene.segments if segment.worn_by}
        for segment in scene.segments:
            if segment.mask is None:
                continue
            visible, full = scene.id_map == segment.segment_id, scene.instance_mask(segment)
            assert not (visible & ~full).any()
            # What the instance mask has on top is covered by the objects that this very person wears.
            covering = set(np.unique(scene.id_map[full & ~visible]).tolist())
            own = {other.segment_id for other in scene.segments if other.worn_by == segment.segment_id}
            assert covering <= own <= worn
            assert not own or segment.label == PERSON
            differing += bool(covering)
    assert differing > 10


def test_every_backpack_has_a_wearer_behind_it(scenes: list[Scene]) -> None:
    for scene in scenes:
        for pack in scene.segments:
            if pack.label != BACKPACK:
                continue
            wearer = scene.segments[pack.worn_by - 1]
            assert wearer.label == PERSON
            rows = np.flatnonzero(scene.instance_mask(wearer).any(axis=1))
            _x0, y0, _x1, y1 = pack.window
            assert rows[0] < (y0 + y1) / 2 < rows[-1]


def test_full_masks_reach_behind_other_objects() -> None:
    worn, full = (
        [make_scene(index, 11, DEFAULT_SIZE, SceneSettings(instance_masks=kind)) for index in range(12)]
        for kind in ("worn", "full")
    )
    more = 0
    for one, other in zip(worn, full, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.id_map, other.id_map)
        for a, b in zip(one.segments, other.segments, strict=True):
            if a.mask is None or b.mask is None:
                continue
            assert not (a.mask & ~b.mask).any()
            more += int((b.mask & ~a.mask).sum())
    assert more > 500


def test_things_are_seen_well_enough(scenes: list[Scene]) -> None:
    settings, unit = SceneSettings(), min(DEFAULT_SIZE)
    for scene in scenes:
        for segment in scene.segments:
            area = int((scene.id_map == segment.segment_id).sum())
            if segment.label >= THINGS:
                assert area >= settings.min_stuff_area * unit**2
            else:
                assert area >= settings.min_thing_area * unit**2 * (0.5 if segment.worn_by else 1.0)


def test_the_same_keys_give_the_same_scene() -> None:
    first, second = make_scene(5, 3, "64x96"), make_scene(5, 3, (64, 96))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.id_map, second.id_map)
    assert not np.array_equal(first.image, make_scene(6, 3, "64x96").image)
    assert not np.array_equal(first.image, make_scene(5, 4, "64x96").image)


@pytest.mark.parametrize("size", ["32", "32x300", "300x32", "48x33", "512x1024"])
def test_other_sizes(size: str) -> None:
    for index in range(2):
        scene = make_scene(index, 0, size)
        assert scene.image.shape[:2] == scene.id_map.shape
        assert scene.segments
        assert (scene.id_map > 0).mean() > 0.5


def test_many_things_on_a_large_image() -> None:
    settings = SceneSettings(things=(90, 90), far=0.6, min_thing_area=0.0003, min_visible=0.2)
    scene = make_scene(1, 0, "512x1024", settings)
    assert 30 < len(scene.segments) < 256
    assert len(np.unique(scene.id_map)) - 1 <= len(scene.segments)


def test_no_things() -> None:
    settings = SceneSettings(things=(0, 0), crowd=0.0, clutter=0.0, rim=0.0)
    scene = make_scene(0, 0, 64, settings)
    assert all(segment.label >= THINGS for segment in scene.segments)


def test_flat_and_noiseless() -> None:
    flat = SceneSettings(texture=0.0, noise=0.0, blur=0.0)
    grainy = SceneSettings(blur=0.0)
    rough = [
        np.abs(np.diff(make_scene(2, 0, 96, one).image.astype(int), axis=1)).mean() for one in (flat, grainy)
    ]
    assert rough[0] < 0.7 * rough[1]


def test_a_forced_setting_is_followed() -> None:
    everything = SceneSettings(crowd=1.0, rim=1.0, things=(1, 1), trees=(0, 0), clutter=0.0)
    scenes = [make_scene(index, 0, 128, everything) for index in range(10)]
    assert sum(any(segment.iscrowd for segment in scene.segments) for scene in scenes) >= 8
    assert all((scene.id_map[-1] == 0).mean() > 0.9 for scene in scenes)  # the bonnet is void


@pytest.mark.parametrize(("index", "seed"), [(-1, 0), (0, -1)])
def test_rejects_negative_keys(index: int, seed: int) -> None:
    with pytest.raises(ValueError, match=f"`index` and `seed` to be at least 0, got {index} and {seed}"):
        make_scene(index, seed, 64)
