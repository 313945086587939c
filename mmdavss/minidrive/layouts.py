"""Generates a street scene from a seed: buildings, furniture, traffic and people.

The two kinds of layout differ in geometry and in object frequencies, like two real cities and two
recording campaigns, but both contain every class. `varied_layout` draws further kinds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import objects
from .scene import Ego, Scene, SceneBuilder, Street

VIEW = 110.0  # objects are placed up to this far ahead of the last camera position, metres


@dataclass(frozen=True)
class Palette:
    """Colours (n, 3) of objects, RGB in [0, 1]."""

    wall: np.ndarray
    roof: np.ndarray
    leaf: np.ndarray
    bark: np.ndarray
    vehicle: np.ndarray
    cargo: np.ndarray
    bus: np.ndarray
    cloth: np.ndarray
    skin: np.ndarray
    fence: np.ndarray
    bonnet: np.ndarray

    def draw(self, rng: np.random.Generator, name: str) -> np.ndarray:
        """Draws one of the colours `name`, slightly varied."""
        choices = getattr(self, name)
        return np.clip(choices[rng.integers(len(choices))] * rng.uniform(0.88, 1.1), 0.0, 1.0)

    def rider(self, rng: np.random.Generator) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Draws the colours of a person: clothes (top, trousers) and skin."""
        return (self.draw(rng, 'cloth'), self.draw(rng, 'cloth') * 0.6), self.draw(rng, 'skin')


@dataclass(frozen=True)
class Layout:
    """Parameters of a kind of street.

    Args:
        half_width: Range of half the road width, metres.
        sidewalk: Range of the sidewalk widths, metres.
        verge: Share of street sides with a grass strip.
        rows: Weights of the kinds of block: row of buildings, houses with front gardens, park.
        heights: Range of the building heights, metres.
        pitched: Share of buildings with a pitched roof.
        crossing: Mean distance between side streets, metres.
        lights: Share of crossings and pedestrian crossings with traffic lights.
        furniture: Mean distance of lamps, signs, bins and street trees, metres.
        signs: Share of signs among the furniture.
        trees: Share of trees among the furniture.
        parked: Share of the parking lane that is occupied.
        people: Pedestrians per 10 m of sidewalk.
        vehicles: Weights of car, truck, bus, motorcycle, bicycle and van in moving traffic.
        parked_vehicles: The same for parked ones.
        gap: Mean gap between oncoming vehicles, metres.
        speed: Range of the ego speed, metres per second.
        height: Range of the camera height, metres.
        focal: Range of the focal length, image widths.
        curve: Largest amplitude of the street's curves, metres.
        fences, hedges, walls: Shares of these borders around gardens and parks.
        plots: Range of the widths of the houses in a row, metres; None: one house per block.
        chimneys: Share of houses with chimneys.
        bare: Share of trees without leaves.
        lamps: Distance of further lamp posts on one side, metres; 0 for none.
        posts: Distance of bollards along a part of the kerbs, metres; 0 for none.
        shops: Shop signs and advertisements per 10 m of sidewalk.
        rails: Length of guard rails between road and sidewalk, metres; 0 for none.
        sign_scale: Size of signs and traffic lights.
        lead: Range of the distance to the vehicle ahead, metres.
        slow: Mean distance of slow two-wheelers, metres.
        lane: Range of the distance of the ego car from the centre line, metres.
        horizon: Range of the row of the horizon, image heights.
        roll, yaw: Turn of the camera, radians.
        dash, edge_line: Lane marks, see :class:`Street`.
    """

    half_width: tuple[float, float]
    sidewalk: tuple[float, float]
    verge: float
    rows: tuple[float, float, float]
    heights: tuple[float, float]
    pitched: float
    crossing: float
    lights: float
    furniture: float
    signs: float
    trees: float
    parked: float
    people: float
    vehicles: tuple[float, ...]
    parked_vehicles: tuple[float, ...]
    gap: float
    speed: tuple[float, float]
    height: tuple[float, float]
    focal: tuple[float, float]
    curve: float
    fences: float = 0.68
    hedges: float = 0.12
    walls: float = 0.0
    plots: tuple[float, float] | None = None
    chimneys: float = 0.0
    bare: float = 0.0
    lamps: float = 0.0
    posts: float = 0.0
    shops: float = 0.0
    rails: float = 0.0
    sign_scale: float = 1.0
    lead: tuple[float, float] = (9.0, 15.0)
    slow: float = 22.0
    lane: tuple[float, float] = (1.5, 1.7)
    horizon: tuple[float, float] = (0.42, 0.47)
    roll: float = 0.0
    yaw: float = 0.0
    dash: tuple[float, float] = (6.0, 3.0)
    edge_line: float = 2.1


