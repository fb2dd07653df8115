"""Time of day and weather: what light does to colours, sky and shadows."""

from dataclasses import dataclass

from panoptic_data.generator.colours import Colour, mix
from panoptic_data.generator.dice import Dice


@dataclass(frozen=True)
class Light:
    """Light of one scene.

    Args:
        tint: Factors on red, green and blue of everything lit.
        sky_top: Colour of the sky at the top of the image.
        sky_low: Colour of the sky at the horizon, also that of the haze.
        haze: Distance in metres at which about two thirds of a colour is haze.
        shadow: Darkness of cast shadows in [0, 1].
        shadow_x: How far a shadow reaches to the right for each metre of height.
        shadow_z: How far it reaches away from the camera.
        sunny: Factors on faces that look left and right.
        lamps: Whether lamps and windows are lit.
        clouds: Number of clouds.
    """

    tint: Colour
    sky_top: Colour
    sky_low: Colour
    haze: float
    shadow: float
    shadow_x: float
    shadow_z: float
    sunny: tuple[float, float]
    lamps: bool
    clouds: int

    def tone(self, colour: Colour, haze: float) -> tuple[int, int, int]:
        """Return a surface colour as the camera sees it, ready to paint; ``haze`` is the share of haze."""
        keep = 1 - haze
        red = colour[0] * self.tint[0] * keep + self.sky_low[0] * haze
        green = colour[1] * self.tint[1] * keep + self.sky_low[1] * haze
        blue = colour[2] * self.tint[2] * keep + self.sky_low[2] * haze
        return to_rgb((red, green, blue))

    def haze_at(self, z: float) -> float:
        """Return the share of haze in the colour of something ``z`` metres away, in [0, 0.6]."""
        return min(0.6, z / (z + self.haze))


def to_rgb(colour: Colour) -> tuple[int, int, int]:
    """Round a colour to bytes."""
    red, green, blue = colour
    return (
        min(255, max(0, int(red + 0.5))),
        min(255, max(0, int(green + 0.5))),
        min(255, max(0, int(blue + 0.5))),
    )


def choose_light(dice: Dice) -> Light:
    """Draw the light of a scene: noon, low sun, overcast or dusk."""
    kind = dice.weighted(("noon", "low sun", "overcast", "dusk"), (0.42, 0.26, 0.2, 0.12))
    side = dice.sign()
    gain = dice.between(0.9, 1.1)
    if kind == "noon":
        tint, top, low, shadow, slant = (1.04, 1.02, 0.98), (84, 140, 212), (186, 212, 238), 0.42, 0.45
    elif kind == "low sun":
        tint, top, low, shadow, slant = (1.1, 0.98, 0.82), (108, 144, 196), (248, 212, 164), 0.45, 1.5
    elif kind == "overcast":
        tint, top, low, shadow, slant = (0.86, 0.88, 0.9), (158, 168, 180), (206, 210, 214), 0.0, 0.0
    else:
        tint, top, low, shadow, slant = (0.68, 0.67, 0.78), (56, 66, 118), (214, 146, 128), 0.12, 1.0
    bright = 1 + 0.5 * shadow
    dull = 1 - 0.4 * shadow
    return Light(
        tint=(tint[0] * gain, tint[1] * gain, tint[2] * gain),
        sky_top=mix(top, (255, 255, 255), dice.between(0.0, 0.12)),
        sky_low=mix(low, (255, 255, 255), dice.between(0.0, 0.12)),
        haze=dice.between(90, 260) * (0.7 if kind == "overcast" else 1.0),
        shadow=shadow,
        shadow_x=side * slant * dice.between(0.6, 1.2),
        shadow_z=slant * dice.between(-0.25, 0.5),
        sunny=(dull, bright) if side < 0 else (bright, dull),
        lamps=kind == "dusk" or dice.chance(0.05),
        clouds=dice.whole(0, 4) if kind != "overcast" else 0,
    )
