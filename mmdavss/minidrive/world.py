"""A world with a look: renders frames, exact flow and exact visibility."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import textures
from .labels import Label
from .layouts import Layout, build_scene
from .looks import Look, develop
from .raycast import GROUND, SKY, Hits, cast, pairs_of, rectangles_of
from .scene import Camera, Material, Scene, Shape

SHADOW_RANGE = 45.0  # shadows are drawn up to this distance, metres


@dataclass(frozen=True)
class Frame:
    """One rendered frame.

    Args:
        rgb: uint8 (H, W, 3).
        labels: uint8 (H, W) of :class:`Label`.
        bodies: int32 (H, W), number of the visible body, or -1.
        depth: float (H, W) along the optical axis in metres, inf for the sky.
    """

    rgb: np.ndarray
    labels: np.ndarray
    bodies: np.ndarray
    depth: np.ndarray


class World:
    """A scene with an appearance.

    Args:
        scene: The geometry and its motion.
        look: Appearance.
        seed: Seed of the sensor noise.
        rate: Frames per second.
    """

    def __init__(
        self, scene: Scene, look: Look, seed: tuple[int, ...] = (0,), rate: float = 15.0
    ) -> None:
        self.scene = scene
        self.look = look
        self.seed = seed
        self.rate = rate

    @classmethod
    def create(
        cls,
        seed: tuple[int, ...],
        layout: Layout,
        look: Callable[[np.random.Generator], Look],
        frames: int,
        bonnet: bool,
        rate: float = 15.0,
    ) -> World:
        """Creates a random world.

        Args:
            seed: The same seed gives the same world.
            layout: Kind of street.
            look: Function from a random generator to a :class:`Look`.
            frames: Number of frames of the drive.
            bonnet: Whether the bonnet of the ego car is in view.
            rate: Frames per second.
        """
        rng = np.random.default_rng(seed)
        chosen = look(rng)
        scene = build_scene(rng, layout, chosen.palette, frames / rate, bonnet)
        return cls(scene, chosen, seed, rate)

    def hits(
        self, frame: float, size: tuple[int, int], uv: np.ndarray | None = None
    ) -> tuple[Hits, Camera]:
        """First hits of rays of a frame.

        Args:
            frame: Number of the frame; fractions are times between frames.
            size: Image (width, height) in pixels.
            uv: (N, 2) image positions; default: all pixel centres, row by row.
        """
        time = frame / self.rate
        camera = self.scene.camera(time, size)
        uv = camera.pixels() if uv is None else uv
        return cast(self.scene, self.scene.part_poses(time), camera, uv), camera

    def labels(self, hits: Hits) -> np.ndarray:
        """Labels uint8 (N,) of hits."""
        labels = np.full(len(hits.part), Label.SKY, np.uint8)
        solid = hits.part >= 0
        labels[solid] = self.scene.label[hits.part[solid]]
        ground = np.flatnonzero(hits.part == GROUND)
        x, y = (hits.local[:, axis].take(ground) for axis in range(2))
        labels[ground] = self.scene.street.ground_labels(x, y)
        labels[hits.veiled] = Label.TREE  # a crown is labelled as a whole, as by annotators
        return labels

    def shade(self, hits: Hits, frame: float, camera: Camera) -> np.ndarray:
        """Radiance (N, 3) RGB of hits, without camera effects."""
        look, scene = self.look, self.scene
        time = frame / self.rate
        colours = np.empty((len(hits.part), 3))
        sky = np.flatnonzero(hits.part == SKY)
        colours[sky] = look.sky.colours(hits.rays.take(sky, 0), look.sun)
        pixel = hits.depth / camera.focal

        ground = np.flatnonzero(hits.part == GROUND)
        points = hits.local.take(ground, 0)
        labels = scene.street.ground_labels(points[:, 0], points[:, 1])
        albedo = textures.ground(scene.street, look.texture, labels, points, pixel.take(ground))
        sunlit, open_ = self._shadows(hits, ground, time, camera)
        colours[ground] = albedo * (
            look.ambient * open_[:, None] * (1 - look.shadow * (1 - sunlit[:, None]))
            + look.sunlight * (look.sun[2] * sunlit)[:, None]
        )

        solid = np.flatnonzero(hits.part >= 0)
        part = hits.part.take(solid)
        local, half, shape = hits.local.take(solid, 0), scene.half.take(part, 0), scene.shape[part]
        unit = local / half
        normal = textures.normals(shape, unit, half, scene.taper.take(part, 0))
        rotation = scene.part_poses(time)[0]
        # directions to the sun and to the zenith in the frames of the parts
        lit = np.einsum('ni,ni->n', normal, (look.sun @ rotation).take(part, 0)).clip(0, 1)
        upward = np.einsum('ni,ni->n', normal, rotation[:, 2].take(part, 0))
        soft = np.flatnonzero(np.isin(shape, (Shape.FOLIAGE, Shape.TWIGS)))
        lit[soft] = 0.35 + 0.5 * lit[soft]
        light = look.ambient * (0.8 + 0.2 * upward[:, None]) + look.sunlight * lit[:, None]
        material = scene.material[part]
        for kind in np.unique(material):
            rows = np.flatnonzero(material == kind)
            index, place = part.take(rows), solid.take(rows)
            surface = textures.Surface(
                local.take(rows, 0),
                unit.take(rows, 0),
                half.take(rows, 0),
                normal.take(rows, 0),
                scene.colour.take(index, 0),
                scene.seed.take(index),
                pixel.take(place),
            )
            albedo, glow = textures.paint(Material(kind), surface, look.texture)
            albedo = textures.weather(albedo, surface, look.texture)
            radiance = albedo * light.take(rows, 0)
            if glow is not None:
                radiance += glow
            if kind in (Material.CAR_BODY, Material.CABIN, Material.BONNET):  # mirrored sky
                shine = 0.22 * np.clip(upward.take(rows), 0, 1)
                radiance += shine[:, None] * look.sky.horizon
            colours[place] = radiance
        clear = np.exp(-look.haze * hits.depth)
        clear[sky] = 1
        for channel, far in zip(colours.T, look.sky.horizon, strict=True):
            channel[:] = (far + (channel - far) * clear) * look.exposure
        return colours

    def _shadows(
        self, hits: Hits, ground: np.ndarray, time: float, camera: Camera
    ) -> tuple[np.ndarray, np.ndarray]:
        """Shares (n,) and (n,) of sunlight and skylight that reach points of the ground.

        Every body casts the shadow of its bounding box: the ray from the point to the sun is tested
        against the box.
        """
        sunlit, open_ = np.ones(len(ground)), np.ones(len(ground))
        rotation, position = self.scene.body_poses(time)
        half = self.scene.footprint
        ahead = (position - camera.position) @ camera.rotation[:, 0]
        near = np.flatnonzero((half[:, 0] > 0) & (ahead > -15) & (ahead < SHADOW_RANGE))
        if not (len(near) and len(ground)):
            return sunlit, open_
        rotation, half = rotation[near], half[near]
        # length of the shadow of the top, along the axes of the body
        fall = -np.einsum('bji,j->bi', rotation, self.look.sun)[:, :2] / self.look.sun[2]
        fall *= np.minimum(half[:, 2], self.look.shadow_length / np.hypot(*fall.T))[:, None]
        cover = np.zeros((len(near), 3))
        cover[:, :2] = half[:, :2] + np.abs(fall) / 2 + 0.3
        centre = position[near] + np.einsum('bij,bj->bi', rotation[:, :, :2], fall / 2)
        ray, row = pairs_of(rectangles_of(cover, rotation, centre, camera), hits.uv.take(ground, 0))
        x, y = (
            hits.local[:, axis].take(ground).take(ray) - position[near, axis].take(row)
            for axis in range(2)
        )
        cos, sin = rotation[:, 0, 0].take(row), rotation[:, 1, 0].take(row)
        x, y = cos * x + sin * y, cos * y - sin * x
        begin, end = np.zeros(len(ray)), np.ones(len(ray))
        fall = np.where(np.abs(fall) < 1e-3, 1e-3, fall)
        for place, size, way in ((x, half[:, 0], fall[:, 0]), (y, half[:, 1], fall[:, 1])):
            step, margin = (1 / way).take(row), (size / way).take(row)
            a, b = place * step - margin, place * step + margin
            begin, end = np.maximum(begin, np.minimum(a, b)), np.minimum(end, np.maximum(a, b))
        length = np.hypot(*fall.T).take(row)
        dark = np.clip((end - begin) * length / (0.1 + 0.25 * np.maximum(begin, 0) * length), 0, 1)
        edge = np.maximum(np.abs(x) - half[:, 0].take(row), np.abs(y) - half[:, 1].take(row))
        closed = np.clip(0.5 - edge / 0.5, 0, 1)
        if len(ray):
            starts = np.flatnonzero(np.diff(ray, prepend=-1))
            sunlit[ray[starts]] -= np.maximum.reduceat(dark, starts)
            open_[ray[starts]] -= 0.6 * np.maximum.reduceat(closed, starts)
        return sunlit, open_

    def render(self, frame: int, size: tuple[int, int]) -> Frame:
        """Renders a frame; `size` is (width, height) in pixels."""
        width, height = size
        hits, camera = self.hits(frame, size)
        shape = (height, width)
        image = self.shade(hits, frame, camera).reshape(height, width, 3)
        # mixing in the four corners of every pixel smooths edges
        v, u = np.mgrid[: height + 1, : width + 1]
        corners = np.stack([u.ravel(), v.ravel()], -1) - 0.5
        corner_hits, _ = self.hits(frame, size, corners)
        extra = self.shade(corner_hits, frame, camera).reshape(height + 1, width + 1, 3)
        extra = (extra[:-1, :-1] + extra[1:, :-1] + extra[:-1, 1:] + extra[1:, 1:]) / 4
        flow = None
        if self.look.sensor.shutter:
            flow = self._flow(hits, camera, frame + 1, size)[0].reshape(height, width, 2)
        rng = np.random.default_rng((*self.seed, int(frame), 7))
        rgb = develop((image + extra) / 2, flow, self.look.sensor, frame / self.rate, rng)
        bodies = np.full(len(hits.part), -1, np.int32)
        solid = hits.part >= 0
        bodies[solid] = self.scene.body[hits.part[solid]]
        return Frame(
            rgb, self.labels(hits).reshape(shape), bodies.reshape(shape), hits.depth.reshape(shape)
        )

    def _flow(
        self, hits: Hits, camera: Camera, target: float, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Camera]:
        """Flow (N, 2), target positions (N, 2) and depths (N,), and the target camera."""
        time = target / self.rate
        other = self.scene.camera(time, size)
        points = hits.points(self.scene.part_poses(time))
        uv, depth = other.project(points, hits.part == SKY)
        start, _ = camera.project(hits.rays, np.ones(len(uv), bool))
        flow = np.where((depth > 0)[:, None], uv - start, 0.0)
        return flow, uv, depth, other

    def exact_flow(
        self, a: float, b: float, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact optical flow from frame a to frame b on the pixel grid of a.

        Args:
            a: Number of the frame whose pixels are tracked.
            b: Number of the frame in which they are located.
            size: Image (width, height) in pixels.

        Returns:
            flow float64 (H, W, 2), (u right, v down) in pixels; 0 for points behind camera b.
            visible bool (H, W): whether the same point of the same surface is visible in b, that
            is, lies inside the image (between the outermost pixel centres) and is not hidden.
        """
        width, height = size
        hits, camera = self.hits(a, size)
        flow, uv, depth, _ = self._flow(hits, camera, b, size)
        visible = (
            (depth > 0)
            & (uv >= -1e-9).all(1)
            & (uv <= np.array([width - 1, height - 1]) + 1e-9).all(1)
        )
        inside = np.flatnonzero(visible)
        if len(inside):
            seen, _ = self.hits(b, size, uv[inside])
            expected = np.where(hits.part[inside] == SKY, np.inf, depth[inside])
            # the ray must end at the point itself: not in front of it, and not behind it either,
            # which happens if the frayed outline of foliage has another shape
            with np.errstate(invalid='ignore'):
                apart = np.abs(seen.depth - expected)
            visible[inside] = (seen.depth == expected) | (apart < 1e-6 * (1 + expected))
        return flow.reshape(height, width, 2), visible.reshape(height, width)