#: Wide, green, sparse: the streets of a game.
SUBURB = Layout(
    half_width=(5.3, 5.9),
    sidewalk=(2.6, 3.8),
    verge=0.75,
    rows=(0.3, 0.45, 0.25),
    heights=(5.0, 15.0),
    pitched=0.35,
    crossing=75.0,
    lights=0.95,
    furniture=7.0,
    signs=0.3,
    trees=0.24,
    parked=0.2,
    people=0.7,
    vehicles=(0.36, 0.18, 0.16, 0.16, 0.14),
    parked_vehicles=(0.4, 0.12, 0.06, 0.17, 0.25),
    gap=28.0,
    speed=(7.0, 11.0),
    height=(1.5, 1.85),
    focal=(0.8, 0.9),
    curve=5.0,
)

#: Narrow and built up, with more people and bicycles: an old town in Europe.
OLD_TOWN = Layout(
    half_width=(5.1, 5.6),
    sidewalk=(2.9, 4.4),
    verge=0.6,
    rows=(0.45, 0.35, 0.2),
    heights=(8.0, 19.0),
    pitched=0.6,
    crossing=60.0,
    lights=0.95,
    furniture=7.0,
    signs=0.33,
    trees=0.22,
    parked=0.22,
    people=0.95,
    vehicles=(0.4, 0.15, 0.15, 0.15, 0.15),
    parked_vehicles=(0.44, 0.1, 0.05, 0.16, 0.25),
    gap=32.0,
    speed=(5.0, 9.0),
    height=(1.4, 1.65),
    focal=(0.86, 0.98),
    curve=3.5,
)

#: SUBURB without the vehicles that have no id in SYNTHIA-Seq (trucks, buses, motorcycles).
SUBURB_CARS = replace(
    SUBURB, vehicles=(0.75, 0.0, 0.0, 0.0, 0.25), parked_vehicles=(0.75, 0.0, 0.0, 0.0, 0.25)
)


def varied_layout(rng: np.random.Generator) -> Layout:
    """Draws a kind of street: between suburb and old town, and beyond both."""

    def share(largest: float) -> float:
        return largest * rng.random() ** 1.5

    half_width = rng.uniform(3.2, 6.4)
    low = rng.uniform(5.0, 10.0)
    traffic, parked = (
        tuple(rng.dirichlet(weights))
        for weights in ((4, 1, 0.7, 0.6, 3, 1.2), (8, 0.6, 0.2, 0.5, 1, 2))
    )
    signs = rng.uniform(0.25, 0.45)
    bend = rng.uniform(-0.25, 0.25) if rng.random() < 0.25 else rng.uniform(-0.05, 0.05)
    return Layout(
        half_width=(half_width, half_width),
        sidewalk=(rng.uniform(1.6, 2.6), rng.uniform(2.8, 6.0)),
        verge=share(0.5),
        rows=tuple(rng.dirichlet((2.2, 1.0, 0.7))),
        heights=(low, low + rng.uniform(1.5, 10.0)),
        pitched=rng.random(),
        crossing=rng.uniform(35.0, 110.0),
        lights=share(1.0),
        furniture=rng.uniform(6.0, 16.0),
        signs=signs,
        trees=rng.uniform(0.55, 0.68) - signs,
        # no room beside the traffic in narrow streets
        parked=share(0.9) if half_width > 4.7 else 0.0,
        people=share(3.0),
        vehicles=traffic,
        parked_vehicles=parked,
        gap=rng.uniform(12.0, 60.0),
        speed=(4.0, 12.0),
        height=(1.2, 1.9),
        focal=(0.75, 1.3),
        curve=share(7.0),
        fences=rng.uniform(0.2, 0.5),
        hedges=rng.uniform(0.05, 0.25),
        walls=rng.uniform(0.1, 0.25),
        plots=(rng.uniform(4.0, 6.0), rng.uniform(6.0, 9.0)) if rng.random() < 0.6 else None,
        chimneys=share(1.0),
        bare=float(rng.choice([0.0, 0.5, 1.0])),
        lamps=rng.uniform(12.0, 40.0),
        posts=rng.uniform(1.5, 4.0) if rng.random() < 0.5 else 0.0,
        shops=share(1.2),
        rails=rng.uniform(6.0, 25.0) if rng.random() < 0.6 else 0.0,
        sign_scale=rng.uniform(0.6, 1.1),
        lead=(7.0, rng.uniform(9.0, 60.0)),
        slow=rng.uniform(15.0, 80.0),
        lane=(1.3, min(2.2, half_width - 1.9)),
        horizon=(0.42, 0.6),
        roll=rng.normal(0.0, 0.015),
        yaw=bend,
        dash=(rng.uniform(4.0, 9.0), rng.uniform(0.0, 4.0)),
        edge_line=rng.choice([0.0, 0.4, 2.1]),
    )


