"""Appearances of the world: light, air, palette, and effects of the camera."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import cv2
import numpy as np

from .layouts import Palette
from .noise import noise
from .textures import Texture


@dataclass(frozen=True)
class Sky:
    """Sky colours, RGB in [0, 1].

    Args:
        zenith: Colour at the zenith.
        horizon: Colour at the horizon, to which distant objects fade.
        glow: Colour added around the sun.
        clouds: Density of clouds, 0 to 1.
        cloud: Colour of clouds.
    """

    zenith: np.ndarray
    horizon: np.ndarray
    glow: np.ndarray
    clouds: float
    cloud: np.ndarray

    def colours(self, rays: np.ndarray, sun: np.ndarray) -> np.ndarray:
        """Colours (n, 3) in the directions rays (n, 3)."""
        rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        up = np.clip(rays[:, 2], 0, 1)
        share = np.clip(up * 2.2, 0, 1) ** 0.7
        colours = self.horizon + (self.zenith - self.horizon) * share[:, None]
        towards = np.clip(rays @ sun, 0, 1)
        colours += self.glow * (0.6 * towards**6 + 1.2 * towards**90)[:, None]
        plane = rays[:, :2] / (up + 0.12)[:, None] * 14
        cover = np.clip(
            noise(plane[:, 0], plane[:, 1])
            + 0.5 * noise(plane[:, 0] * 3 + 50, plane[:, 1] * 3)
            + 2 * self.clouds
            - 1,
            0,
            1,
        )
        return colours + (self.cloud - colours) * (cover * np.clip(up * 8, 0, 1) * 0.9)[:, None]


@dataclass(frozen=True)
class Sensor:
    """Effects of the camera.

    Args:
        shutter: Exposure time as a share of the time between frames (motion blur).
        gain_drift: Amplitude of the slow drift of the exposure.
        noise: Standard deviation of the noise in mid-grey.
        quality: JPEG quality, or None for no compression.
        vignette: Darkening of the corners.
        blur: Standard deviation of the lens blur at an image width of 1000 pixels.
        sharpen: Strength of the sharpening inside the camera.
        contrast: Exponent of the tone curve.
        saturation: Factor of the colour saturation.
        tint: RGB gains of the white balance.
        rain: Streaks of rain per 1000 pixels.
        snow: Flakes of snow per 1000 pixels.
    """

    shutter: float = 0.0
    gain_drift: float = 0.0
    noise: float = 0.0
    quality: int | None = None
    vignette: float = 0.0
    blur: float = 0.0
    sharpen: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    rain: float = 0.0
    snow: float = 0.0


@dataclass(frozen=True)
class Look:
    """One appearance of a world; :func:`rendered_look` and others draw them.

    Args:
        palette: Colours of objects.
        texture: Patterns of surfaces.
        sky: The sky.
        sun: (3,) unit vector towards the sun.
        sunlight: RGB (3,) of the direct light.
        ambient: RGB (3,) of the ambient light.
        haze: Share of light lost per metre.
        shadow: Share of the ambient light that is missing in shadows on the ground.
        exposure: Overall brightness.
        sensor: Effects of the camera.
        shadow_length: Largest length of shadows, metres.
    """

    palette: Palette
    texture: Texture
    sky: Sky
    sun: np.ndarray
    sunlight: np.ndarray
    ambient: np.ndarray
    haze: float
    shadow: float
    exposure: float
    sensor: Sensor
    shadow_length: float = 9.0


def _rgb(*rows: str) -> np.ndarray:
    """Colours in [0, 1] from hexadecimal strings."""
    return np.array([[int(row[i : i + 2], 16) / 255 for i in (0, 2, 4)] for row in rows])


_SKIN = _rgb('e8b894', 'c68a63', '8a5a3c')

_RENDERED = Palette(
    wall=_rgb('e8c9a0', 'd98f6c', 'f0e2b8', 'c8d6e0', 'd8a8a0', 'b8c8a8', 'e0b060', 'a8b8d8'),
    roof=_rgb('b8503c', '8c4a3a', '6878a0'),
    leaf=_rgb('4fa83a', '3c9440', '6cb840', '58a060'),
    bark=_rgb('7a5436', '8a6440'),
    vehicle=_rgb('d02828', '2858c8', 'e8e8e8', '30a050', 'e8b020', '8838a0', '20a0b8', '404858'),
    cargo=_rgb('f0f0ee', 'e0d0a0', '90b0d8', 'd87848'),
    bus=_rgb('d83030', '2878d0', '30a860'),
    cloth=_rgb('e04040', '3868d0', 'f0d040', '40b070', 'f0f0f0', '8050b0', '303848', 'e07830'),
    skin=_SKIN,
    fence=_rgb('b07840', 'e8e0d0', '8c5c34', '609080'),
    bonnet=_rgb('c03030', '3050a0', 'd8d8d8'),
)

_CAMERA = Palette(
    wall=_rgb('b3a58e', 'a08c76', 'c4bba6', '9a6c58', 'a9adb2', 'b89f74', '8d857c', 'd0c6b2'),
    roof=_rgb('7c5046', '5c5a5e', '8c5c48'),
    leaf=_rgb('526c3a', '466438', '747a3c', '5e7642'),
    bark=_rgb('5a4a3e', '665a4e'),
    vehicle=_rgb('34373d', 'b4b6b8', '707478', 'dcdcd8', '36507c', '8a2c2e', '4a6050', '1c1c20'),
    cargo=_rgb('d4d2ca', '9aa0a6', 'c0b088', '5a7088'),
    bus=_rgb('d4aa30', 'a03432', '4c7c6a'),
    cloth=_rgb('32353e', '44598a', '8c5a44', 'aaa6a0', '943638', '50704c', 'b8a478', '26262a'),
    skin=_SKIN * 0.9,
    fence=_rgb('6a5f54', '84684c', '4c5852', '958c80'),
    bonnet=_rgb('202226', '33393f'),
)


#: Bricks, stone, concrete and render.
_BRICK = _rgb('8a4a38', 'a06a50', 'b09a6c', '7a6a54', 'e6e2d8', '8c8c88', 'c8b48c', '6a4438')
_DRY = _rgb('5c4a34', '6e5c40', '3c4a2c', '2c3a26')  # leaves in autumn, ivy, yew
_GRASS = _rgb('5fb043', '83bd50', '627c3e', '80864a')


def _direction(azimuth: float, elevation: float) -> np.ndarray:
    return np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )


def rendered_look(rng: np.random.Generator) -> Look:
    """Source: clean and saturated, in flat light under a blue sky, without camera effects."""
    texture = Texture(
        asphalt=_rgb('7d8087')[0] * rng.uniform(0.85, 1.1),
        sidewalk=_rgb('c9b9a6')[0],
        grass=_rgb('5fb043')[0],
        dry_grass=_rgb('83bd50')[0],
        mark=_rgb('f4f4f0')[0],
        grain=0.03,
        patches=0.03,
        tile=1.2,
        brick=0.2,
        lit=0.0,
        lamps=0.15,
    )
    sky = Sky(
        zenith=_rgb('3f86dc')[0],
        horizon=_rgb('b5d8f5')[0],
        glow=np.zeros(3),
        clouds=rng.uniform(0.2, 0.5),
        cloud=_rgb('ffffff')[0],
    )
    return Look(
        palette=_RENDERED,
        texture=texture,
        sky=sky,
        sun=_direction(rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.2)),
        sunlight=np.array([0.36, 0.35, 0.33]),
        ambient=np.array([0.72, 0.73, 0.75]),
        haze=0.0008,
        shadow=0.12,
        exposure=rng.uniform(0.88, 1.06),
        sensor=Sensor(),
    )


def dawn_look(rng: np.random.Generator) -> Look:
    """Source in the style of SYNTHIA-Seq 04-DAWN: as rendered, with a paler, warmer sky."""
    look = rendered_look(rng)
    sky = replace(look.sky, zenith=_rgb('7f9fd0')[0], horizon=_rgb('f3d9c0')[0])
    return replace(
        look, sky=sky, sunlight=np.array([0.45, 0.38, 0.3]), ambient=np.array([0.66, 0.66, 0.7])
    )


def camera_look(rng: np.random.Generator) -> Look:
    """Target: a real camera in late light; each world has a low sun, a hazy evening or dusk."""
    texture = Texture(
        asphalt=_rgb('66635f')[0] * rng.uniform(0.85, 1.15),
        sidewalk=_rgb('a89e92')[0],
        grass=_rgb('627c3e')[0],
        dry_grass=_rgb('80864a')[0],
        mark=_rgb('cdc9bd')[0],
        grain=0.12,
        patches=0.13,
        tile=0.6,
        brick=0.5,
        lit=rng.uniform(0.03, 0.15),
        lamps=rng.uniform(0.5, 0.9),
    )
    kind = rng.choice(['low sun', 'haze', 'dusk'], p=[0.4, 0.3, 0.3])
    light: dict[str, Any]
    if kind == 'low sun':
        sky = Sky(
            _rgb('749ac8')[0],
            _rgb('e2dccc')[0],
            np.array([0.4, 0.3, 0.14]),
            rng.uniform(0.25, 0.55),
            _rgb('e0d4c6')[0],
        )
        light = dict(
            sun=_direction(rng.uniform(-1.4, 1.4), rng.uniform(0.25, 0.45)),
            sunlight=np.array([0.8, 0.62, 0.42]),
            ambient=np.array([0.58, 0.58, 0.62]),
            haze=rng.uniform(0.003, 0.006),
            shadow=0.3,
        )
    elif kind == 'haze':
        sky = Sky(
            _rgb('a8b8ca')[0],
            _rgb('ccd2d4')[0],
            np.array([0.1, 0.09, 0.06]),
            rng.uniform(0.5, 0.8),
            _rgb('c2c2c0')[0],
        )
        light = dict(
            sun=_direction(rng.uniform(-3.0, 3.0), rng.uniform(0.3, 0.6)),
            sunlight=np.array([0.25, 0.23, 0.2]),
            ambient=np.array([0.8, 0.79, 0.77]),
            haze=rng.uniform(0.007, 0.012),
            shadow=0.1,
        )
    else:
        sky = Sky(
            _rgb('5874a4')[0],
            _rgb('c4aca8')[0],
            np.array([0.25, 0.14, 0.08]),
            rng.uniform(0.3, 0.6),
            _rgb('858094')[0],
        )
        light = dict(
            sun=_direction(rng.uniform(-0.9, 0.9), 0.14),
            sunlight=np.array([0.35, 0.26, 0.22]),
            ambient=np.array([0.56, 0.57, 0.66]),
            haze=rng.uniform(0.004, 0.007),
            shadow=0.15,
        )
    sensor = Sensor(
        shutter=0.3,
        gain_drift=rng.uniform(0.05, 0.12),
        noise=rng.uniform(0.008, 0.02),
        quality=int(rng.integers(70, 88)),
        vignette=rng.uniform(0.1, 0.25),
        blur=1.0,
        contrast=rng.uniform(0.9, 1.05),
        saturation=rng.uniform(0.8, 1.0),
        tint=(rng.uniform(0.97, 1.06), 1.0, rng.uniform(0.92, 1.03)),
    )
    return Look(
        palette=_CAMERA,
        texture=texture,
        sky=sky,
        exposure=rng.uniform(0.9, 1.15),
        sensor=sensor,
        **light,
    )


def day_look(rng: np.random.Generator) -> Look:
    """The camera by day: :func:`camera_look`, but no dusk."""
    look = camera_look(rng)
    while look.sun[2] < 0.2:
        look = camera_look(rng)
    return look


def _overcast(look: Look, sky: float, light: float, **changes: Any) -> Look:
    """A look under a closed sky without sun: grey of the sky, and ambient light."""
    grey = np.array([0.97, 1.0, 1.03])
    return replace(
        look,
        sky=Sky(sky * grey, sky * grey, np.zeros(3), 0.8, 0.95 * sky * grey),
        sunlight=np.zeros(3),
        ambient=light * grey,
        **changes,
    )


def fog_look(rng: np.random.Generator) -> Look:
    """The camera in fog: what is some ten metres away fades to the grey of the sky."""
    return _in_fog(camera_look(rng), rng)


def _in_fog(look: Look, rng: np.random.Generator) -> Look:
    return _overcast(
        look,
        rng.uniform(0.62, 0.78),
        rng.uniform(0.55, 0.7),
        haze=rng.uniform(0.018, 0.04),
        shadow=0.05,
        sensor=replace(look.sensor, saturation=0.75),
    )


def night_look(rng: np.random.Generator) -> Look:
    """The camera by night: little light, which is yellow, lit windows and lamps, and much noise."""
    return _by_night(camera_look(rng), rng)


def _by_night(look: Look, rng: np.random.Generator) -> Look:
    lamp_light = np.array([1.0, 0.78, 0.5])
    dark = rng.uniform(0.01, 0.03) * np.array([0.8, 0.85, 1.2])
    return replace(
        look,
        texture=replace(look.texture, lit=rng.uniform(0.2, 0.5), lamps=rng.uniform(1.0, 1.4)),
        sky=Sky(dark, 2 * dark + 0.02 * lamp_light, np.zeros(3), 0.3, 2 * dark),
        sunlight=np.zeros(3),
        ambient=rng.uniform(0.25, 0.45) * lamp_light,
        haze=0.002,
        shadow=0.3,
        sensor=replace(
            look.sensor,
            noise=rng.uniform(0.02, 0.04),
            vignette=rng.uniform(0.4, 0.7),
            shutter=0.5,
        ),
    )


def rain_look(rng: np.random.Generator) -> Look:
    """The camera in rain: a closed sky, wet and dark asphalt, streaks, and a wet lens."""
    look = camera_look(rng)
    wet = rng.uniform(0.5, 0.7)
    texture = replace(look.texture, asphalt=wet * look.texture.asphalt, patches=0.3, lamps=1.0)
    return _overcast(
        look,
        rng.uniform(0.55, 0.75),
        rng.uniform(0.4, 0.55),
        texture=replace(texture, sidewalk=wet * texture.sidewalk),
        haze=rng.uniform(0.006, 0.012),
        shadow=0.1,
        sensor=replace(look.sensor, blur=rng.uniform(1.5, 3.0), rain=rng.uniform(0.5, 1.5)),
    )


def snow_look(rng: np.random.Generator) -> Look:
    """The camera in a snowfall: white ground and roofs, grey trees, and flakes in the air."""
    look = camera_look(rng)
    white = np.array([0.9, 0.92, 0.96])
    road = rng.uniform(0.2, 0.7)  # how much of the snow lies on it
    asphalt = look.texture.asphalt
    return _overcast(
        look,
        rng.uniform(0.7, 0.8),
        rng.uniform(0.6, 0.75),
        palette=replace(
            look.palette,
            roof=0.5 * (look.palette.roof + white),
            leaf=0.5 * (look.palette.leaf.mean(1, keepdims=True) + white),
        ),
        texture=replace(
            look.texture,
            asphalt=asphalt + road * (white - asphalt),
            sidewalk=0.95 * white,
            grass=white,
            dry_grass=0.9 * white,
            patches=0.3,
        ),
        haze=rng.uniform(0.006, 0.015),
        shadow=0.05,
        sensor=replace(look.sensor, saturation=0.75, snow=rng.uniform(0.5, 2.0)),
    )


#: Adverse conditions of ACDC. Their palettes have the sizes of that of :func:`day_look`: one seed
#: gives the same scene under each of them.
CONDITIONS = dict(fog=fog_look, night=night_look, rain=rain_look, snow=snow_look)


#: Continuous shifts of SHIFT, from a clear day, and what each of them turns it to.
SHIFTS = dict(daytime_to_night=_by_night, clear_to_foggy=_in_fog)


#: The haze of a clear day; hazy evenings have more.
CLEAR = 0.006


@dataclass(frozen=True)
class Drift:
    """A look that changes while a drive lasts: there and back.

    Attributes:
        start: The look at the first and at the last frame.
        far: The look in the middle. Both have the same palette.
        frames: Number of frames, at least 2.
    """

    start: Look
    far: Look
    frames: int

    def share(self, frame: float) -> float:
        """How much of the look `far` there is in a frame, 0 to 1, smooth in time."""
        return float(np.sin(np.pi * frame / (self.frames - 1)) ** 2)

    def look(self, frame: float) -> Look:
        """The look of a frame."""
        return _mix(self.start, self.far, self.share(frame))


def drift(kind: str, rng: np.random.Generator, frames: int) -> Drift:
    """A drift that begins on a clear day.

    Args:
        kind: One of :data:`SHIFTS`.
        rng: Source of the looks at both ends.
        frames: Number of frames.
    """
    start = day_look(rng)
    while start.haze > CLEAR:
        start = day_look(rng)
    return Drift(start, SHIFTS[kind](start, rng), frames)


def _mix(one: Any, other: Any, share: float) -> Any:
    """Weighted mean of two looks, or of their parts; what is no number is taken from `one`."""
    if is_dataclass(one) and not isinstance(one, type):
        names = (field.name for field in fields(one))
        return replace(
            one, **{name: _mix(getattr(one, name), getattr(other, name), share) for name in names}
        )
    if isinstance(one, tuple):
        return tuple(_mix(a, b, share) for a, b in zip(one, other, strict=True))
    if isinstance(one, (float, np.ndarray)):
        return one + share * (other - one)
    return one


def _varied(rng: np.random.Generator, *bases: np.ndarray, count: int = 6) -> np.ndarray:
    """Colours (count, 3): some of the bases, each with another brightness and saturation."""
    base = np.concatenate(bases)
    chosen = base[rng.integers(len(base), size=count)]
    grey = chosen.mean(1, keepdims=True)
    chosen = grey + (chosen - grey) * rng.uniform(0.2, 1.2, (count, 1))
    return np.clip(chosen * rng.uniform(0.6, 1.25, (count, 1)), 0.02, 1.0)


def varied_look(rng: np.random.Generator) -> Look:
    """Source for a real camera: every drive draws its colours, surfaces, weather and camera anew.

    Domain randomisation (Tobin et al., 2017; Tremblay et al., 2018): what a network learns from
    many looks holds for one more, the real one.
    """
    names = [field.name for field in fields(Palette)]
    both = {name: (getattr(_RENDERED, name), getattr(_CAMERA, name)) for name in names}
    palette = Palette(
        **{
            **{name: _varied(rng, *bases) for name, bases in both.items()},
            'wall': _varied(rng, *both['wall'], _BRICK, count=8),
            'leaf': _varied(rng, *both['leaf'], _DRY, count=4),
            'skin': _SKIN * rng.uniform(0.7, 1.1),
            'vehicle': _varied(rng, _CAMERA.vehicle, *both['vehicle'], count=10),
            'cloth': _varied(rng, _CAMERA.cloth, *both['cloth'], count=10),
        }
    )
    asphalt = rng.uniform(0.25, 0.6)
    sidewalk = asphalt * rng.uniform(0.8, 1.7)
    texture = Texture(
        asphalt=asphalt * rng.uniform(0.95, 1.05, 3),
        sidewalk=np.clip(sidewalk, 0, 0.9) * rng.uniform(0.92, 1.08, 3) * [1.03, 1.0, 0.95],
        grass=_varied(rng, _GRASS, count=1)[0],
        dry_grass=_varied(rng, _GRASS, count=1)[0],
        mark=rng.uniform(0.55, 0.95) * np.array([1.0, 1.0, 0.96]),
        grain=rng.uniform(0.03, 0.25),
        patches=rng.uniform(0.02, 0.25),
        tile=rng.uniform(0.3, 2.5),
        brick=rng.uniform(0.1, 1.0),
        lit=rng.uniform(0.0, 0.1),
        lamps=rng.uniform(0.1, 0.9),
        pane=tuple(rng.uniform(0.04, 0.4) * rng.uniform(0.85, 1.15, 3)),
        shops=rng.uniform(0.1, 0.9),
        fascia=rng.random(),
        dirt=rng.uniform(0.03, 0.3),
        kerb=rng.uniform(-0.3, 0.5),
        kerb_lines=int(rng.integers(3)),
        repairs=rng.uniform(0.0, 0.25),
        paint=rng.uniform(0.0, 0.3),
        glazing=rng.uniform(-0.06, 0.14),
        sashes=bool(rng.random() < 0.5),
    )
    # from a clear day to a closed sky
    cover = rng.random()
    zenith = _rgb('3f78cc')[0] + (_rgb('d8dce0')[0] - _rgb('3f78cc')[0]) * rng.random() ** 0.5
    horizon = zenith + (_rgb('f4f4f2')[0] - zenith) * rng.uniform(0.4, 1.0)
    warm = np.array([1.0, rng.uniform(0.8, 1.0), rng.uniform(0.55, 1.0)])
    sunlight = (1 - cover) * rng.uniform(0.4, 1.0)
    elevation = rng.uniform(0.2, 1.2)
    sky = Sky(
        zenith=zenith,
        horizon=horizon,
        glow=warm * (1 - cover) * rng.uniform(0.0, 0.5),
        clouds=rng.uniform(0.1, 0.8),
        cloud=rng.uniform(0.7, 1.1) * np.ones(3),
    )
    contrast = rng.uniform(0.85, 1.5)
    # a strong tone curve darkens the street: longer exposure makes up for a part of it
    exposure = rng.uniform(0.8, 1.4) * contrast ** rng.uniform(0.3, 0.9)
    # the sky is brighter than any paper, and often too bright for the camera
    bright = rng.uniform(0.95, 1.6)
    sky = replace(sky, zenith=sky.zenith * bright, horizon=sky.horizon * bright)
    sensor = Sensor(
        shutter=rng.choice([0.0, 0.15, 0.3]),
        gain_drift=rng.uniform(0.0, 0.08),
        noise=rng.uniform(0.0, 0.025),
        quality=int(rng.integers(55, 96)),
        vignette=rng.uniform(0.0, 0.3),
        blur=rng.uniform(0.0, 2.5) * (rng.random() < 0.4),
        sharpen=rng.uniform(0.0, 1.0),
        contrast=contrast,
        saturation=rng.uniform(0.5, 1.2),
        tint=(rng.uniform(0.92, 1.08), 1.0, rng.uniform(0.9, 1.1)),
    )
    return Look(
        palette=palette,
        texture=texture,
        sky=sky,
        sun=_direction(rng.uniform(-np.pi, np.pi), elevation),
        sunlight=sunlight * warm,
        ambient=rng.uniform(0.45, 0.85) * np.array([0.98, 1.0, rng.uniform(1.0, 1.08)]),
        haze=rng.choice([0.0005, 0.002, 0.005]) * rng.uniform(0.5, 1.5),
        shadow=rng.uniform(0.05, 0.4) * (1 - cover),
        exposure=exposure,
        sensor=sensor,
        shadow_length=rng.uniform(9.0, 18.0),
    )


def precipitation(
    kind: str, density: float, shape: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """What is in the air: (H, W) float32, the share of each pixel that it covers.

    Args:
        kind: ``rain``, thin streaks of one direction, or ``snow``, flakes of several sizes.
        density: Number per 1000 pixels.
        shape: Height and width.
        rng: Source of positions and sizes.
    """
    height, width = shape
    cover = np.zeros(shape, np.uint8)
    slant = rng.uniform(-0.3, 0.3)
    for _ in range(rng.poisson(density * height * width / 1000)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        size, value = rng.uniform(0.3, 1.0), int(rng.uniform(60, 200))
        if kind == 'rain':
            length = 0.12 * size * height
            end = round(x + slant * length), round(y + length)
            cv2.line(cover, (round(x), round(y)), end, value // 2, 1, cv2.LINE_AA)
        else:
            # In sixteenths of a pixel: most flakes are smaller than one.
            radius = max(8, round(16 * 0.006 * size**3 * width))
            cv2.circle(cover, (round(16 * x), round(16 * y)), radius, value, -1, cv2.LINE_AA, 4)
    return cover.astype(np.float32) / 255


def develop(
    image: np.ndarray,
    flow: np.ndarray | None,
    sensor: Sensor,
    time: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Converts radiance to the image stored by the camera.

    Args:
        image: (H, W, 3) float RGB, 1 is white.
        flow: (H, W, 2) motion to the next frame in pixels; required if the shutter is not 0.
        sensor: Effects of the camera.
        time: Seconds, for the drift of the exposure.
        rng: Source of the noise.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    image = image.astype(np.float32)
    height, width = image.shape[:2]
    if sensor.shutter:
        assert flow is not None
        v, u = np.mgrid[:height, :width].astype(np.float32)
        motion = np.clip(flow, -0.06 * width, 0.06 * width).astype(np.float32)
        motion *= sensor.shutter
        moments = [
            cv2.remap(
                image,
                u + share * motion[..., 0],
                v + share * motion[..., 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for share in (-0.5, -0.25, 0.0, 0.25, 0.5)
        ]
        image = sum(moments, np.float32(0)) / 5
    if sensor.blur:
        image = cv2.GaussianBlur(image, (0, 0), max(sensor.blur * width / 1000, 0.3))
    if sensor.vignette:
        v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        image = image * (1 - sensor.vignette * (u * u + v * v) / 2)[..., None]
    for kind, density in (('rain', sensor.rain), ('snow', sensor.snow)):
        if density:
            cover = precipitation(kind, density, (height, width), rng)[..., None]
            image = image + cover * (np.float32(0.8) - image)
    gain = 1 + sensor.gain_drift * np.sin(1.7 * time)
    image = image * (np.asarray(sensor.tint, np.float32) * np.float32(gain))
    grey = image @ np.array([0.3, 0.59, 0.11], np.float32)
    image = grey[..., None] + (image - grey[..., None]) * np.float32(sensor.saturation)
    # soft shoulder instead of hard clipping
    image = np.clip(image, 0, None) ** np.float32(sensor.contrast)
    image = np.where(image > 0.8, 0.8 + 0.2 * np.tanh((image - 0.8) / 0.2), image)
    if sensor.sharpen:
        edges = image - cv2.GaussianBlur(image, (0, 0), 1.0)
        image = np.clip(image + sensor.sharpen * edges, 0, None)
    if sensor.noise:
        grain = rng.standard_normal(image.shape, np.float32)
        image = image + sensor.noise * grain * np.sqrt(0.25 + image)
    image = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    if sensor.quality is not None:
        coded = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, sensor.quality])
        decoded = cv2.imdecode(coded[1], cv2.IMREAD_COLOR)
        assert decoded is not None
        image = decoded[..., ::-1]
    return image
