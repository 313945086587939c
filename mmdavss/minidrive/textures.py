"""Surface patterns: colour and glow of points on parts or on the ground.

All patterns are functions of the point in the frame of its part, so they move with it. Edges of
patterns are softened by the size of a pixel at that depth, which prevents distant ones from
flickering.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .labels import Label
from .noise import hash01, noise
from .scene import Material, Shape, Street


@dataclass(frozen=True)
class Texture:
    """Appearance of surfaces.

    Args:
        asphalt, sidewalk, grass, mark: RGB (3,) in [0, 1].
        dry_grass: RGB that grass varies towards.
        grain: Contrast of the fine grain of all surfaces.
        patches: Contrast of repairs and stains on the asphalt.
        tile: Size of the paving slabs of sidewalks, metres.
        brick: Share of buildings with brick courses.
        lit: Share of lit windows.
        lamps: Brightness of lamps and lit windows.
        pane: RGB of window panes.
        shops: Share of buildings with a shop.
        fascia: Share of shops with a coloured front.
        dirt: Contrast of stains on everything that stands on the ground.
        kerb: How much brighter kerbs are than the sidewalk.
        kerb_lines: Number of yellow lines beside the kerbs.
        repairs: Contrast of rectangular repairs and of seams in the asphalt.
        paint: Share of the road with arrows and words.
        glazing: How much wider windows are, on both sides, as a share of their distance.
        sashes: Whether windows have a horizontal bar.
    """

    asphalt: np.ndarray
    sidewalk: np.ndarray
    grass: np.ndarray
    dry_grass: np.ndarray
    mark: np.ndarray
    grain: float
    patches: float
    tile: float
    brick: float
    lit: float
    lamps: float
    pane: tuple[float, float, float] = (0.16, 0.2, 0.26)
    shops: float = 0.45
    fascia: float = 0.0
    dirt: float = 0.0
    kerb: float = 0.25
    kerb_lines: int = 0
    repairs: float = 0.0
    paint: float = 0.0
    glazing: float = 0.0
    sashes: bool = False


@dataclass
class Surface:
    """Points on parts of one material (n of them).

    Args:
        local: (n, 3) in the frame of the part, metres.
        unit: (n, 3) the same in units of the half sizes.
        half: (n, 3) half sizes, metres.
        normal: (n, 3) in the frame of the part.
        colour: (n, 3) base colour of the part.
        seed: (n,) seed of the part.
        pixel: (n,) size of a pixel at the point, metres.
    """

    local: np.ndarray
    unit: np.ndarray
    half: np.ndarray
    normal: np.ndarray
    colour: np.ndarray
    seed: np.ndarray
    pixel: np.ndarray

    def across(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinate along a vertical face of a box, and the half length of the face, metres."""
        ends = np.abs(self.normal[:, 0]) > np.abs(self.normal[:, 1])
        return (
            np.where(ends, self.local[:, 1], self.local[:, 0]),
            np.where(ends, self.half[:, 1], self.half[:, 0]),
        )


def step(x: np.ndarray, soft: np.ndarray | float) -> np.ndarray:
    """0 below zero, 1 above, with a ramp of width `soft`."""
    return np.clip(x / np.maximum(soft, 1e-6) + 0.5, 0, 1)


def band(
    x: np.ndarray, low: np.ndarray | float, high: np.ndarray | float, soft: np.ndarray | float
) -> np.ndarray:
    """1 between low and high, 0 outside, with soft edges."""
    return step(x - low, soft) * step(high - x, soft)


def mix(a: np.ndarray, b: np.ndarray | float, share: np.ndarray) -> np.ndarray:
    """Linear mix: a at share 0, b at share 1; colours (n, 3), share (n,)."""
    return a + (b - a) * share[:, None]