_VEHICLES = ('car', 'truck', 'bus', 'motorcycle', 'bicycle', 'van')


def _vehicle(
    b: SceneBuilder,
    rng: np.random.Generator,
    palette: Palette,
    kind: str,
    x: float,
    offset: float,
    speed: float,
    yaw: float,
) -> None:
    moving = speed != 0.0
    if kind == 'car':
        objects.car(b, rng, palette.draw(rng, 'vehicle'), x, offset, speed, yaw)
    elif kind == 'van':
        objects.van(b, rng, palette.draw(rng, 'vehicle'), x, offset, speed, yaw)
    elif kind == 'truck':
        colours = palette.draw(rng, 'cargo'), palette.draw(rng, 'vehicle')
        objects.truck(b, rng, colours, x, offset, speed, yaw)
    elif kind == 'bus':
        objects.bus(b, rng, palette.draw(rng, 'bus'), x, offset, speed, yaw)
    elif kind == 'motorcycle':
        rider = palette.rider(rng) if moving else None
        objects.motorcycle(b, rng, palette.draw(rng, 'vehicle'), rider, x, offset, speed, yaw)
    else:
        rider = palette.rider(rng) if moving else None
        objects.bicycle(b, rng, palette.draw(rng, 'vehicle'), rider, x, offset, (speed, 0.0), yaw)


def _choose(rng: np.random.Generator, weights: tuple[float, ...]) -> int:
    return int(rng.choice(len(weights), p=np.asarray(weights) / np.sum(weights)))


def _street(
    rng: np.random.Generator, layout: Layout, start: float, end: float
) -> tuple[Street, list[np.ndarray]]:
    """Ground plan, and the kinds of the blocks on the left and the right side."""
    amplitude = layout.curve * rng.uniform(0.3, 1.0)
    curve = np.array(
        [
            [amplitude, rng.uniform(170.0, 260.0), rng.uniform(0, 2 * np.pi)],
            [amplitude * 0.3, rng.uniform(90.0, 130.0), rng.uniform(0, 2 * np.pi)],
        ]
    )
    crossings, zebras = [], []
    x = start + rng.uniform(0.35, 1.0) * layout.crossing
    while x < end - 15:
        crossings.append((x, rng.uniform(3.5, 4.6)))
        if rng.random() < 0.7:
            zebras.append(x - crossings[-1][1] - 4.0)
        x += layout.crossing * rng.uniform(0.8, 1.4)
    ends, kinds = [], []
    for _ in range(2):
        side_ends, side_kinds, x = [], [], start
        while x < end:
            x += rng.uniform(11.0, 20.0)
            side_ends.append(x)
            side_kinds.append(_choose(rng, layout.rows))
        ends.append(np.array(side_ends))
        kinds.append(np.array(side_kinds))

    def verge() -> float:
        return rng.uniform(1.4, 2.4) * (rng.random() < layout.verge)

    street = Street(
        curve=curve,
        half_width=rng.uniform(*layout.half_width),
        verge=(verge(), verge()),
        sidewalk=(rng.uniform(*layout.sidewalk), rng.uniform(*layout.sidewalk)),
        block_ends=(ends[0], ends[1]),
        block_paved=(kinds[0] == 0, kinds[1] == 0),
        crossings=np.array(crossings).reshape(-1, 2),
        zebras=np.array(zebras),
        dash=layout.dash,
        edge_line=layout.edge_line,
    )
    return street, kinds


