"""Colours of the drawn world: ``(red, green, blue)`` floats in [0, 255]."""

from collections.abc import Sequence

from panoptic_data.generator.dice import Dice

Colour = tuple[float, float, float]

SKIN: tuple[Colour, ...] = ((241, 203, 172), (222, 175, 138), (196, 141, 102), (146, 98, 66), (98, 65, 45))
HAIR: tuple[Colour, ...] = ((35, 27, 24), (70, 45, 30), (120, 80, 45), (196, 158, 92), (150, 145, 140))
SHIRTS: tuple[Colour, ...] = (
    (196, 52, 52), (214, 116, 42), (226, 190, 66), (62, 140, 92), (52, 110, 176), (96, 74, 160),
    (206, 112, 150), (228, 226, 220), (60, 64, 72), (90, 160, 170),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = ((46, 56, 92), (38, 40, 46), (88, 84, 80), (104, 78, 56), (70, 92, 128))
PAINTS: tuple[Colour, ...] = (
    (206, 40, 40), (36, 84, 170), (226, 228, 230), (176, 180, 186), (54, 58, 66), (34, 116, 92),
    (224, 170, 40), (128, 32, 48), (96, 150, 196),
)  # fmt: skip
FRAMES: tuple[Colour, ...] = ((216, 44, 60), (30, 150, 190), (240, 200, 40), (70, 180, 80), (236, 120, 30))
PACKS: tuple[Colour, ...] = (
    (232, 96, 30),
    (20, 150, 150),
    (150, 50, 150),
    (220, 40, 90),
    (70, 150, 40),
    (240, 190, 30),
)
FUR: tuple[Colour, ...] = ((206, 138, 62), (164, 92, 44), (232, 204, 158), (240, 232, 220), (120, 66, 36))
PLASTER: tuple[Colour, ...] = (
    (222, 196, 158), (190, 104, 82), (166, 78, 62), (212, 206, 196), (176, 174, 172), (226, 204, 140),
    (206, 160, 150), (158, 176, 190),
)  # fmt: skip
ROOFS: tuple[Colour, ...] = ((140, 66, 52), (96, 74, 68), (86, 88, 98), (122, 58, 58))
LEAVES: tuple[Colour, ...] = ((58, 112, 48), (78, 128, 52), (48, 96, 58), (96, 132, 50), (70, 118, 70))
AUTUMN: tuple[Colour, ...] = ((168, 122, 44), (156, 92, 42))
PLANKS: tuple[Colour, ...] = ((146, 100, 58), (120, 82, 50), (164, 118, 70), (104, 84, 62))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Blend two colours; ``share`` is that of the second."""
    keep = 1 - share
    return (
        first[0] * keep + second[0] * share,
        first[1] * keep + second[1] * share,
        first[2] * keep + second[2] * share,
    )


def shade(colour: Colour, factor: float) -> Colour:
    """Make a colour darker (factor < 1) or lighter (factor > 1)."""
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def vary(dice: Dice, colour: Colour, amount: float = 12.0) -> Colour:
    """Move a colour a little, in brightness and in hue."""
    lift = dice.between(-amount, amount)
    red, green, blue = colour
    return (
        red + lift + dice.between(-amount, amount) / 2,
        green + lift + dice.between(-amount, amount) / 2,
        blue + lift + dice.between(-amount, amount) / 2,
    )


def unlike(dice: Dice, colours: Sequence[Colour], other: Colour) -> Colour:
    """Pick a colour that differs well from another one, if there is any."""
    far = [colour for colour in colours if sum(abs(a - b) for a, b in zip(colour, other, strict=True)) > 120]
    return dice.pick(far or colours)