def normals(shape: np.ndarray, unit: np.ndarray, half: np.ndarray, taper: np.ndarray) -> np.ndarray:
    """Outward unit normals (n, 3) at points on parts, in the frames of the parts.

    Args:
        shape: (n,) kinds of solid.
        unit: (n, 3) points in units of the half sizes.
        half: (n, 3) half sizes.
        taper: (n, 2) tapers of boxes.
    """
    normal = unit / half  # ellipsoids
    tube = np.flatnonzero(shape == Shape.CYLINDER)
    side = (np.abs(unit[tube, 2]) < 1 - 1e-6)[:, None]
    normal[tube] = np.where(side, normal[tube] * [1, 1, 0], unit[tube] * [0, 0, 1])
    box = np.flatnonzero(shape == Shape.BOX)
    u, lean = unit[box], taper[box] / 2
    reach = np.abs(u)
    reach[:, :2] += lean * (u[:, 2:] + 1)
    face = reach.argmax(1)
    flat = np.zeros_like(u)
    rows = np.arange(len(box))
    flat[rows, face] = np.where(u[rows, face] < 0, -1.0, 1.0) / half[box, face]
    slanted = face < 2
    flat[rows[slanted], 2] = lean[rows[slanted], face[slanted]] / half[box[slanted], 2]
    normal[box] = flat
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def ground(
    street: Street, texture: Texture, labels: np.ndarray, points: np.ndarray, pixel: np.ndarray
) -> np.ndarray:
    """Colours (n, 3) of points of the ground.

    Args:
        street: Ground plan of the street.
        texture: Appearance of surfaces.
        labels: (n,) labels of the points.
        points: (n, 3) metres.
        pixel: (n,) size of a pixel at the points, metres.
    """
    x, y = points[:, 0], points[:, 1]
    fade = 1 / (1 + (pixel / 0.05) ** 2)
    fine = noise(x * 14, y * 14) * texture.grain * fade
    coarse = noise(x * 2.3, y * 2.3)
    colours = np.empty((len(x), 3))
    offset = y - street.centre(x)

    def put(mask: np.ndarray, base: np.ndarray, factor: np.ndarray) -> None:
        colours[mask] = base * factor[mask, None]

    stains = (
        1
        + texture.patches * coarse
        - texture.patches * 0.8 * band(np.abs(np.mod(offset, 3.3) - 1.65), 0.6, 1.1, 0.5)
    )
    road = labels == Label.ROAD
    if texture.repairs:
        stains += texture.repairs * _repairs(x, offset, pixel)
    put(road, texture.asphalt, stains + fine)
    inward = street.half_width - np.abs(offset)
    if texture.kerb_lines:
        near = np.flatnonzero(road & (inward < 1))
        for line in range(texture.kerb_lines):
            low = 0.25 + 0.22 * line
            cover = band(inward[near], low, low + 0.1, pixel[near])
            colours[near] = mix(colours[near], np.array([0.72, 0.6, 0.25]), 0.8 * cover)
    if texture.paint:
        # in some of the cells of each lane
        row, lane = np.floor(x / 9.0), np.floor(offset / 3.2)
        kind = hash01(row, lane, row * 0 + 5) / texture.paint
        some = np.flatnonzero(road & (kind < 1))
        cover = _paint(x[some], offset[some], kind[some], pixel[some])
        colours[some] = mix(colours[some], texture.mark, 0.8 * cover)
    put(
        labels == Label.LANE_MARK,
        texture.mark,
        1 + 2 * texture.patches * np.minimum(coarse, 0.0) + fine,
    )
    slabs = np.minimum(np.mod(offset, texture.tile), np.mod(x, texture.tile))
    joints = 1 - 0.22 * (1 - step(slabs - 0.05, pixel * 1.5)) * (1 / (1 + (pixel / 0.15) ** 2))
    kerb = band(np.abs(offset) - street.half_width, 0.0, 0.22, pixel)
    walk = labels == Label.SIDEWALK
    put(
        walk,
        texture.sidewalk,
        (1 + 0.5 * texture.patches * coarse + fine) * joints * (1 + texture.kerb * kerb),
    )
    grass = labels == Label.TERRAIN
    tufts = noise(x[grass] * 5, y[grass] * 5)
    colours[grass] = mix(
        np.tile(texture.grass, (grass.sum(), 1)),
        texture.dry_grass,
        np.clip(0.45 + 0.45 * coarse[grass], 0, 1),
    )
    colours[grass] *= (1 + (0.12 + texture.grain) * tufts + fine[grass])[:, None]
    return colours