def _blocks(
    b: SceneBuilder,
    rng: np.random.Generator,
    layout: Layout,
    palette: Palette,
    kinds: list[np.ndarray],
    start: float,
) -> None:
    """Buildings, gardens and parks behind both sidewalks."""
    street = b.street
    for side in (0, 1):
        sign = 1 if side == 0 else -1
        edge = street.half_width + street.verge[side] + street.sidewalk[side]
        low = start
        for high, kind in zip(street.block_ends[side], kinds[side], strict=True):
            # a side street cuts the blocks that it meets
            spans = [(low, high)]
            for x, half in street.crossings:
                spans = [
                    piece
                    for a, c in spans
                    for piece in ((a, min(c, x - half - 2.2)), (max(a, x + half + 2.2), c))
                    if piece[1] - piece[0] > 3.0
                ]
            for a, c in spans:
                middle, length = (a + c) / 2, c - a
                colours = palette.draw(rng, 'wall'), palette.draw(rng, 'roof')
                pitched = bool(rng.random() < layout.pitched)
                depth = rng.uniform(8.0, 11.0)
                if kind == 0 and layout.plots is not None:
                    _terrace(b, rng, layout, palette, (a, c), edge, sign)
                elif kind == 0:
                    height = rng.uniform(*layout.heights)
                    objects.building(
                        b,
                        rng,
                        colours,
                        middle,
                        sign * (edge + 0.6 + depth / 2),
                        (length - 0.1, depth, height),
                        pitched,
                    )
                else:
                    _garden(b, rng, layout, palette, kind, (a, c), edge, sign)
                    if kind == 1:
                        objects.building(
                            b,
                            rng,
                            colours,
                            middle,
                            sign * (edge + 6.0 + depth / 2),
                            (length * rng.uniform(0.6, 0.85), depth, rng.uniform(4.5, 8.0)),
                            True,
                        )
                    else:
                        # the view behind a park must be closed
                        objects.building(
                            b,
                            rng,
                            colours,
                            middle,
                            sign * (edge + 17 + depth / 2),
                            (length, depth, rng.uniform(*layout.heights)),
                            pitched,
                        )
            low = high


def _terrace(
    b: SceneBuilder,
    rng: np.random.Generator,
    layout: Layout,
    palette: Palette,
    span: tuple[float, float],
    edge: float,
    sign: int,
) -> None:
    """Narrow houses wall to wall, alike or not."""
    assert layout.plots is not None
    count = max(round((span[1] - span[0]) / rng.uniform(*layout.plots)), 1)
    ends = np.linspace(*span, count + 1)
    alike = rng.random() < 0.5
    wall, roof = palette.draw(rng, 'wall'), palette.draw(rng, 'roof')
    height, pitched = rng.uniform(*layout.heights), bool(rng.random() < layout.pitched)
    back, bays = 0.6 + rng.uniform(0.0, 2.5) * (rng.random() < 0.4), rng.random() < 0.4
    for low, high in zip(ends[:-1], ends[1:], strict=True):
        if not alike:
            wall, roof = palette.draw(rng, 'wall'), palette.draw(rng, 'roof')
            height = rng.uniform(*layout.heights)
            pitched = bool(rng.random() < layout.pitched)
        middle, depth = (low + high) / 2, rng.uniform(8.0, 10.0)
        offset = sign * (edge + back + depth / 2)
        size = high - low - 0.02, depth, height * rng.uniform(0.97, 1.03)
        objects.building(b, rng, (wall, roof), middle, offset, size, pitched)
        if rng.random() < layout.chimneys:
            objects.chimneys(b, rng, palette.draw(rng, 'wall') * 0.8, middle, offset, size)
        if bays:
            tall = rng.uniform(2.6, 5.5)
            objects.bay(b, rng, wall * 1.1, middle, sign * (edge + back), min(tall, height - 0.5))
    if back > 1.5:
        objects.wall(
            b,
            rng,
            palette.draw(rng, 'wall') * 0.85,
            (span[0] + span[1]) / 2,
            sign * (edge + 0.15),
            span[1] - span[0] - 1.0,
            rng.uniform(0.6, 1.3),
        )


