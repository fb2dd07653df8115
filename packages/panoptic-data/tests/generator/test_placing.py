"""Finding room: in view, on free ground, and hardly hidden."""

import math

import pytest

from panoptic_data.generator.camera import Camera
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.light import choose_light
from panoptic_data.generator.placing import KINDS, Room, Spot
from panoptic_data.generator.sketch import Sketch
from panoptic_data.generator.stage import Stage, Zone

CAMERA = Camera(height=128, width=192, focal=150.0, horizon=54.0, centre=96.0, eye=2.0)
PERSON = KINDS["person"]


def _room(*zones: Zone, seed: int = 0, far: float = 0.0, overlap: float = 0.4) -> Room:
    stage = Stage(CAMERA, choose_light(Dice(0)))
    for zone in zones:
        stage.open("person", zone)
    return Room(Dice(seed), stage, far, overlap)


def test_spots_are_in_their_zone_and_in_view() -> None:
    zone = Zone(-50.0, 50.0, 6.0, 12.0)
    for seed in range(50):
        spot = _room(zone, seed=seed).find(PERSON)
        assert spot is not None
        assert 6.0 <= spot.z <= 12.0
        column, row = CAMERA.point(spot.x, 0.0, spot.z)
        assert 0 < column < 192
        assert CAMERA.horizon < row < 128


def test_nobody_stands_on_anothers_feet() -> None:
    room = _room(Zone(-3.0, 3.0, 6.0, 9.0), overlap=1.0)
    spots = [spot for spot in (room.find(PERSON) for _ in range(40)) if spot]
    assert 5 < len(spots) < 40, "at some point the zone is full"
    for k, one in enumerate(spots):
        for other in spots[:k]:
            assert math.hypot(one.x - other.x, one.z - other.z) >= 2 * PERSON.radius


@pytest.mark.parametrize(("overlap", "found"), [(0.0, False), (1.0, True)])
def test_the_nearer_one_may_hide_only_so_much(overlap: float, found: bool) -> None:
    # Straight behind each other: the nearer box covers all but the top of the farther one.
    room = _room(overlap=overlap)
    room.reserve(PERSON, Spot(0.0, 6.0, Zone(0.0, 0.0, 6.0, 6.0)))
    behind = Zone(0.0, 0.0001, 9.0, 9.0001)
    assert (room.find(PERSON, behind) is not None) == found


def test_far_things_only_where_the_street_goes_on() -> None:
    here, further = Zone(-1.0, 1.0, 6.0, 8.0), Zone(-1.0, 1.0, 6.0, 8.0, z_far=40.0)
    for zone, deepest in ((here, 8.0), (further, 40.0)):
        depths = [spot.z for seed in range(60) if (spot := _room(zone, seed=seed, far=1.0).find(PERSON))]
        assert max(depths) <= deepest
        assert (max(depths) > 12.0) == (deepest > 8.0)


@pytest.mark.parametrize("zones", [(), (Zone(90.0, 99.0, 5.0, 6.0),)], ids=["no zone", "out of view"])
def test_no_room_is_no_error(zones: tuple[Zone, ...]) -> None:
    assert _room(*zones).find(PERSON) is None


def test_who_stands_throws_a_shadow_on_the_ground() -> None:
    room = _room()
    sketch = Sketch()
    sketch.box(-0.3, 0.0, 0.3, 1.8, (200.0, 0.0, 0.0))
    layer = room.stand("person", sketch, Spot(0.0, 6.0, Zone(0.0, 0.0, 6.0, 6.0)), PERSON)
    assert room.stage.standing == [layer]
    assert layer.is_thing
    assert not room.stand("vegetation", sketch, Spot(1.0, 6.0, Zone(0.0, 0.0, 6.0, 6.0)), PERSON).is_thing
    assert room.stage.shadows
    foot = CAMERA.point(0.0, 0.0, 6.0)
    ring = room.stage.shadows[0]
    assert min(x for x, _ in ring) < foot[0] < max(x for x, _ in ring)
    assert min(y for _, y in ring) < foot[1] < max(y for _, y in ring)
    assert all(y > CAMERA.horizon for shadow in room.stage.shadows for _, y in shadow)
