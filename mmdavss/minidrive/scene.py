"""Data model of the world: a street, bodies that move along it, and their solid parts.

Frames of reference. World: x along the street, y to the left, z up, metres, seconds. Body: x
forward, y left, z up, origin on the ground. Part: centred on the part, axes along its half sizes.
All poses are functions of time, so that a point seen in one frame can be located exactly in any
other frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from .labels import Label


class Shape(IntEnum):
    """Convex solids for ray intersection, each inside the cube [-1, 1]^3 of its part."""

    BOX = 0  # narrows towards the top if it has a taper
    ELLIPSOID = 1
    CYLINDER = 2  # along z
    FOLIAGE = 3  # an ellipsoid with a ragged outline
    TWIGS = 4  # an ellipsoid that can be seen through, the crown of a tree in winter


class Material(IntEnum):
    """Surface patterns, see textures.py."""

    PLAIN = 0
    FACADE = 1
    ROOF = 2
    LEAF = 3
    BARK = 4
    FENCE = 5
    CAR_BODY = 6
    CABIN = 7
    TYRE = 8
    BUS = 9
    CARGO = 10
    LAMPS = 11
    SIGN = 12
    CLOTH = 13
    BONNET = 14
    SPOKES = 15
    WALL = 16
    POSTER = 17


@dataclass(frozen=True)
class Street:
    """Ground plan of the street; all lengths in metres.

    Args:
        curve: Rows of (amplitude, wavelength, phase) of sines, whose sum is the centre line.
        half_width: Half the width of the road.
        verge: Width of the grass strip beside the road, left and right.
        sidewalk: Width of the sidewalk, left and right.
        block_ends: Ascending x of the ends of the blocks, on the left and on the right side.
        block_paved: Whether the ground behind the sidewalk is paved (otherwise terrain), per block.
        crossings: Rows of (x, half width) of the side streets.
        zebras: x of the beginnings of zebra crossings (each 3 m long).
        dash: Period and length of the dashes of the centre line.
        edge_line: Distance of the line beside the parking lane from the kerb; 0 for none.
    """

    curve: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    half_width: float = 5.5
    verge: tuple[float, float] = (0.0, 0.0)
    sidewalk: tuple[float, float] = (3.0, 3.0)
    block_ends: tuple[np.ndarray, np.ndarray] = (np.array([1e9]), np.array([1e9]))
    block_paved: tuple[np.ndarray, np.ndarray] = (np.array([True]), np.array([True]))
    crossings: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    zebras: np.ndarray = field(default_factory=lambda: np.zeros(0))
    dash: tuple[float, float] = (6.0, 3.0)
    edge_line: float = 2.1

    def centre(self, x: np.ndarray | float) -> np.ndarray:
        """y of the centre line at x."""
        y = np.zeros_like(x, dtype=np.float64)
        for amplitude, wavelength, phase in self.curve:
            y = y + amplitude * np.sin(2 * np.pi * x / wavelength + phase)
        return y

    def heading(self, x: np.ndarray | float) -> np.ndarray:
        """Direction of the centre line at x, radians from the x axis."""
        slope = np.zeros_like(x, dtype=np.float64)
        for amplitude, wavelength, phase in self.curve:
            k = 2 * np.pi / wavelength
            slope = slope + amplitude * k * np.cos(k * x + phase)
        return np.arctan(slope)

    def ground_labels(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Labels of points on the ground.

        Args:
            x: (N,) metres.
            y: (N,) metres.

        Returns:
            uint8 (N,): ROAD, LANE_MARK, SIDEWALK or TERRAIN.
        """
        offset = y - self.centre(x)
        left = offset > 0
        away = np.abs(offset) - self.half_width
        verge = np.where(left, *self.verge)
        sidewalk = np.where(left, *self.sidewalk)
        paved = np.where(
            left,
            *(
                flags[np.minimum(np.searchsorted(ends, x), len(flags) - 1)]
                for ends, flags in zip(self.block_ends, self.block_paved, strict=True)
            ),
        )
        labels = np.where(paved, Label.SIDEWALK, Label.TERRAIN)
        labels = np.where(away < verge + sidewalk, Label.SIDEWALK, labels)
        labels = np.where(away < verge, Label.TERRAIN, labels)
        for position, half in self.crossings:
            reach = np.abs(x - position) - half
            labels = np.where((reach < 2) & (away > 0), Label.SIDEWALK, labels)
            labels = np.where(reach < 0, Label.ROAD, labels)
        road = away < 0
        labels = np.where(road, Label.ROAD, labels)
        labels = np.where(road & self.marked(x, offset), Label.LANE_MARK, labels)
        return labels.astype(np.uint8)

    def marked(self, x: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Whether points of the road, given by x and distance from the centre line, are painted."""
        away = np.abs(offset)
        period, length = self.dash
        marks = (away < 0.09) & (np.mod(x, period) < length)
        if self.edge_line:
            marks |= np.abs(away - self.half_width + self.edge_line) < 0.07
        for position, half in self.crossings:
            marks &= np.abs(x - position) > half + 4.5
        for start in self.zebras:
            inside = (x > start - 1) & (x < start + 4)
            marks &= ~inside
            stripes = np.mod(offset, 1.0) < 0.5
            marks |= (x > start) & (x < start + 3) & stripes & (away < self.half_width - 0.2)
        return marks


@dataclass(frozen=True)
class Ego:
    """Motion of the car that carries the camera.

    Args:
        start: x at time 0, metres.
        speed: Metres per second along x.
        offset: Distance from the centre line, metres (negative: right lane).
        height: Height of the camera, metres.
        sway: Amplitude of yaw, pitch (radians) and height (metres), each a slow sine.
        focal: Focal length in image widths.
        horizon: Row of the horizon as a share of the image height.
        roll: Roll of the camera, radians.
        yaw: Direction of the camera relative to the street, radians.
    """

    start: float = 0.0
    speed: float = 8.0
    offset: float = -1.7
    height: float = 1.4
    sway: tuple[float, float, float] = (0.0, 0.0, 0.0)
    focal: float = 0.85
    horizon: float = 0.44
    roll: float = 0.0
    yaw: float = 0.0


def _rotation_z(angle: np.ndarray) -> np.ndarray:
    cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    one = np.ones_like(angle)
    return np.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1).reshape(-1, 3, 3)


def _rotation_y(angle: np.ndarray) -> np.ndarray:
    cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    one = np.ones_like(angle)
    return np.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], -1).reshape(-1, 3, 3)


def euler(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """Rotation matrix (3, 3) that turns about x, then y, then z, by angles in radians."""
    cos, sin = np.cos(x), np.sin(x)
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    return _rotation_z(np.array([z]))[0] @ _rotation_y(np.array([y]))[0] @ about_x


@dataclass(frozen=True)
class Camera:
    """Pinhole camera; pixel centres have integer coordinates.

    Args:
        position: (3,) metres, world.
        rotation: (3, 3), columns are the forward, left and up directions in the world.
        focal: Focal length in pixels.
        centre: Principal point (u, v) in pixels.
        size: Image (width, height) in pixels.
    """

    position: np.ndarray
    rotation: np.ndarray
    focal: float
    centre: tuple[float, float]
    size: tuple[int, int]

    def rays(self, uv: np.ndarray) -> np.ndarray:
        """World directions (N, 3) through image positions uv (N, 2), scaled to depth 1."""
        ahead = np.empty((len(uv), 3))
        ahead[:, 0] = 1.0
        ahead[:, 1] = (self.centre[0] - uv[:, 0]) / self.focal
        ahead[:, 2] = (self.centre[1] - uv[:, 1]) / self.focal
        return ahead @ self.rotation.T

    def project(
        self, points: np.ndarray, at_infinity: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Image positions (N, 2) and depths (N,) of world points (N, 3).

        Args:
            points: (N, 3) metres; directions if `at_infinity`.
            at_infinity: (N,) bool.
        """
        relative = points - self.position
        if at_infinity is not None:
            relative[at_infinity] = points[at_infinity]
        local = relative @ self.rotation
        depth = local[:, 0]
        with np.errstate(divide='ignore', invalid='ignore'):
            scale = self.focal / depth
            uv = np.stack(
                [self.centre[0] - scale * local[:, 1], self.centre[1] - scale * local[:, 2]], -1
            )
        return uv, depth

    def pixels(self) -> np.ndarray:
        """Centres of all pixels (W * H, 2), row by row."""
        v, u = np.mgrid[: self.size[1], : self.size[0]]
        return np.stack([u.ravel(), v.ravel()], -1).astype(np.float64)


class Scene:
    """A street, its bodies and their parts, as arrays (built by :class:`SceneBuilder`).

    Body 0 is the ego car; the parts of that body are fixed to the camera.
    """

    def __init__(
        self, street: Street, ego: Ego, bodies: dict[str, np.ndarray], parts: dict[str, np.ndarray]
    ) -> None:
        self.street = street
        self.ego = ego
        self.body_start = bodies['start']  # (B, 2): x and distance from the centre line
        self.body_speed = bodies['speed']  # (B, 2): along and across the street
        self.body_yaw = bodies['yaw']  # (B,): relative to the street
        self.footprint = bodies['footprint']  # (B, 3): half length, half width, height; of shadows
        self.shape = parts['shape']
        self.half = parts['half']
        self.taper = parts['taper']
        self.body = parts['body']
        self.label = parts['label']
        self.material = parts['material']
        self.colour = parts['colour']
        self.seed = parts['seed']
        self._pivot = parts['pivot']
        self._arm = parts['arm']
        self._rotation = parts['rotation']
        self._swing = parts['swing']
        self._known: tuple[float, tuple[np.ndarray, np.ndarray]] | None = None

    def __len__(self) -> int:
        return len(self.shape)

    def camera(self, time: float, size: tuple[int, int]) -> Camera:
        """Camera at a time; `size` is (width, height) in pixels."""
        ego = self.ego
        x = ego.start + ego.speed * time
        wave = [
            a * np.sin(w * time + 1.3 * i)
            for i, (a, w) in enumerate(zip(ego.sway, (0.9, 4.1, 5.3), strict=True))
        ]
        yaw = self.street.heading(x) + wave[0] + ego.yaw
        rotation = euler(ego.roll, wave[1], float(yaw))
        position = np.array([x, float(self.street.centre(x)) + ego.offset, ego.height + wave[2]])
        width, height = size
        return Camera(
            position,
            rotation,
            ego.focal * width,
            ((width - 1) / 2, ego.horizon * height - 0.5),
            size,
        )

    def body_poses(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Rotations (B, 3, 3) and positions (B, 3) of the bodies."""
        track = self.body_start + self.body_speed * time
        rotation = _rotation_z(self.street.heading(track[:, 0]) + self.body_yaw)
        position = np.stack(
            [track[:, 0], self.street.centre(track[:, 0]) + track[:, 1], np.zeros(len(track))], -1
        )
        camera = self.camera(time, (1, 1))
        rotation[0], position[0] = camera.rotation, camera.position
        return rotation, position

    def part_poses(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Rotations (P, 3, 3) and centres (P, 3) of the parts in the world; do not change them."""
        if self._known is not None and self._known[0] == time:
            return self._known[1]
        rotation, position = self.body_poses(time)
        amplitude, rate, phase = self._swing.T
        local = self._rotation @ _rotation_y(amplitude * np.sin(rate * time + phase))
        centre = self._pivot + np.einsum('pij,pj->pi', local, self._arm)
        outer = rotation[self.body]
        poses = outer @ local, np.einsum('pij,pj->pi', outer, centre) + position[self.body]
        self._known = time, poses
        return poses


class SceneBuilder:
    """Collects bodies and parts, then builds a :class:`Scene`."""

    def __init__(self, street: Street, ego: Ego) -> None:
        self.street = street
        self.ego = ego
        self._bodies: dict[str, list] = dict(start=[], speed=[], yaw=[], footprint=[])
        self._parts: dict[str, list] = dict(
            shape=[],
            half=[],
            taper=[],
            body=[],
            label=[],
            material=[],
            colour=[],
            seed=[],
            pivot=[],
            arm=[],
            rotation=[],
            swing=[],
        )
        self.body(0.0, 0.0)  # the ego car

    def body(
        self,
        x: float,
        offset: float,
        speed: tuple[float, float] = (0.0, 0.0),
        yaw: float = 0.0,
        footprint: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> int:
        """Adds a body and returns its number.

        Args:
            x: Position along the street at time 0, metres.
            offset: Distance from the centre line, metres, positive to the left.
            speed: Along and across the street, metres per second.
            yaw: Heading relative to the street, radians.
            footprint: Half length, half width and height of the solid that casts its shadow.
        """
        for key, value in zip(self._bodies, ((x, offset), speed, yaw, footprint), strict=True):
            self._bodies[key].append(value)
        return len(self._bodies['yaw']) - 1

    def part(
        self,
        body: int,
        shape: Shape,
        centre: tuple[float, float, float],
        size: tuple[float, float, float],
        label: Label,
        material: Material,
        colour: np.ndarray,
        *,
        taper: tuple[float, float] = (0.0, 0.0),
        seed: int = 0,
        rotation: np.ndarray | None = None,
        swing: tuple[float, float, float] = (0.0, 0.0, 0.0),
        arm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        """Adds a solid part.

        Args:
            body: Number of its body.
            shape: Kind of solid.
            centre: Pivot in the body's frame, metres.
            size: Full sizes along the part's own axes, metres.
            label: Semantic class.
            material: Surface pattern.
            colour: (3,) RGB in [0, 1].
            taper: Share by which a box narrows towards its top, along x and y.
            seed: Chooses variants of the pattern.
            rotation: (3, 3) from part to body.
            swing: Amplitude (radians), rate (radians per second) and phase of a rotation about the
                part's own y axis through the pivot.
            arm: Vector from the pivot to the centre of the solid, in the part's frame, metres.

        Raises:
            ValueError: If the taper is not in [0, 1]; a wider top would exceed the part's bounds.
        """
        if min(taper) < 0 or max(taper) > 1:
            raise ValueError(f'taper: {taper} must lie in [0, 1]; turn the part to widen upwards')
        values = (
            shape,
            np.asarray(size) / 2,
            taper,
            body,
            label,
            material,
            colour,
            seed,
            centre,
            arm,
            np.eye(3) if rotation is None else rotation,
            swing,
        )
        for key, value in zip(self._parts, values, strict=True):
            self._parts[key].append(value)

    def build(self) -> Scene:
        """Builds the scene of everything added so far."""
        integers = ('shape', 'body', 'label', 'material', 'seed')
        trailing = dict(
            half=(3,), taper=(2,), colour=(3,), pivot=(3,), arm=(3,), rotation=(3, 3), swing=(3,)
        )
        parts = {
            key: np.asarray(value, np.int64 if key in integers else np.float64).reshape(
                -1, *trailing.get(key, ())
            )
            for key, value in self._parts.items()
        }
        bodies = {key: np.asarray(value, np.float64) for key, value in self._bodies.items()}
        return Scene(self.street, self.ego, bodies, parts)