def _tree(
    b: SceneBuilder,
    rng: np.random.Generator,
    layout: Layout,
    colours: tuple[np.ndarray, np.ndarray],
    x: float,
    offset: float,
    scale: float,
) -> None:
    if layout.bare and rng.random() < layout.bare:
        objects.bare_tree(b, rng, colours[1] * 0.7, x, offset, scale * rng.uniform(0.9, 1.8))
    else:
        objects.tree(b, rng, colours, x, offset, scale)


def _garden(
    b: SceneBuilder,
    rng: np.random.Generator,
    layout: Layout,
    palette: Palette,
    kind: int,
    span: tuple[float, float],
    edge: float,
    sign: int,
) -> None:
    """Plants in front of a house or in a park, and its border."""
    middle, length = (span[0] + span[1]) / 2, span[1] - span[0]
    border = rng.random()
    if border < layout.fences:
        objects.fence(
            b,
            rng,
            palette.draw(rng, 'fence'),
            middle,
            sign * (edge + 0.15),
            length - 0.2,
            rng.uniform(1.1, 1.9),
        )
    elif border < layout.fences + layout.hedges:
        objects.hedge(
            b,
            palette.draw(rng, 'leaf'),
            middle,
            sign * (edge + 0.6),
            length - 0.6,
            rng.uniform(0.9, 1.6),
        )
    elif border < layout.fences + layout.hedges + layout.walls:
        objects.wall(
            b,
            rng,
            palette.draw(rng, 'wall') * 0.85,
            middle,
            sign * (edge + 0.15),
            length - 0.2,
            rng.uniform(0.7, 2.2),
        )
    colours = palette.draw(rng, 'leaf'), palette.draw(rng, 'bark')
    for x in np.arange(span[0] + 2.0, span[1] - 1.5, 4.5):
        place = x + rng.uniform(-1.0, 1.0)
        if kind == 2 and rng.random() < 0.8:
            _tree(
                b,
                rng,
                layout,
                colours,
                place,
                sign * (edge + rng.uniform(3.0, 9.0)),
                rng.uniform(0.9, 1.4),
            )
        elif rng.random() < 0.45:
            objects.bush(b, rng, colours[0], place, sign * (edge + rng.uniform(1.8, 3.5)))


def _kerbside(
    b: SceneBuilder,
    rng: np.random.Generator,
    layout: Layout,
    palette: Palette,
    start: float,
    end: float,
) -> None:
    """Lamps, signs, street trees and bins along the kerbs, and lights at the crossings."""
    street = b.street
    colours = palette.draw(rng, 'leaf'), palette.draw(rng, 'bark')
    for sign in (1, -1):
        kerb = street.half_width + 0.45
        verge = street.verge[0 if sign > 0 else 1]
        x = start + rng.uniform(0, layout.furniture)
        while x < end:
            clear = all(abs(x - c) > half + 2.5 for c, half in street.crossings)
            if clear:
                kind = rng.random()
                if kind < layout.signs:
                    objects.traffic_sign(b, rng, x, sign * kerb, layout.sign_scale)
                elif kind < layout.signs + layout.trees:
                    _tree(
                        b,
                        rng,
                        layout,
                        colours,
                        x,
                        sign * (kerb + 0.4 + verge / 4),
                        rng.uniform(0.75, 1.0),
                    )
                elif kind < layout.signs + layout.trees + 0.2:
                    objects.street_lamp(b, x, sign * kerb)
                elif kind < layout.signs + layout.trees + 0.25:
                    objects.direction_board(b, x, sign * (kerb + 1.2))
                elif kind < layout.signs + layout.trees + 0.31:
                    objects.bin_(b, palette.draw(rng, 'vehicle') * 0.5, x, sign * (kerb + 0.2))
                else:
                    objects.traffic_light(
                        b, rng, x, sign * kerb, bool(rng.random() < 0.5), layout.sign_scale
                    )
            x += layout.furniture * rng.uniform(0.6, 1.4)
    for x, half in street.crossings:
        if rng.random() < layout.lights:
            for sign in (1, -1):
                place = x - half - 1.2 if sign < 0 else x + half + 1.2
                objects.traffic_light(
                    b,
                    rng,
                    place,
                    sign * (street.half_width + 0.5),
                    bool(rng.random() < 0.7),
                    layout.sign_scale,
                )