def _repairs(x: np.ndarray, offset: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Brightness in [-1, 1] of rectangular repairs in the asphalt, of seams and manhole covers."""
    row, column = np.floor(x / 5.3), np.floor(offset / 1.7)
    chance = hash01(row, column, column * 0 + 3)
    patch = np.where(chance < 0.25, 8 * chance - 1, 0.0)
    seam = band(np.abs(np.mod(offset + 0.8 * chance, 3.4) - 1.7), 0.0, 0.03, pixel)
    u, v = np.mod(x, 5.3) - 2.6, np.mod(offset, 1.7) - 0.8
    cover = (chance > 0.93) * step(0.33 - np.hypot(u, v), pixel)
    return np.clip(patch - 0.8 * seam - cover, -1, 1)


def _paint(x: np.ndarray, offset: np.ndarray, kind: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Cover in [0, 1] of arrows, words or hatching, as `kind` in [0, 1) says, along the lanes."""
    u, v = np.mod(x, 9.0) - 2.5, np.mod(offset, 3.2) - 1.6
    away = np.abs(v)
    arrow = band(away, -1, 0.08, pixel) * band(u, 0.0, 2.6, pixel)
    head = step(0.45 * (4.0 - u) / 1.4 - away, pixel) * band(u, 2.6, 4.0, pixel)
    words = step(noise(x * 3 + 7, offset * 14), 0.3) * band(away, -1, 1.1, pixel)
    words = words * band(np.mod(u, 2.6), 0.0, 1.7, pixel) * band(u, 0.0, 5.2, pixel)
    hatch = band(np.mod(u + 1.2 * v, 1.5), 0.0, 0.16, pixel) * band(away, -1, 1.3, pixel)
    return np.where(kind < 0.4, np.maximum(arrow, head), np.where(kind < 0.75, words, hatch))


def weather(albedo: np.ndarray, s: Surface, texture: Texture) -> np.ndarray:
    """Adds stains to colours (n, 3): broad ones, and grain where pixels are small."""
    if not texture.dirt:
        return albedo
    x, y, z = s.local.T
    along = 1.3 * x + y
    broad = noise(along * 1.1 + s.seed, z * 0.7) + 0.7 * noise(along * 5, z * 4)
    grain = noise(along * 17, z * 23) / (1 + (s.pixel / 0.08) ** 2)
    return albedo * np.clip(1 + texture.dirt * (broad + 0.8 * grain), 0.2, 1.8)[:, None]


def _facade(s: Surface, texture: Texture) -> tuple[np.ndarray, np.ndarray]:
    across, half = s.across()
    up = s.local[:, 2] + s.half[:, 2]
    height = 2 * s.half[:, 2]
    pick = [hash01(s.seed, np.full_like(s.seed, i), s.seed) for i in range(6)]
    colour = s.colour * (1 + 0.06 * noise(across * 2 + s.seed, up * 2))[:, None]
    bricks = pick[0] < texture.brick
    course = 0.13 * band(np.mod(up, 0.3), 0.0, 0.06, s.pixel) / (1 + (s.pixel / 0.1) ** 2)
    colour *= (
        1
        - np.where(bricks, course, 0.0)
        + np.where(bricks, 0.1 * noise(across * 9, up * 30) / (1 + (s.pixel / 0.06) ** 2), 0.0)
    )[:, None]

    storey, pitch = 2.9 + 0.6 * pick[1], 1.8 + 1.4 * pick[2]
    count = np.maximum(np.floor(2 * half / pitch), 1)
    pitch = 2 * half / count
    column, row = (across + half) / pitch, up / storey
    fx, fy = column - np.floor(column), row - np.floor(row)
    soft_x, soft_y = s.pixel / pitch, s.pixel / storey
    wide = 0.2 + 0.1 * pick[3] - texture.glazing
    shop = (row < 1) & (pick[4] < texture.shops)
    low = np.where(shop, 0.12, 0.28)
    left = np.where(shop, 0.08, wide)
    glass = band(fx, left, 1 - left, soft_x) * band(fy, low, 0.82, soft_y)
    frame = band(fx, left - 0.05, 1.05 - left, soft_x) * band(fy, low - 0.05, 0.87, soft_y)
    whole = (np.floor(row) + 1) * storey < height + 0.05
    upright = np.abs(s.normal[:, 2]) < 0.5
    glass, frame = glass * (whole & upright), frame * (whole & upright)
    colour = mix(colour, np.clip(s.colour * 0.55 + 0.38, 0, 1), frame)
    number = hash01(np.floor(column), np.floor(row), s.seed + np.where(s.normal[:, 0] > 0.5, 1, 0))
    if texture.fascia:
        front = (shop & upright & (pick[5] < texture.fascia)) * (1 - glass)
        dyes = np.stack(
            [hash01(s.seed, np.floor(across / 6.0), s.seed * 0 + i) for i in range(3)], 1
        )
        dyes = dyes.mean(1, keepdims=True) * 0.5 + dyes * 0.5
        colour = mix(colour, dyes**1.5, front)
        words = step(noise(across * 9 + s.seed, up * 9), 0.5) * band(fy, 0.86, 0.95, soft_y)
        colour = mix(colour, 1 - dyes, front * words * (fx > 0.1))
    pane = np.array(texture.pane) * (0.7 + 0.9 * number * fy)[:, None]
    bar = band(fx, 0.48, 0.52, soft_x) * (~shop)
    if texture.sashes:
        bar = np.maximum(bar, band(fy, 0.53, 0.57, soft_y) * (~shop))
    colour = mix(colour, pane, glass * (1 - 0.7 * bar))
    ledge = band(fy, 0.94, 1.0, soft_y) * upright * (pick[5] < 0.6)
    colour = mix(colour, s.colour * 0.78, ledge)
    glow = (number < texture.lit) * glass * (1 - 0.7 * bar) * texture.lamps
    return colour, glow[:, None] * np.array([0.85, 0.62, 0.3])


def _wall(s: Surface, texture: Texture) -> np.ndarray:
    across, _ = s.across()
    up = s.local[:, 2] + s.half[:, 2]
    course = band(np.mod(up, 0.15), 0.0, 0.03, s.pixel) / (1 + (s.pixel / 0.06) ** 2)
    rough = noise(across * 8 + s.seed, up * 24) / (1 + (s.pixel / 0.1) ** 2)
    coping = band(2 * s.half[:, 2] - up, -1, 0.1, s.pixel)
    return s.colour * (1 - 0.2 * course + 0.15 * rough + 0.2 * coping)[:, None]


def _poster(s: Surface, texture: Texture) -> np.ndarray:
    across, half = s.across()
    up = s.unit[:, 2]
    dye = np.stack([hash01(s.seed, s.seed * 0 + i, s.seed) for i in range(3)], 1)
    picture = step(noise(across * 6 + s.seed, s.local[:, 2] * 9), 0.4)
    inside = step(0.85 - np.maximum(np.abs(across) / half, np.abs(up)), s.pixel / half)
    return mix(s.colour, dye, inside * picture)


def _fence(s: Surface, texture: Texture) -> np.ndarray:
    across, _ = s.across()
    up = s.local[:, 2] + s.half[:, 2]
    bars = s.seed % 2 == 0
    period = np.where(bars, 0.22, 0.3)
    gap = 1 - band(np.mod(across, period) / period, 0.12, 0.88, s.pixel / period)
    fade = 1 / (1 + (s.pixel / 0.25) ** 2)
    share = np.where(bars, 0.6, 0.45) * gap * (0.35 + 0.65 * fade)
    rails = band(up, 0.12, 0.26, s.pixel) + band(2 * s.half[:, 2] - up, 0.1, 0.24, s.pixel)
    colour = s.colour * (1 + 0.08 * noise(across * 3, up * 20))[:, None]
    return mix(mix(colour, s.colour * 0.35, share), s.colour * 1.12, np.clip(rails, 0, 1))


def _car_body(s: Surface, texture: Texture) -> tuple[np.ndarray, np.ndarray]:
    y, z = np.abs(s.unit[:, 1]), s.unit[:, 2]
    soft = s.pixel / s.half[:, 1]
    end = np.abs(s.normal[:, 0]) > 0.7
    rear = end & (s.normal[:, 0] < 0)
    lamps = end * band(y, 0.58, 0.95, soft) * band(z, 0.05, 0.65, soft * 2)
    colour = mix(s.colour, np.where(rear[:, None], [0.6, 0.04, 0.04], [0.9, 0.9, 0.82]), lamps)
    plate = end * band(y, -0.1, 0.28, soft) * band(z, -0.45, -0.1, soft * 2)
    colour = mix(colour, np.array([0.85, 0.85, 0.8]), plate)
    sill = step(-0.55 - z, soft * 2) * (np.abs(s.normal[:, 2]) < 0.5)
    colour = mix(colour, np.array([0.08, 0.08, 0.09]), 0.8 * sill)
    arch = np.hypot(np.abs(s.local[:, 0]) - 0.62 * s.half[:, 0], s.local[:, 2] + s.half[:, 2])
    colour = mix(
        colour,
        np.array([0.05, 0.05, 0.06]),
        step(0.42 - arch, s.pixel) * (np.abs(s.normal[:, 1]) > 0.5),
    )
    glow = lamps[:, None] * np.where(rear[:, None], [0.6, 0.03, 0.02], [0.7, 0.66, 0.5])
    return colour, glow * texture.lamps


def _cabin(s: Surface, texture: Texture) -> np.ndarray:
    across, half = s.across()
    z = s.unit[:, 2]
    edge = (np.abs(across) / half) / (1 - 0.2 * (z + 1) / 2)
    soft = s.pixel / half
    side = np.abs(s.normal[:, 1]) > np.abs(s.normal[:, 0])
    glass = step(0.9 - edge, soft) * band(z, -0.85, 0.72, s.pixel / s.half[:, 2])
    glass *= np.where(side, 1 - band(across / half, -0.1, 0.02, soft), 1.0)
    glass *= s.normal[:, 2] < 0.93
    sheen = 0.5 + 0.25 * z
    return mix(s.colour, np.array([0.15, 0.2, 0.26]) * sheen[:, None], glass)


def _bus(s: Surface, texture: Texture) -> tuple[np.ndarray, np.ndarray]:
    across, half = s.across()
    z = s.unit[:, 2]
    soft = s.pixel / s.half[:, 2]
    side = np.abs(s.normal[:, 1]) > 0.5
    upright = np.abs(s.normal[:, 2]) < 0.5
    rear = s.normal[:, 0] < -0.5
    front = s.normal[:, 0] > 0.5
    low = np.where(front, -0.35, -0.02)
    glass = band(z, low, 0.68, soft) * upright
    pitch = np.where(side, 1.35, 1.1)
    glass *= np.where(
        side,
        band(np.mod(across, pitch) / pitch, 0.05, 0.95, s.pixel / pitch),
        step(0.9 - np.abs(across) / half, s.pixel / half),
    )
    door = side * band(np.mod(across, 4.05), 1.35, 2.7, s.pixel) * band(z, -0.85, 0.68, soft)
    glass = np.maximum(glass, 0.75 * door * (s.normal[:, 1] < 0))
    stripe = band(z, -0.45, -0.25, soft) * upright
    colour = mix(s.colour, np.clip(1.1 - s.colour, 0.1, 0.95), 0.8 * stripe)
    colour = mix(colour, np.array([0.09, 0.12, 0.15]) * (1.2 + 0.5 * z)[:, None], glass)
    board = (
        (front | rear) * band(z, 0.74, 0.94, soft) * band(across / half, -0.6, 0.6, s.pixel / half)
    )
    colour = mix(colour, np.array([0.05, 0.05, 0.05]), board)
    lamps = (
        (front | rear)
        * band(np.abs(across) / half, 0.66, 0.92, s.pixel / half)
        * band(z, -0.75, -0.5, soft)
    )
    tint = np.where(rear[:, None], [0.65, 0.04, 0.04], [0.9, 0.9, 0.8])
    colour = mix(colour, tint, lamps)
    inside = 0.35 * glass * (~front) * (texture.lit > 0)
    glow = lamps[:, None] * tint * 0.8 + inside[:, None] * np.array([0.7, 0.62, 0.42])
    text = board * (hash01(np.floor(across * 6), s.seed, s.seed) < 0.6)
    glow += text[:, None] * np.array([0.72, 0.44, 0.08])
    return colour, glow * texture.lamps


def _cargo(s: Surface, texture: Texture) -> np.ndarray:
    across, half = s.across()
    z = s.unit[:, 2]
    ribs = 0.1 * band(np.mod(across, 0.5), 0.0, 0.12, s.pixel) / (1 + (s.pixel / 0.2) ** 2)
    border = np.maximum(np.abs(across) / half, np.abs(z))
    colour = s.colour * (1 - ribs)[:, None]
    colour = mix(colour, s.colour * 0.5, step(border - 0.94, s.pixel))
    rear = np.abs(s.normal[:, 0]) > 0.7
    doors = rear * (
        band(across, -0.03, 0.03, s.pixel)
        + 0.6 * band(np.abs(across), 0.42, 0.48, s.pixel)
        + 0.6 * band(z, -0.3, -0.24, s.pixel)
    )
    colour = mix(colour, s.colour * 0.35, np.clip(doors, 0, 1))
    hue = np.stack([hash01(s.seed, s.seed + i, s.seed) for i in range(3)], -1)
    panel = (
        (~rear)
        * band(z, -0.35, 0.4, s.pixel / half)
        * band(across / half, -0.7, 0.7, s.pixel / half)
        * (s.seed % 2 == 0)
    )
    return mix(colour, hue * 0.8 + 0.1, 0.8 * panel)


def _lamps(s: Surface, texture: Texture) -> tuple[np.ndarray, np.ndarray]:
    front = s.normal[:, 0] > 0.5
    y, z = s.local[:, 1], s.local[:, 2]
    soft = s.pixel
    colour = np.tile([0.05, 0.06, 0.055], (len(y), 1))
    rim = np.maximum(np.abs(s.unit[:, 1]) - 1 + 0.16, np.abs(s.unit[:, 2]) - 1 + 0.06)
    colour = mix(colour, np.array([0.62, 0.62, 0.55]), step(rim, soft * 4) * 0.8)
    glow = np.zeros_like(colour)
    tints = np.array([[1.0, 0.12, 0.08], [1.0, 0.62, 0.08], [0.1, 0.95, 0.45]])
    for lamp, tint in enumerate(tints):
        disc = front * step(0.2 - np.hypot(y, z - 0.46 * (1 - lamp)), soft)
        lit = s.seed % 3 == lamp
        colour = mix(colour, tint * np.where(lit, 0.85, 0.18)[:, None], disc)
        glow += (disc * lit)[:, None] * tint * 0.8
    return colour, glow * max(texture.lamps, 0.35)


def _sign(s: Surface, texture: Texture) -> np.ndarray:
    kind = s.seed
    round_ = kind < 3
    # coordinates on the face, in units of the half size; up is +b
    a = np.where(round_, -s.unit[:, 1], s.unit[:, 1])
    b = np.where(round_, -s.unit[:, 0], s.unit[:, 2])
    front = np.where(round_, s.normal[:, 2], s.normal[:, 0]) > 0.5
    soft = s.pixel / np.where(round_, s.half[:, 0], s.half[:, 1])
    white, red = np.array([0.93, 0.93, 0.9]), np.array([0.8, 0.06, 0.08])
    blue, yellow, green = (
        np.array(c) for c in ([0.05, 0.22, 0.62], [0.98, 0.78, 0.08], [0.03, 0.4, 0.2])
    )
    radius = np.hypot(a, b)
    box = np.maximum(np.abs(a), np.abs(b))
    n = len(a)
    faces = np.zeros((7, n, 3))
    faces[0] = mix(np.tile(white, (n, 1)), red, step(radius - 0.7, soft))
    faces[0] = mix(
        faces[0],
        np.array([0.08] * 3),
        band(np.abs(a), 0.12, 0.38, soft) * band(b, -0.35, 0.35, soft),
    )
    faces[1] = mix(
        np.tile(blue, (n, 1)),
        white,
        np.maximum(
            band(a, -0.14, 0.14, soft) * band(b, -0.6, 0.3, soft),
            step(0.5 - np.abs(a) - np.abs(b - 0.2), soft) * step(b - 0.15, soft),
        ),
    )
    faces[1] = mix(faces[1], white, step(radius - 0.9, soft))
    faces[2] = mix(
        np.tile(red, (n, 1)), white, band(b, -0.2, 0.2, soft) * step(0.75 - np.abs(a), soft)
    )
    faces[2] = mix(faces[2], white, step(radius - 0.9, soft))
    faces[3] = mix(np.tile(yellow, (n, 1)), white, step(box - 0.72, soft))
    width = np.maximum(1 - (b + 1) / 2, 0.02)
    inner = np.minimum(1 - np.abs(a) / width, (b + 1) / 2)
    faces[4] = mix(np.tile(white, (n, 1)), red, step(0.17 - inner * width.clip(0.3), soft))
    faces[5] = mix(
        np.tile(blue, (n, 1)), white, band(a, -0.35, -0.1, soft) * step(0.7 - np.abs(b), soft)
    )
    faces[5] = mix(
        faces[5],
        white,
        band(np.hypot((a - 0.05) * 1.1, b - 0.3), 0.2, 0.42, soft) * step(a + 0.15, soft),
    )
    lines = sum(band(b, y - 0.09, y + 0.09, soft) for y in (-0.5, 0.0, 0.5))
    faces[6] = mix(
        np.tile(green, (n, 1)), white, np.clip(lines, 0, 1) * band(a, -0.75, 0.6, soft) * 0.9
    )
    faces[6] = mix(faces[6], white, step(box - 0.92, soft))
    return np.where(front[:, None], faces[np.minimum(kind, 6), np.arange(n)], s.colour * 0.8)


def _spokes(s: Surface, texture: Texture) -> np.ndarray:
    radius = np.hypot(s.unit[:, 0], s.unit[:, 1])
    rim = step(radius - 0.78, s.pixel / s.half[:, 0])
    return mix(np.tile([0.45, 0.45, 0.46], (len(radius), 1)), np.array([0.04, 0.04, 0.05]), rim)


def _tyre(s: Surface, texture: Texture) -> np.ndarray:
    radius = np.hypot(s.unit[:, 0], s.unit[:, 1])
    hub = step(0.62 - radius, s.pixel / s.half[:, 0])
    return mix(np.tile([0.05, 0.05, 0.055], (len(radius), 1)), np.array([0.55, 0.56, 0.58]), hub)


def _leaf(s: Surface, texture: Texture) -> np.ndarray:
    x, y, z = s.local.T * 8
    rough = noise(x * 2 + z * 1.7, y * 2 - z) + 0.6 * noise(x * 5, z * 5 + y * 3) / (
        1 + (s.pixel / 0.08) ** 2
    )
    return s.colour * np.clip(0.92 + 0.38 * rough + 0.22 * s.unit[:, 2], 0.25, 1.7)[:, None]


def _plain(s: Surface, texture: Texture) -> np.ndarray:
    return s.colour


def _rough(s: Surface, texture: Texture) -> np.ndarray:
    x, y, z = s.local.T
    return s.colour * (1 + 0.2 * noise(x * 12 + y * 12, z * 6))[:, None]


def _roof(s: Surface, texture: Texture) -> np.ndarray:
    rows = band(np.mod(s.local[:, 2], 0.3), 0.0, 0.1, s.pixel) / (1 + (s.pixel / 0.15) ** 2)
    return s.colour * (1 - 0.25 * rows + 0.1 * noise(s.local[:, 0] * 6, s.local[:, 2] * 6))[:, None]


def _cloth(s: Surface, texture: Texture) -> np.ndarray:
    return s.colour * (1 + 0.1 * s.unit[:, 2])[:, None]


_PATTERNS = {
    Material.PLAIN: _plain,
    Material.FACADE: _facade,
    Material.ROOF: _roof,
    Material.LEAF: _leaf,
    Material.BARK: _rough,
    Material.FENCE: _fence,
    Material.CAR_BODY: _car_body,
    Material.CABIN: _cabin,
    Material.TYRE: _tyre,
    Material.BUS: _bus,
    Material.CARGO: _cargo,
    Material.LAMPS: _lamps,
    Material.SIGN: _sign,
    Material.CLOTH: _cloth,
    Material.BONNET: _plain,
    Material.SPOKES: _spokes,
    Material.WALL: _wall,
    Material.POSTER: _poster,
}


def paint(
    material: Material, surface: Surface, texture: Texture
) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours (n, 3), and glow (n, 3) or None, of points on parts of one material."""
    result = _PATTERNS[material](surface, texture)
    return result if isinstance(result, tuple) else (result, None)
