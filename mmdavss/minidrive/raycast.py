"""Ray casting into a scene, without loops over pixels or parts.

Parts are binned into image tiles by the bounding rectangle of their projection. All (ray, part)
pairs that share a tile form one flat array, each kind of solid is intersected for all its pairs at
once, and a segmented minimum over the pairs of a ray finds the first hit. Rays may start at any
image position, not only at pixel centres: exact visibility needs sub-pixel positions.

Long arrays are gathered with ``take``, and columns treated one by one: with rows of two or three
numbers, NumPy's indexing and broadcasting take several times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .noise import hash01, noise
from .scene import Camera, Scene, Shape

#: Three coordinates, (n,) each.
Rows = Sequence[np.ndarray]

GROUND, SKY = -1, -2
NEAR = 0.05  # metres
TILE = 4  # pixels
LEAF = 0.22  # size of the leaves that fray the outline of foliage, metres
TWIG = 0.05  # width of twigs, as a level of noise

_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count('1') == 1])


@dataclass(frozen=True)
class Hits:
    """First hits of N rays.

    Args:
        part: (N,) index of the part, or GROUND, or SKY.
        depth: (N,) along the optical axis, metres; inf for the sky.
        local: (N, 3) point in the frame of its part, metres; in the world frame for the ground;
            direction of the ray for the sky.
        rays: (N, 3) world directions, scaled to depth 1.
        uv: (N, 2) image positions, pixels.
        veiled: (N,) whether the ray passes between the twigs of a crown before that.
    """

    part: np.ndarray
    depth: np.ndarray
    local: np.ndarray
    rays: np.ndarray
    uv: np.ndarray
    veiled: np.ndarray

    def points(self, poses: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """World positions (N, 3) of the points hit, under other poses of the parts."""
        points = self.local.copy()
        solid = np.flatnonzero(self.part >= 0)
        part = self.part[solid]
        turned = np.einsum('nij,nj->ni', poses[0].take(part, 0), self.local.take(solid, 0))
        points[solid] = turned + poses[1].take(part, 0)
        return points


def rectangles_of(
    half: np.ndarray, rotation: np.ndarray, centre: np.ndarray, camera: Camera
) -> np.ndarray:
    """Bounding rectangles (P, 4) = (u0, v0, u1, v1) of projected parts, empty if behind."""
    axes = half[:, :, None] * np.swapaxes(rotation, 1, 2)  # rows: scaled axes in the world
    corners = (centre[:, None] + _CORNERS @ axes - camera.position) @ camera.rotation  # (P, 8, 3)
    rectangles = np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(half), 1))
    ahead = corners[..., 0] > NEAR

    def grow(index: np.ndarray, points: np.ndarray, valid: np.ndarray) -> None:
        scale = camera.focal / np.where(valid, points[..., 0], 1.0)
        u = camera.centre[0] - scale * points[..., 1]
        v = camera.centre[1] - scale * points[..., 2]
        for column, values in ((0, u), (1, v)):
            low = np.where(valid, values, np.inf).min(1)
            high = np.where(valid, values, -np.inf).max(1)
            rectangles[index, column] = np.minimum(rectangles[index, column], low)
            rectangles[index, column + 2] = np.maximum(rectangles[index, column + 2], high)

    seen = np.flatnonzero(ahead.any(1))
    grow(seen, corners[seen], ahead[seen])
    cut = np.flatnonzero(ahead.any(1) & ~ahead.all(1))
    if len(cut):  # also the points where edges cross the near plane
        a, b = corners[cut][:, _EDGES[:, 0]], corners[cut][:, _EDGES[:, 1]]
        crosses = (a[..., 0] > NEAR) != (b[..., 0] > NEAR)
        step = np.where(crosses, b[..., 0] - a[..., 0], 1.0)
        points = a + (b - a) * ((NEAR - a[..., 0]) / step)[..., None]
        points[..., 0] = NEAR
        grow(cut, points, crosses)
    return rectangles


def _expand(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For counts (n0, n1, ...): n0 times 0, n1 times 1, ...; and the position within each run."""
    index = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    return index, np.arange(len(index)) - starts.take(index)