def _posts(
    b: SceneBuilder,
    rng: np.random.Generator,
    layout: Layout,
    palette: Palette,
    start: float,
    end: float,
) -> None:
    """Lamp posts at equal distances, bollards, guard rails, shop signs and advertisements."""
    street = b.street
    steel = rng.uniform(0.12, 0.6) * rng.uniform(0.9, 1.1, 3)
    if layout.lamps:
        height, arm = rng.uniform(4.5, 10.0), rng.uniform(0.3, 2.2)
        both = rng.random() < 0.5
        for number, x in enumerate(np.arange(start + rng.uniform(0, 15), end, layout.lamps)):
            sign = (-1) ** number if both else 1
            objects.lamp_post(
                b, steel, x, sign * (street.half_width + rng.uniform(0.3, 0.8)), height, arm
            )
    if layout.posts:
        colour = rng.choice([0.06, 0.25, 0.7]) * rng.uniform(0.9, 1.1, 3)
        size = rng.uniform(0.1, 0.2), rng.uniform(0.7, 1.1)
        for sign in (1, -1):
            first = start + rng.uniform(0, 40)
            for x in np.arange(first, first + rng.uniform(8, 40), layout.posts):
                objects.bollard(b, colour, x, sign * (street.half_width + 0.4), size)
    if layout.rails:
        colour, height = palette.draw(rng, 'fence'), rng.uniform(0.9, 1.2)
        for sign in (1, -1):
            middle = start + layout.rails / 2 + rng.uniform(0, 50)
            place = sign * (street.half_width + 0.35)
            objects.fence(b, rng, colour, middle, place, layout.rails, height)
    for side, sign in ((0, 1), (1, -1)):
        edge = street.half_width + street.verge[side] + street.sidewalk[side]
        for x in rng.uniform(start, end, rng.poisson(layout.shops * (end - start) / 10)):
            objects.shop_sign(b, rng, palette.draw(rng, 'bus'), x, sign * (edge + 0.1))


def _traffic(
    b: SceneBuilder,
    rng: np.random.Generator,
    layout: Layout,
    palette: Palette,
    start: float,
    end: float,
    duration: float,
) -> None:
    """Parked, leading, slow and oncoming vehicles."""
    street, ego = b.street, b.ego
    # parking lanes
    for sign in (1, -1):
        x = start + rng.uniform(0, 6)
        while x < end:
            clear = all(abs(x - c) > half + 6 for c, half in street.crossings)
            if clear and rng.random() < layout.parked:
                kind = _VEHICLES[_choose(rng, layout.parked_vehicles)]
                small = kind in ('motorcycle', 'bicycle')
                wide = kind in ('truck', 'bus')
                # large vehicles stand with two wheels on the kerb
                offset = sign * (street.half_width - (0.6 if wide else 0.9))
                if small:  # side by side, at an angle to the kerb
                    for step in range(int(rng.integers(2, 4))):
                        _vehicle(
                            b,
                            rng,
                            palette,
                            kind,
                            x + 1.3 * step - 1.0,
                            offset,
                            0.0,
                            rng.uniform(1.1, 2.0) * sign,
                        )
                else:
                    _vehicle(b, rng, palette, kind, x, offset, 0.0, 0.0 if sign < 0 else np.pi)
                x += 4.0 if wide else 0.0
            x += 5.8
    # a vehicle ahead in the same lane, another at the right edge
    x = ego.start + rng.uniform(*layout.lead)
    for _ in range(3):
        kind = _VEHICLES[_choose(rng, layout.vehicles)]
        x += 5.0 if kind in ('truck', 'bus') else 0.0
        _vehicle(
            b,
            rng,
            palette,
            kind,
            x,
            ego.offset + rng.uniform(-0.1, 0.3),
            ego.speed * rng.uniform(1.0, 1.05) + 1e-3,
            0.0,
        )
        x += rng.uniform(12.0, 25.0)
    # slow two-wheelers between the lane and the parked cars
    for x in np.arange(ego.start + rng.uniform(5.0, 14.0) * (layout.slow / 22.0), end, layout.slow):
        kind = _VEHICLES[3 + _choose(rng, layout.vehicles[3:5])]
        _vehicle(
            b,
            rng,
            palette,
            kind,
            x + rng.uniform(-4.0, 4.0),
            rng.uniform(-2.95, -2.7),
            rng.uniform(2.5, 5.0),
            0.0,
        )
    # oncoming
    x = ego.start + rng.uniform(6.0, 22.0)
    while x < end + 9.0 * duration:
        kind = _VEHICLES[_choose(rng, layout.vehicles)]
        _vehicle(
            b,
            rng,
            palette,
            kind,
            x,
            -ego.offset + rng.uniform(-0.1, 0.2),
            -rng.uniform(5.0, 9.0),
            np.pi,
        )
        x += 8.0 + layout.gap * rng.exponential()


