"""Settings: ranges, command-line texts, digests; sizes."""

import dataclasses

import pytest

from panoptic_data.generator.settings import SceneSettings, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [(128, (128, 128)), ("96", (96, 96)), ("128x192", (128, 192)), ("32X40", (32, 40)), ((50, 60), (50, 60))],
)
def test_sizes_are_height_then_width(text: int | str | tuple[int, int], expected: tuple[int, int]) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "a", "12x", "64x64x3", "-64", "64.0"])
def test_rejects_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"a size as 128 or 128x192 \(height x width\), got "):
        parse_size(text)


def test_rejects_a_size_too_small() -> None:
    with pytest.raises(ValueError, match=r"at least 32 pixels, got 128x31\. Take a larger one"):
        parse_size("128x31")


def test_every_field_changes_the_digest() -> None:
    seen = {SceneSettings().digest()}
    for field in dataclasses.fields(SceneSettings):
        value = getattr(SceneSettings(), field.name)
        other = {"instance_masks": "full", "supersample": 3, "things": (1, 2), "trees": (0, 5)}.get(
            field.name
        )
        changed = dataclasses.replace(SceneSettings(), **{field.name: other or value / 2 + 0.0137})
        seen.add(changed.digest())
    assert len(seen) == 1 + len(dataclasses.fields(SceneSettings))


def test_changes_from_texts() -> None:
    changed = SceneSettings().with_changes(
        ["things=2,6", "trees=3", "crowd=0", "supersample=2", "instance_masks=full"]
    )
    assert changed == SceneSettings(
        things=(2, 6), trees=(3, 3), crowd=0.0, supersample=2, instance_masks="full"
    )
    assert changed.with_changes(["supersample=none"]).supersample is None


@pytest.mark.parametrize("change", ["crowds=1", "crowd", "=1"])
def test_unknown_names_list_the_known_ones(change: str) -> None:
    with pytest.raises(ValueError, match=r"NAME=VALUE, got .* The names are: across, backpack, bicycle"):
        SceneSettings().with_changes([change])


@pytest.mark.parametrize("change", ["crowd=much", "things=1,b", "supersample=x"])
def test_values_that_do_not_fit(change: str) -> None:
    with pytest.raises(ValueError, match=f"`{change.partition('=')[0]}` to look like"):
        SceneSettings().with_changes([change])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crowd": 1.5}, r"`crowd` to be in \[0, 1\], got 1.5"),
        ({"dog": -1.0}, "`dog` to be at least 0, got -1.0"),
        ({"noise": float("nan")}, "`noise` to be at least 0, got nan"),
        ({"things": (5, 2)}, r"`things` to be \(low, high\).*got \(5, 2\)"),
        ({"things": (0, 999)}, r"high <= 120, got \(0, 999\)"),
        ({"instance_masks": "all"}, "'worn' or 'full', got 'all'"),
        ({"supersample": 9}, r"None or in \[1, 8\], got 9"),
        (
            dict.fromkeys(("person", "car", "bicycle", "dog", "traffic_light", "traffic_sign"), 0.0),
            r"to be above 0, got zeros. For no things set things=\(0, 0\)",
        ),
    ],
)
def test_rejects_values_out_of_range(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SceneSettings(**wrong)