def bounds_of(uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest coordinates (2,) of positions (N, 2)."""
    columns = uv[:, 0], uv[:, 1]
    return np.array([c.min() for c in columns]), np.array([c.max() for c in columns])


def pairs_of(rectangles: np.ndarray, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (ray, row of `rectangles`) whose ray lies in the rectangle, ordered by ray."""
    origin, end = bounds_of(uv)
    tiles_x, tiles_y = (np.floor((end - origin) / TILE) + 1).astype(int)
    limit = np.array([tiles_x - 1, tiles_y - 1])
    first = np.clip(np.floor((rectangles[:, :2] - origin) / TILE), 0, limit).astype(int)
    last = np.clip(np.floor((rectangles[:, 2:] - origin) / TILE), 0, limit).astype(int)
    span = last - first + 1
    part, position = _expand(span[:, 0] * span[:, 1])
    tile = (
        (first[part, 1] + position // span[part, 0]) * tiles_x
        + first[part, 0]
        + position % span[part, 0]
    )
    order = np.argsort(tile, kind='stable')
    part = part[order]
    count = np.bincount(tile, minlength=tiles_x * tiles_y)
    start = np.cumsum(count) - count

    column, line = (np.floor((uv[:, axis] - origin[axis]) / TILE).astype(int) for axis in range(2))
    ray_tile = line * tiles_x + column
    ray, position = _expand(count.take(ray_tile))
    part = part.take(start.take(ray_tile).take(ray) + position)
    u, v = (uv[:, axis].take(ray) for axis in range(2))
    rectangle = np.ascontiguousarray(rectangles.T)
    inside = np.flatnonzero(
        (u >= rectangle[0].take(part))
        & (u <= rectangle[2].take(part))
        & (v >= rectangle[1].take(part))
        & (v <= rectangle[3].take(part))
    )
    return ray.take(inside), part.take(inside)


def _slab(o: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inverse = 1 / d
    a, b = (-1 - o) * inverse, (1 - o) * inverse
    return np.minimum(a, b), np.maximum(a, b)


def _box(o: Rows, d: Rows, taper: np.ndarray) -> np.ndarray:
    enter, leave = _slab(o[2], d[2])
    for axis in (0, 1):
        near, far = _slab(o[axis], d[axis])
        slanted = np.flatnonzero(taper[axis])
        if len(slanted):  # two half spaces: +-x + taper * (z + 1) / 2 <= 1
            lean = taper[axis][slanted] / 2
            near[slanted], far[slanted] = -np.inf, np.inf
            for sign in (-1, 1):
                rate = sign * d[axis][slanted] + lean * d[2][slanted]
                t = (1 - sign * o[axis][slanted] - lean * (o[2][slanted] + 1)) / rate
                near[slanted] = np.maximum(near[slanted], np.where(rate < 0, t, -np.inf))
                far[slanted] = np.minimum(far[slanted], np.where(rate > 0, t, np.inf))
        enter, leave = np.maximum(enter, near), np.minimum(leave, far)
    return np.where(enter <= leave, enter, np.inf)


def _ellipsoid(o: Rows, d: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Depth of the hit, and half the length of the chord in the unit sphere."""
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1
    root = np.sqrt(b * b - a * c)  # NaN if the ray misses
    t = (-b - root) / a
    return np.where(root >= 0, t, np.inf), root / np.sqrt(a)


def _cylinder(o: Rows, d: Rows) -> np.ndarray:
    a = d[0] * d[0] + d[1] * d[1]
    b = o[0] * d[0] + o[1] * d[1]
    root = np.sqrt(b * b - a * (o[0] * o[0] + o[1] * o[1] - 1))
    low, high = _slab(o[2], d[2])
    enter, leave = np.maximum((-b - root) / a, low), np.minimum((-b + root) / a, high)
    return np.where(enter <= leave, enter, np.inf)  # NaN compares false


def _intersect(
    scene: Scene,
    poses: tuple[np.ndarray, np.ndarray],
    camera: Camera,
    parts: np.ndarray,
    rays: np.ndarray,
    ray: np.ndarray,
    row: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Depths of hits of pairs (ray, parts[row]), and of gaps between twigs; inf for none."""
    rotation, centre = poses[0][parts], poses[1][parts]
    half = scene.half[parts]
    into = np.swapaxes(rotation, 1, 2) / half[:, :, None]  # world to unit cube
    origin = np.einsum('pij,pj->pi', into, camera.position - centre)
    depth, gap = np.full(len(ray), np.inf), np.full(len(ray), np.inf)
    kinds = scene.shape[parts].take(row)
    rays = np.ascontiguousarray(rays.T)
    with np.errstate(divide='ignore', invalid='ignore'):
        for kind in Shape:
            chosen = np.flatnonzero(kinds == kind)
            if not len(chosen):
                continue
            index, its_ray = row.take(chosen), ray.take(chosen)
            d0, d1, d2 = (column.take(its_ray) for column in rays)
            d = [
                into[:, i, 0].take(index) * d0
                + into[:, i, 1].take(index) * d1
                + into[:, i, 2].take(index) * d2
                for i in range(3)
            ]
            o = [origin[:, i].take(index) for i in range(3)]
            if kind == Shape.BOX:
                t = _box(o, d, scene.taper[parts].T.take(index, 1))
            elif kind == Shape.CYLINDER:
                t = _cylinder(o, d)
            else:
                t, chord = _ellipsoid(o, d)
                if kind in (Shape.FOLIAGE, Shape.TWIGS):
                    place = [(o[i] + t * d[i]) * half[index, i] for i in range(3)]
                    cell = [np.floor(p / LEAF) for p in place]
                    cell = [np.where(np.isfinite(c), c, 0) for c in cell]
                    t = np.where(hash01(*cell) < 2.4 * chord - 0.15, t, np.inf)
                if kind == Shape.TWIGS:
                    t = np.where(t > NEAR, t, np.inf)
                    open_ = np.isfinite(t) & ~_twigs(*place)
                    gap[chosen] = np.where(open_, t, np.inf)
                    t = np.where(open_, np.inf, t)
            depth[chosen] = np.where(t > NEAR, t, np.inf)
    return depth, gap


def _twigs(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Whether twigs are at points of a crown: along zeros of noise, which meander and meet."""
    x, y, z = (np.where(np.isfinite(c), c, 0) for c in (x, y, z))

    def lines(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        # the difference leaves out what is coarse, which would give blobs
        return np.abs(noise(u, v) - noise(u + 2.5, v + 1.5)) < TWIG

    return lines(11 * (x + 0.6 * y), 9 * z + 40) | lines(9 * (y - 0.6 * x) + 90, 11 * z)


def cast(
    scene: Scene, poses: tuple[np.ndarray, np.ndarray], camera: Camera, uv: np.ndarray
) -> Hits:
    """First hits of the rays through image positions.

    Args:
        scene: The scene.
        poses: `scene.part_poses(time)`.
        camera: `scene.camera(time, size)`.
        uv: (N, 2) image positions in pixels.
    """
    rays = camera.rays(uv)
    with np.errstate(divide='ignore'):
        depth = np.where(rays[:, 2] < 0, -camera.position[2] / rays[:, 2], np.inf)
    part = np.where(np.isfinite(depth), GROUND, SKY)
    veiled = np.zeros(len(uv), bool)

    rectangles = rectangles_of(scene.half, *poses, camera)
    low, high = bounds_of(uv)
    parts = np.flatnonzero(
        (rectangles[:, 2] >= low[0])
        & (rectangles[:, 0] <= high[0])
        & (rectangles[:, 3] >= low[1])
        & (rectangles[:, 1] <= high[1])
    )
    if len(parts):
        ray, row = pairs_of(rectangles[parts], uv)
        found, gap = _intersect(scene, poses, camera, parts, rays, ray, row)
        open_ = np.flatnonzero(np.isfinite(gap))
        gaps = ray[open_], gap[open_]
        hit = np.flatnonzero(found < depth.take(ray))
        ray, row, found = ray.take(hit), row.take(hit), found.take(hit)
        if len(ray):
            starts = np.flatnonzero(np.diff(ray, prepend=-1))
            nearest = np.minimum.reduceat(found, starts)
            depth[ray[starts]] = nearest
            first = np.flatnonzero(found == depth.take(ray))
            part[ray[first]] = parts[row[first]]
        veiled[gaps[0][gaps[1] < depth[gaps[0]]]] = True

    local = rays.copy()
    seen, solid = np.flatnonzero(part != SKY), np.flatnonzero(part >= 0)
    far = depth.take(seen)
    for axis in range(3):
        local[seen, axis] = camera.position[axis] + rays[:, axis].take(seen) * far
    index = part.take(solid)
    offset = local.take(solid, 0) - poses[1].take(index, 0)
    local[solid] = np.einsum('nji,nj->ni', poses[0].take(index, 0), offset)
    return Hits(part, depth, local, rays, uv, veiled)