def _people(
    b: SceneBuilder,
    rng: np.random.Generator,
    layout: Layout,
    palette: Palette,
    start: float,
    end: float,
) -> None:
    """Pedestrians on the sidewalks, and people crossing the street."""
    street = b.street
    for sign in (1, -1):
        side = 0 if sign > 0 else 1
        inner = street.half_width + street.verge[side] + 0.5
        outer = inner + street.sidewalk[side] - 0.9
        count = int((end - start) / 10 * layout.people * rng.uniform(0.7, 1.3))
        for x in rng.uniform(start, end, count):
            speed = 0.0 if rng.random() < 0.25 else rng.choice([-1, 1]) * rng.uniform(0.8, 1.6)
            objects.person(
                b, rng, *palette.rider(rng), x, sign * rng.uniform(inner, outer), (speed, 0.0)
            )
    for zebra in street.zebras:
        # no person stands in the lane where the ego car will pass
        ahead = zebra > end - VIEW + 5.0
        for _ in range(int(rng.integers(0, 3))):
            way = rng.choice([-1, 1]) if ahead else 1
            objects.person(
                b,
                rng,
                *palette.rider(rng),
                zebra + rng.uniform(0.4, 2.6),
                rng.uniform(-street.half_width if ahead else 0.8, street.half_width),
                (0.0, way * rng.uniform(0.8, 1.4)),
            )
        if ahead and rng.random() < 0.5:  # and a cyclist beside it
            way = rng.choice([-1, 1])
            objects.bicycle(
                b,
                rng,
                palette.draw(rng, 'vehicle'),
                palette.rider(rng),
                zebra - 0.8,
                way * rng.uniform(-5.0, 2.0),
                (0.0, way * 2.5),
                way * np.pi / 2,
            )


def build_scene(
    rng: np.random.Generator, layout: Layout, palette: Palette, duration: float, bonnet: bool
) -> Scene:
    """Generates the scene of a drive.

    Args:
        rng: Source of all randomness.
        layout: Kind of street.
        palette: Colours of objects.
        duration: Duration of the drive in seconds.
        bonnet: Whether the bonnet of the ego car is in view.
    """
    speed = rng.uniform(*layout.speed)
    start, end = -8.0, speed * duration + VIEW
    street, kinds = _street(rng, layout, start, end)
    ego = Ego(
        speed=speed,
        offset=-rng.uniform(*layout.lane),
        height=rng.uniform(*layout.height),
        sway=(rng.uniform(0.005, 0.02), rng.uniform(0.001, 0.004), rng.uniform(0.005, 0.02)),
        focal=rng.uniform(*layout.focal),
        horizon=rng.uniform(*layout.horizon),
        roll=layout.roll,
        yaw=layout.yaw,
    )
    builder = SceneBuilder(street, ego)
    _blocks(builder, rng, layout, palette, kinds, start)
    _kerbside(builder, rng, layout, palette, start + 8.0, end)
    if layout.lamps or layout.posts or layout.shops or layout.rails:
        _posts(builder, rng, layout, palette, start + 8.0, end)
    _traffic(builder, rng, layout, palette, start + 10.0, end, duration)
    _people(builder, rng, layout, palette, start + 8.0, end)
    # the street ends at a house or at trees
    if rng.random() < 0.6:
        objects.building(
            builder,
            rng,
            (palette.draw(rng, 'wall'), palette.draw(rng, 'roof')),
            end + 12.0,
            0.0,
            (8.0, 60.0, rng.uniform(*layout.heights)),
            False,
        )
    for offset in np.arange(-24.0, 25.0, 6.0):
        _tree(
            builder,
            rng,
            layout,
            (palette.draw(rng, 'leaf'), palette.draw(rng, 'bark')),
            end + rng.uniform(2.0, 6.0),
            offset,
            rng.uniform(1.0, 1.6),
        )
    if bonnet:
        objects.bonnet(builder, palette.draw(rng, 'bonnet'), rng.uniform(0.4, 0.46))
    return builder.build()
