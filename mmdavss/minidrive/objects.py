"""Street furniture, buildings, plants and traffic, composed of solids.

Every function adds one or several bodies with their parts to a builder. Sizes are in metres; x is
forward in the frame of the body.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .labels import Label
from .scene import Material, SceneBuilder, Shape, euler

Colour = np.ndarray
DARK = np.array([0.05, 0.05, 0.06])
STEEL = np.array([0.42, 0.43, 0.45])
ALONG_X = euler(y=np.pi / 2)  # turns the axis of a cylinder from z to x
ALONG_Y = euler(x=np.pi / 2)
UPSIDE_DOWN = euler(x=np.pi)
WALK = 4.6  # angular rate of the legs, radians per second


def _wheels(
    b: SceneBuilder,
    body: int,
    label: Label,
    radius: float,
    width: float,
    places: list[tuple[float, float]],
    material: Material = Material.TYRE,
) -> None:
    for x, y in places:
        b.part(
            body,
            Shape.CYLINDER,
            (x, y, radius),
            (2 * radius, 2 * radius, width),
            label,
            material,
            DARK,
            rotation=ALONG_Y,
        )


def car(
    b: SceneBuilder,
    rng: np.random.Generator,
    colour: Colour,
    x: float,
    offset: float,
    speed: float = 0.0,
    yaw: float = 0.0,
) -> None:
    """A passenger car: saloon, estate or a taller model."""
    length, width = rng.uniform(3.9, 4.7), rng.uniform(1.75, 1.9)
    tall = rng.uniform(0.0, 0.25)
    body = b.body(x, offset, (speed, 0.0), yaw, (length / 2, width / 2, 1.2))
    belt = 0.86 + 0.4 * tall
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, (0.28 + belt) / 2),
        (length, width, belt - 0.28),
        Label.CAR,
        Material.CAR_BODY,
        colour,
        taper=(0.05, 0.06),
    )
    estate = rng.random() < 0.4
    cabin = 0.62 * length if estate else 0.52 * length
    b.part(
        body,
        Shape.BOX,
        (-0.17 * length if estate else -0.06 * length, 0.0, belt + 0.29 + tall / 4),
        (cabin, width * 0.93, 0.58 + tall / 2),
        Label.CAR,
        Material.CABIN,
        colour,
        taper=(0.22 if estate else 0.4, 0.2),
    )
    _wheels(
        b,
        body,
        Label.CAR,
        0.33,
        0.24,
        [(s * 0.31 * length, t * (width / 2 - 0.1)) for s in (-1, 1) for t in (-1, 1)],
    )


def van(
    b: SceneBuilder,
    rng: np.random.Generator,
    colour: Colour,
    x: float,
    offset: float,
    speed: float = 0.0,
    yaw: float = 0.0,
) -> None:
    """A delivery van or a people carrier, labelled as a car."""
    length, width, height = rng.uniform(4.4, 5.4), rng.uniform(1.85, 2.0), rng.uniform(1.75, 2.4)
    body = b.body(x, offset, (speed, 0.0), yaw, (length / 2, width / 2, height))
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, 0.68),
        (length, width, 0.8),
        Label.CAR,
        Material.CAR_BODY,
        colour,
        taper=(0.03, 0.04),
    )
    b.part(
        body,
        Shape.BOX,
        (-0.1 * length, 0.0, (1.06 + height) / 2),
        (0.78 * length, width * 0.96, height - 1.06),
        Label.CAR,
        Material.CABIN,
        colour,
        taper=(rng.uniform(0.1, 0.25), 0.1),
    )
    _wheels(
        b,
        body,
        Label.CAR,
        0.34,
        0.24,
        [(s * 0.32 * length, t * (width / 2 - 0.1)) for s in (-1, 1) for t in (-1, 1)],
    )


def bus(
    b: SceneBuilder,
    rng: np.random.Generator,
    colour: Colour,
    x: float,
    offset: float,
    speed: float = 0.0,
    yaw: float = 0.0,
) -> None:
    """A city bus: a long box with a band of windows all around."""
    length, width, height = rng.uniform(8.5, 11.0), 2.5, rng.uniform(2.9, 3.2)
    body = b.body(x, offset, (speed, 0.0), yaw, (length / 2, width / 2, height))
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, 0.35 + height / 2 - 0.15),
        (length, width, height - 0.3),
        Label.BUS,
        Material.BUS,
        colour,
        taper=(0.01, 0.04),
        seed=int(rng.integers(1 << 16)),
    )
    _wheels(
        b,
        body,
        Label.BUS,
        0.47,
        0.3,
        [(s * 0.3 * length, t * (width / 2 - 0.12)) for s in (-1, 1) for t in (-1, 1)],
    )


def truck(
    b: SceneBuilder,
    rng: np.random.Generator,
    colours: tuple[Colour, Colour],
    x: float,
    offset: float,
    speed: float = 0.0,
    yaw: float = 0.0,
) -> None:
    """A box truck: a cab, and a higher cargo box behind it."""
    cargo, width, height = rng.uniform(4.2, 6.0), 2.35, rng.uniform(2.2, 2.6)
    length = cargo + 2.0
    body = b.body(x, offset, (speed, 0.0), yaw, (length / 2, width / 2, 0.9 + height))
    seed = int(rng.integers(1 << 16))
    b.part(
        body,
        Shape.BOX,
        (-1.05, 0.0, 0.85 + height / 2),
        (cargo, width, height),
        Label.TRUCK,
        Material.CARGO,
        colours[0],
        seed=seed,
    )
    b.part(
        body,
        Shape.BOX,
        (-1.05, 0.0, 0.7),
        (cargo, width * 0.8, 0.35),
        Label.TRUCK,
        Material.PLAIN,
        DARK,
    )
    front = cargo / 2 - 1.0
    b.part(
        body,
        Shape.BOX,
        (front + 0.95, 0.0, 0.85),
        (1.85, width * 0.95, 0.95),
        Label.TRUCK,
        Material.CAR_BODY,
        colours[1],
    )
    b.part(
        body,
        Shape.BOX,
        (front + 0.9, 0.0, 1.85),
        (1.7, width * 0.93, 1.05),
        Label.TRUCK,
        Material.CABIN,
        colours[1],
        taper=(0.18, 0.06),
    )
    _wheels(
        b,
        body,
        Label.TRUCK,
        0.47,
        0.3,
        [
            (s, t * (width / 2 - 0.16))
            for s in (-0.3 * length, -0.3 * length + 1.0, 0.36 * length)
            for t in (-1, 1)
        ],
    )


def _human(
    b: SceneBuilder,
    rng: np.random.Generator,
    clothes: tuple[Colour, Colour],
    skin: Colour,
    body: int,
    label: Label,
    seat: float | None,
    stride: float,
) -> None:
    """Head, torso, arms and legs; seated at height `seat`, or standing if None."""
    phase = rng.uniform(0, 2 * np.pi)
    tall = rng.uniform(0.94, 1.06)
    shirt, trousers = clothes
    hair = np.array([[0.1, 0.07, 0.05], [0.35, 0.2, 0.1], [0.5, 0.45, 0.4]])[rng.integers(3)]
    lean = 0.0 if seat is None else 0.35
    hip = (0.86 * tall) if seat is None else seat
    shoulder = hip + 0.56 * tall * np.cos(lean)
    forward = 0.56 * tall * np.sin(lean)
    tilt = euler(y=lean)
    for side in (-1, 1):
        swing = (stride, WALK, phase + (np.pi if side > 0 else 0.0))
        if seat is None:
            b.part(
                body,
                Shape.CYLINDER,
                (0.0, side * 0.1, hip),
                (0.19, 0.19, hip),
                label,
                Material.CLOTH,
                trousers,
                swing=swing,
                arm=(0.0, 0.0, -hip / 2),
            )
        else:
            b.part(
                body,
                Shape.CYLINDER,
                (0.0, side * 0.13, hip),
                (0.2, 0.2, 0.62),
                label,
                Material.CLOTH,
                trousers,
                rotation=euler(y=-0.75),
                swing=(0.3 if stride else 0.0, WALK, phase + (np.pi if side > 0 else 0.0)),
                arm=(0.0, 0.0, -0.3),
            )
        b.part(
            body,
            Shape.CYLINDER,
            (forward, side * 0.27, shoulder - 0.04),
            (0.13, 0.13, 0.6),
            label,
            Material.CLOTH,
            shirt,
            rotation=euler(y=-1.1 if seat is not None else 0.0),
            swing=(0.0 if seat is not None else 0.8 * stride, WALK, swing[2] + np.pi),
            arm=(0.0, 0.0, -0.27),
        )
    b.part(
        body,
        Shape.BOX,
        (forward / 2, 0.0, hip + 0.27 * tall * np.cos(lean)),
        (0.27, 0.5, 0.66 * tall),
        label,
        Material.CLOTH,
        shirt,
        rotation=tilt @ UPSIDE_DOWN,
        taper=(0.0, 0.2),
    )
    b.part(
        body,
        Shape.ELLIPSOID,
        (forward + 0.02, 0.0, shoulder + 0.2),
        (0.23, 0.2, 0.3),
        label,
        Material.CLOTH,
        skin,
    )
    b.part(
        body,
        Shape.ELLIPSOID,
        (forward - 0.02, 0.0, shoulder + 0.25),
        (0.24, 0.22, 0.24),
        label,
        Material.CLOTH,
        hair,
    )


def person(
    b: SceneBuilder,
    rng: np.random.Generator,
    clothes: tuple[Colour, Colour],
    skin: Colour,
    x: float,
    offset: float,
    speed: tuple[float, float] = (0.0, 0.0),
) -> None:
    """A pedestrian, facing the walking direction."""
    walking = bool(np.hypot(*speed) > 0.1)
    yaw = float(np.arctan2(speed[1], speed[0])) if walking else rng.uniform(-np.pi, np.pi)
    body = b.body(x, offset, speed, yaw, (0.25, 0.3, 1.6))
    _human(b, rng, clothes, skin, body, Label.PERSON, None, 0.45 if walking else 0.06)


def bicycle(
    b: SceneBuilder,
    rng: np.random.Generator,
    colour: Colour,
    rider: tuple[tuple[Colour, Colour], Colour] | None,
    x: float,
    offset: float,
    speed: tuple[float, float] = (0.0, 0.0),
    yaw: float = 0.0,
) -> None:
    """A bicycle with thin spoked wheels; `rider` is (clothes, skin) or None for a parked one."""
    body = b.body(x, offset, speed, yaw, (0.85, 0.15, 0.8))
    label = Label.PARKED_BICYCLE if rider is None else Label.BICYCLE
    _wheels(b, body, label, 0.38, 0.1, [(-0.57, 0.0), (0.57, 0.0)], Material.SPOKES)
    # all parts differ in width: faces in the same plane would flicker
    for centre, size, tilt in (
        ((-0.02, 0.0, 0.72), (0.85, 0.104, 0.1), 0.0),
        ((0.17, 0.0, 0.5), (0.62, 0.108, 0.1), -0.8),
        ((-0.35, 0.0, 0.55), (0.1, 0.112, 0.75), 0.3),
        ((0.48, 0.0, 0.7), (0.1, 0.116, 0.72), 0.25),
    ):
        b.part(
            body,
            Shape.BOX,
            centre,
            size,
            label,
            Material.PLAIN,
            colour,
            rotation=euler(y=tilt if size[0] < 0.2 else -tilt),
        )
    b.part(body, Shape.BOX, (0.42, 0.0, 1.05), (0.08, 0.58, 0.07), label, Material.PLAIN, DARK)
    b.part(body, Shape.BOX, (-0.3, 0.0, 0.95), (0.28, 0.18, 0.08), label, Material.PLAIN, DARK)
    if rider is not None:
        saddle = x - 0.27 * np.cos(yaw), offset - 0.27 * np.sin(yaw)
        _human(b, rng, *rider, b.body(*saddle, speed, yaw), Label.RIDER, 0.97, float(any(speed)))


def motorcycle(
    b: SceneBuilder,
    rng: np.random.Generator,
    colour: Colour,
    rider: tuple[tuple[Colour, Colour], Colour] | None,
    x: float,
    offset: float,
    speed: float = 0.0,
    yaw: float = 0.0,
) -> None:
    """A motorcycle: thick wheels, a bulky body, fairing and lamps."""
    body = b.body(x, offset, (speed, 0.0), yaw, (1.05, 0.3, 0.9))
    label = Label.MOTORCYCLE
    _wheels(b, body, label, 0.33, 0.2, [(-0.7, 0.0), (0.7, 0.0)])
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, 0.48),
        (0.85, 0.36, 0.45),
        label,
        Material.PLAIN,
        STEEL * 0.5,
        taper=(0.1, 0.2),
    )
    b.part(
        body, Shape.ELLIPSOID, (0.2, 0.0, 0.86), (0.75, 0.42, 0.42), label, Material.PLAIN, colour
    )
    b.part(body, Shape.BOX, (-0.5, 0.0, 0.82), (0.85, 0.34, 0.2), label, Material.CAR_BODY, colour)
    b.part(
        body, Shape.ELLIPSOID, (0.62, 0.0, 0.88), (0.45, 0.5, 0.62), label, Material.PLAIN, colour
    )
    b.part(body, Shape.BOX, (0.4, 0.0, 1.12), (0.08, 0.78, 0.07), label, Material.PLAIN, DARK)
    for side in (-1, 1):
        b.part(
            body,
            Shape.BOX,
            (-0.62, side * 0.28, 0.62),
            (0.5, 0.2, 0.32),
            label,
            Material.PLAIN,
            DARK * 2,
        )
    if rider is not None:
        saddle = x - 0.22 * np.cos(yaw), offset - 0.22 * np.sin(yaw)
        _human(b, rng, *rider, b.body(*saddle, (speed, 0.0), yaw), Label.RIDER, 0.9, 0.0)


def pole(
    b: SceneBuilder,
    body: int,
    height: float,
    radius: float = 0.07,
    place: tuple[float, float] = (0.0, 0.0),
) -> None:
    """An upright steel pole on a body."""
    b.part(
        body,
        Shape.CYLINDER,
        (*place, height / 2),
        (2 * radius, 2 * radius, height),
        Label.POLE,
        Material.PLAIN,
        STEEL,
    )


def street_lamp(b: SceneBuilder, x: float, offset: float) -> None:
    """A lamp post with an arm over the road; labelled entirely as pole."""
    body = b.body(x, offset, footprint=(0.12, 0.12, 5.0))
    pole(b, body, 6.2, 0.09)
    inward = -np.sign(offset)
    b.part(
        body,
        Shape.BOX,
        (0.0, inward * 0.8, 6.2),
        (0.09, 1.7, 0.09),
        Label.POLE,
        Material.PLAIN,
        STEEL,
    )
    b.part(
        body,
        Shape.BOX,
        (0.0, inward * 1.7, 6.15),
        (0.28, 0.7, 0.14),
        Label.POLE,
        Material.PLAIN,
        STEEL * 1.3,
    )


def traffic_light(
    b: SceneBuilder,
    rng: np.random.Generator,
    x: float,
    offset: float,
    arm: bool,
    scale: float = 1.0,
) -> None:
    """Signal heads on a pole, plus one over the road if `arm`."""
    body = b.body(x, offset, footprint=(0.15, 0.15, 4.0))
    state = int(rng.integers(3))
    facing = 0 if offset < 0 or rng.random() < 0.6 else 1

    def head(y: float, z: float) -> None:
        b.part(
            body,
            Shape.BOX,
            (-0.1 if facing == 0 else 0.1, y, z),
            (0.4 * scale, 0.56 * scale, 1.5 * scale),
            Label.LIGHT,
            Material.LAMPS,
            DARK,
            seed=state,
            rotation=euler(z=np.pi * (1 - facing)),
        )

    inward = -np.sign(offset)
    pole(b, body, 5.4 if arm else 3.3, 0.09)
    head(0.0, 2.75)
    if arm:
        b.part(
            body,
            Shape.BOX,
            (0.0, inward * 1.8, 5.3),
            (0.11, 3.6, 0.11),
            Label.POLE,
            Material.PLAIN,
            STEEL,
        )
        head(inward * 3.2, 4.75)


def traffic_sign(
    b: SceneBuilder, rng: np.random.Generator, x: float, offset: float, scale: float = 1.0
) -> None:
    """One or two signs on a pole, facing traffic from behind or from ahead."""
    body = b.body(x, offset, footprint=(0.1, 0.3, 2.5))
    pole(b, body, 3.35, 0.05)
    turn = np.pi + rng.uniform(-0.25, 0.25) if offset < 0 or rng.random() < 0.5 else 0.0
    count = 1 + int(rng.random() < 0.35)
    for level in range(count):
        kind = int(rng.integers(6))
        size = rng.uniform(0.9, 1.15) * scale
        centre = (-0.09 * np.sign(abs(turn) - 1), 0.0, 2.75 - 1.1 * level)
        face = euler(z=turn)
        common: dict[str, Any] = dict(
            label=Label.SIGN, material=Material.SIGN, colour=STEEL, seed=kind
        )
        if kind in (0, 1, 2):  # prohibition, mandatory direction, stop
            b.part(
                body, Shape.CYLINDER, centre, (size, size, 0.05), rotation=face @ ALONG_X, **common
            )
        elif kind == 3:  # right of way: a square standing on its corner
            b.part(
                body,
                Shape.BOX,
                centre,
                (0.05, 0.72 * size, 0.72 * size),
                rotation=face @ euler(x=np.pi / 4),
                **common,
            )
        elif kind == 4:  # warning triangle
            b.part(
                body,
                Shape.BOX,
                centre,
                (0.05, size, 0.9 * size),
                taper=(0.0, 1.0),
                rotation=face,
                **common,
            )
        else:  # parking, town names
            b.part(body, Shape.BOX, centre, (0.05, size, 0.75 * size), rotation=face, **common)


def direction_board(b: SceneBuilder, x: float, offset: float) -> None:
    """A large direction sign on two poles."""
    body = b.body(x, offset, footprint=(0.15, 1.0, 2.5))
    for y in (-0.7, 0.7):
        pole(b, body, 3.3, 0.06, (0.08, y))
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, 2.7),
        (0.07, 2.2, 1.2),
        Label.SIGN,
        Material.SIGN,
        STEEL,
        seed=6,
        rotation=euler(z=np.pi),
    )


def tree(
    b: SceneBuilder,
    rng: np.random.Generator,
    colours: tuple[Colour, Colour],
    x: float,
    offset: float,
    scale: float = 1.0,
) -> None:
    """A broad-leaved tree (a trunk and a crown of several ragged lumps) or a slender conifer."""
    leaf, bark = colours
    body = b.body(x, offset, footprint=(1.3 * scale, 1.3 * scale, 5.0 * scale))
    trunk = rng.uniform(2.0, 2.6) * scale
    b.part(
        body,
        Shape.CYLINDER,
        (0.0, 0.0, trunk / 2 + 0.4),
        (0.32, 0.32, trunk + 0.8),
        Label.TREE,
        Material.BARK,
        bark,
    )
    slender = rng.random() < 0.25
    lumps = 4 if slender else 6
    for lump in range(lumps):
        if slender:
            share = lump / (lumps - 1)
            centre = (0.0, 0.0, trunk + (0.3 + 3.6 * share) * scale)
            size = np.array([2.2 - 1.5 * share, 2.2 - 1.5 * share, 2.2]) * scale
        else:
            angle = lump * 2.4 + rng.uniform(0, 1)
            radius = (0.0 if lump == 0 else rng.uniform(0.7, 1.1)) * scale
            centre = (
                radius * np.cos(angle),
                radius * np.sin(angle),
                trunk + rng.uniform(0.6, 2.1) * scale + (0.6 * scale if lump == 0 else 0.0),
            )
            size = rng.uniform(1.7, 2.5) * scale * np.array([1.0, 1.0, rng.uniform(0.8, 1.0)])
        shade = leaf * rng.uniform(0.85, 1.12)
        b.part(body, Shape.FOLIAGE, centre, tuple(size), Label.TREE, Material.LEAF, shade)


def bare_tree(
    b: SceneBuilder,
    rng: np.random.Generator,
    bark: Colour,
    x: float,
    offset: float,
    scale: float = 1.0,
) -> None:
    """A tree in winter: a trunk, boughs, and lumps of twigs around their ends."""
    body = b.body(x, offset, footprint=(0.3, 0.3, 4.0 * scale))
    trunk = rng.uniform(1.8, 3.0) * scale
    girth = rng.uniform(0.25, 0.5)
    b.part(
        body,
        Shape.CYLINDER,
        (0.0, 0.0, trunk / 2),
        (girth, girth, trunk),
        Label.TREE,
        Material.BARK,
        bark,
    )
    for bough in range(int(rng.integers(5, 9))):
        azimuth, polar = 2.4 * bough + rng.uniform(-0.5, 0.5), rng.uniform(0.1, 0.9)
        length = rng.uniform(2.0, 3.6) * scale
        way = np.array(
            [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)]
        )
        start = np.array([0.0, 0.0, trunk * rng.uniform(0.7, 1.0)])
        b.part(
            body,
            Shape.CYLINDER,
            tuple(start + way * length / 2),
            (girth * 0.35, girth * 0.35, length),
            Label.TREE,
            Material.BARK,
            bark,
            rotation=euler(y=polar, z=azimuth),
        )
        size = rng.uniform(1.8, 3.2, 3) * scale
        b.part(
            body,
            Shape.TWIGS,
            tuple(start + way * length),
            tuple(size),
            Label.TREE,
            Material.BARK,
            bark * rng.uniform(0.8, 1.2),
        )


def bush(
    b: SceneBuilder,
    rng: np.random.Generator,
    leaf: Colour,
    x: float,
    offset: float,
    scale: float = 1.0,
) -> None:
    """Two or three lumps of foliage on the ground."""
    body = b.body(x, offset, footprint=(0.7 * scale, 0.7 * scale, 0.8 * scale))
    for _ in range(int(rng.integers(2, 4))):
        size = rng.uniform(1.0, 1.7, 3) * scale
        b.part(
            body,
            Shape.FOLIAGE,
            (*rng.uniform(-0.6, 0.6, 2), 0.35 * size[2]),
            tuple(size),
            Label.HEDGE,
            Material.LEAF,
            leaf * rng.uniform(0.85, 1.1),
        )


def hedge(
    b: SceneBuilder, leaf: Colour, x: float, offset: float, length: float, height: float
) -> None:
    """A clipped hedge along the street."""
    body = b.body(x, offset, footprint=(length / 2, 0.4, height))
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, height / 2),
        (length, 0.8, height),
        Label.HEDGE,
        Material.LEAF,
        leaf,
        taper=(0.02, 0.15),
    )


def fence(
    b: SceneBuilder,
    rng: np.random.Generator,
    colour: Colour,
    x: float,
    offset: float,
    length: float,
    height: float,
) -> None:
    """A board or bar fence along the street."""
    body = b.body(x, offset, footprint=(length / 2, 0.1, height))
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, height / 2),
        (length, 0.08, height),
        Label.FENCE,
        Material.FENCE,
        colour,
        seed=int(rng.integers(1 << 16)),
    )


def building(
    b: SceneBuilder,
    rng: np.random.Generator,
    colours: tuple[Colour, Colour],
    x: float,
    offset: float,
    size: tuple[float, float, float],
    pitched: bool,
) -> None:
    """A house of (length along the street, depth, height), with a flat or a pitched roof."""
    wall, roof = colours
    length, depth, height = size
    body = b.body(x, offset, footprint=(length / 2, depth / 2, height))
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, height / 2),
        size,
        Label.BUILDING,
        Material.FACADE,
        wall,
        seed=int(rng.integers(1 << 16)),
    )
    if pitched:
        rise = rng.uniform(2.0, 3.5)
        b.part(
            body,
            Shape.BOX,
            (0.0, 0.0, height + rise / 2),
            (length + 0.3, depth + 0.7, rise),
            Label.BUILDING,
            Material.ROOF,
            roof,
            taper=(0.1, 1.0),
        )
    else:
        b.part(
            body,
            Shape.BOX,
            (0.0, 0.0, height + 0.15),
            (length + 0.15, depth + 0.3, 0.4),
            Label.BUILDING,
            Material.PLAIN,
            wall * 0.75,
        )


def wall(
    b: SceneBuilder,
    rng: np.random.Generator,
    colour: Colour,
    x: float,
    offset: float,
    length: float,
    height: float,
) -> None:
    """A garden wall along the street, labelled as a building."""
    body = b.body(x, offset, footprint=(length / 2, 0.15, height))
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, height / 2),
        (length, 0.3, height),
        Label.BUILDING,
        Material.WALL,
        colour,
        seed=int(rng.integers(1 << 16)),
    )


def chimneys(
    b: SceneBuilder,
    rng: np.random.Generator,
    colour: Colour,
    x: float,
    offset: float,
    size: tuple[float, float, float],
) -> None:
    """Chimney stacks on the gables of a house of (length, depth, height)."""
    length, _, height = size
    for sign in (-1, 1):
        if rng.random() < 0.3:
            continue
        body = b.body(x + sign * (length / 2 - 0.4), offset)
        tall = rng.uniform(3.2, 4.6)
        b.part(
            body,
            Shape.BOX,
            (0.0, rng.uniform(-1.0, 1.0), height + tall / 2),
            (0.7, rng.uniform(0.8, 1.8), tall),
            Label.BUILDING,
            Material.WALL,
            colour,
            seed=int(rng.integers(1 << 16)),
        )


def bay(
    b: SceneBuilder,
    rng: np.random.Generator,
    colour: Colour,
    x: float,
    offset: float,
    height: float,
) -> None:
    """A bay window in front of a house."""
    body = b.body(x, offset, footprint=(1.2, 0.5, height))
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, height / 2),
        (rng.uniform(2.0, 2.8), 1.1, height),
        Label.BUILDING,
        Material.FACADE,
        colour,
        seed=int(rng.integers(1 << 16)),
    )


def shop_sign(
    b: SceneBuilder, rng: np.random.Generator, colour: Colour, x: float, offset: float
) -> None:
    """A sign that projects from a facade, or an advertisement that stands on the pavement."""
    body = b.body(x, offset)
    standing = rng.random() < 0.25
    wide, high = rng.uniform(0.5, 1.1), rng.uniform(0.5, 1.3)
    b.part(
        body,
        Shape.BOX,
        (0.0, -0.5 * np.sign(offset), high / 2 + (0.3 if standing else rng.uniform(2.6, 4.2))),
        (0.12, wide, high) if not standing else (0.25, 1.2, 1.7),
        Label.SIGN,
        Material.POSTER,
        colour,
        seed=int(rng.integers(1 << 16)),
        rotation=euler(z=rng.uniform(-0.3, 0.3)),
    )


def bollard(
    b: SceneBuilder, colour: Colour, x: float, offset: float, size: tuple[float, float]
) -> None:
    """A post of (diameter, height) on the kerb."""
    body = b.body(x, offset, footprint=(size[0] / 2, size[0] / 2, size[1]))
    b.part(
        body,
        Shape.CYLINDER,
        (0.0, 0.0, size[1] / 2),
        (size[0], size[0], size[1]),
        Label.POLE,
        Material.PLAIN,
        colour,
    )


def lamp_post(
    b: SceneBuilder, colour: Colour, x: float, offset: float, height: float, arm: float
) -> None:
    """A slender lamp post with an arm of some length over the road; entirely a pole."""
    body = b.body(x, offset, footprint=(0.1, 0.1, height))
    inward = -np.sign(offset)
    for top, radius in ((height, 0.06), (1.6, 0.11)):
        b.part(
            body,
            Shape.CYLINDER,
            (0.0, 0.0, top / 2),
            (2 * radius, 2 * radius, top),
            Label.POLE,
            Material.PLAIN,
            colour,
        )
    b.part(
        body,
        Shape.BOX,
        (0.0, inward * arm / 2, height),
        (0.08, arm + 0.1, 0.08),
        Label.POLE,
        Material.PLAIN,
        colour,
    )
    b.part(
        body,
        Shape.BOX,
        (0.0, inward * arm, height - 0.03),
        (0.26, 0.6, 0.14),
        Label.POLE,
        Material.PLAIN,
        colour,
    )


def bin_(b: SceneBuilder, colour: Colour, x: float, offset: float) -> None:
    """A litter bin, one of the objects without a class."""
    body = b.body(x, offset, footprint=(0.3, 0.3, 0.9))
    b.part(
        body,
        Shape.BOX,
        (0.0, 0.0, 0.5),
        (0.6, 0.6, 1.0),
        Label.CLUTTER,
        Material.PLAIN,
        colour,
        rotation=UPSIDE_DOWN,
        taper=(0.15, 0.15),
    )


def bonnet(b: SceneBuilder, colour: Colour, drop: float) -> None:
    """The bonnet of the ego car, `drop` metres below the camera."""
    b.part(
        0,
        Shape.ELLIPSOID,
        (1.6, 0.0, -drop - 0.3),
        (1.7, 1.8, 0.6),
        Label.EGO,
        Material.BONNET,
        colour,
    )
