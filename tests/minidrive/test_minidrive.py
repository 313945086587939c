"""MiniDrive: geometry by hand and by a naive ray caster, files against the official layouts."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmdavss.datasets import (
    ACDCDataset,
    CamVidDataset,
    CityscapesImageDataset,
    CityscapesVPSDataset,
    GTADataset,
    SHIFTDataset,
    SynthiaDataset,
)
from mmdavss.datasets.label_maps import _CAMVID
from mmdavss.evaluation import TemporalConsistencyMetric
from mmdavss.minidrive import (
    CAMVID_IDS,
    CITYSCAPES_IDS,
    CITYSCAPES_TRAIN_IDS,
    OLD_TOWN,
    SHIFT_IDS,
    SUBURB,
    SYNTHIA_IDS,
    SYNTHIA_RAND_IDS,
    VIPER_IDS,
    Ego,
    Label,
    Material,
    Scene,
    SceneBuilder,
    Shape,
    Street,
    World,
    camera_look,
    rendered_look,
)
from mmdavss.minidrive import generate as generating
from mmdavss.minidrive.generate import (
    ROOTS,
    Settings,
    drifted,
    generate,
    make_world,
    reference_world,
    write_chunk,
)
from mmdavss.minidrive.looks import precipitation
from mmdavss.minidrive.raycast import GROUND, SKY
from mmdavss.utils import files
from mmdavss.utils.errors import InputError

pytestmark = pytest.mark.slow

TOOL = Path(__file__).parents[2] / 'tools' / 'make_minidrive.py'
SIZE = (64, 32)
TINY = Settings(
    size=SIZE,
    viper=1,
    viper_val=1,
    viper_frames=3,
    synthia=3,
    cityscapes=1,
    cityscapes_val=1,
    snippet_frames=(18, 19),
    gta=2,
    synthia_rand=2,
    cityscapes_vps=1,
    cityscapes_vps_val=1,
    clip_frames=(18, 24),
    camvid=2,
    camvid_size=(64, 48),
    acdc=1,
    shift=1,
    shift_frames=2,
    flow=True,
)
ONE = Settings(
    size=SIZE,
    viper=1,
    viper_val=0,
    viper_frames=1,
    synthia=0,
    cityscapes=0,
    cityscapes_val=0,
    gta=0,
    synthia_rand=0,
    cityscapes_vps=0,
    cityscapes_vps_val=0,
)
GREY = np.full(3, 0.5)

# raw id -> train id of the 15 classes: shared by DA-VSN, TPS and SFC
VIPER_15 = {
    3: 0,
    4: 1,
    9: 2,
    11: 3,
    13: 4,
    14: 5,
    7: 6,
    8: 6,
    6: 7,
    2: 8,
    20: 9,
    24: 10,
    27: 11,
    26: 12,
    23: 13,
    22: 14,
}
CITYSCAPES_15 = {
    7: 0,
    8: 1,
    11: 2,
    13: 3,
    19: 4,
    20: 5,
    21: 6,
    22: 7,
    23: 8,
    24: 9,
    25: 9,
    26: 10,
    27: 11,
    28: 12,
    32: 13,
    33: 14,
}
SYNTHIA_12 = {3: 0, 4: 1, 2: 2, 5: 3, 7: 4, 15: 5, 9: 6, 6: 7, 1: 8, 10: 9, 11: 10, 8: 11}
CITYSCAPES_12 = {7: 0, 8: 1, 11: 2, 13: 3, 17: 4, 19: 5, 20: 6, 21: 7, 23: 8, 24: 9, 25: 10, 26: 11}
# the same for the 19 classes, which DAFormer and SePiCo use
CITYSCAPES_19 = {
    7: 0,
    8: 1,
    11: 2,
    12: 3,
    13: 4,
    17: 5,
    19: 6,
    20: 7,
    21: 8,
    22: 9,
    23: 10,
    24: 11,
    25: 12,
    26: 13,
    27: 14,
    28: 15,
    31: 16,
    32: 17,
    33: 18,
}
SYNTHIA_RAND_19 = {
    3: 0,
    4: 1,
    2: 2,
    21: 3,
    5: 4,
    7: 5,
    15: 6,
    9: 7,
    6: 8,
    16: 9,
    1: 10,
    10: 11,
    17: 12,
    8: 13,
    18: 14,
    19: 15,
    20: 16,
    12: 17,
    11: 18,
}
WALL, TERRAIN, TRUCK, TRAIN = 3, 9, 14, 16


def _world(scene: Scene) -> World:
    return World(scene, rendered_look(np.random.default_rng(0)), rate=10.0)


def _wall(ego: Ego, velocity: tuple[float, float]) -> World:
    """A wall across the street, its face 20 m ahead at time 0."""
    builder = SceneBuilder(Street(), ego)
    body = builder.body(20.5, 0.0, velocity)
    builder.part(
        body,
        Shape.BOX,
        (0.0, 0.0, 100.0),
        (1.0, 200.0, 200.0),
        Label.BUILDING,
        Material.FACADE,
        GREY,
    )
    return _world(builder.build())


def _grid(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    v, u = np.mgrid[: size[1], : size[0]].astype(float)
    return u, v


def test_static_camera_in_a_static_world_has_zero_flow() -> None:
    builder = SceneBuilder(Street(), Ego(speed=0.0))
    body = builder.body(10.0, 1.0)
    for shape, x in ((Shape.CYLINDER, 0.0), (Shape.FOLIAGE, 3.0), (Shape.BOX, 6.0)):
        builder.part(body, shape, (x, 0.0, 2.0), (2.0, 2.0, 4.0), Label.TREE, Material.LEAF, GREY)
    flow, visible = _world(builder.build()).exact_flow(3, 2, (96, 48))
    np.testing.assert_allclose(flow, 0, atol=1e-9)
    assert visible.all()


def test_flow_of_a_wall_that_the_camera_drives_at() -> None:
    # 0.5 m closer after one frame: the image grows about the principal point by 20 / 19.5
    ego = Ego(speed=5.0, offset=0.0, focal=0.9, height=100.0, horizon=0.5)
    flow, visible = _wall(ego, (0.0, 0.0)).exact_flow(0, 1, (80, 40))
    u, v = _grid((80, 40))
    grow = 20 / 19.5 - 1
    np.testing.assert_allclose(flow[..., 0], (u - 39.5) * grow, atol=1e-9)
    np.testing.assert_allclose(flow[..., 1], (v - 19.5) * grow, atol=1e-9)
    # what leaves the image cannot be seen there
    inside = (np.abs(u - 39.5) * (1 + grow) <= 39.5) & (np.abs(v - 19.5) * (1 + grow) <= 19.5)
    np.testing.assert_array_equal(visible, inside)


def test_flow_of_a_wall_that_moves_sideways() -> None:
    # 1 m to the left at 20 m depth with a focal length of 72 pixels: 3.6 pixels to the left
    ego = Ego(speed=0.0, offset=0.0, focal=0.9, height=100.0, horizon=0.5)
    flow, _ = _wall(ego, (0.0, 10.0)).exact_flow(0, 1, (80, 40))
    np.testing.assert_allclose(flow[..., 0], -72 / 20, atol=1e-9)
    np.testing.assert_allclose(flow[..., 1], 0, atol=1e-9)


def test_flow_of_the_ego_car_is_zero() -> None:
    world = World.create((4,), SUBURB, rendered_look, 30, True)
    hits, _ = world.hits(5, (64, 32))
    own = (world.labels(hits) == Label.EGO).reshape(32, 64)
    flow, visible = world.exact_flow(5, 4, (64, 32))
    assert own[-1, 32] and own.sum() > 50
    np.testing.assert_allclose(flow[own], 0, atol=1e-9)
    assert visible[own].all()


@pytest.mark.parametrize('layout, look', [(SUBURB, rendered_look), (OLD_TOWN, camera_look)])
@pytest.mark.parametrize('step', [-1, 1])
def test_flow_leads_to_the_same_point_of_the_same_surface(layout, look, step) -> None:
    size = (160, 80)
    world = World.create((11,), layout, look, 30, True)
    hits, camera = world.hits(10, size)
    flow, visible = world.exact_flow(10, 10 + step, size)
    visible = visible.ravel()
    target = camera.pixels() + flow.reshape(-1, 2)
    there, other = world.hits(10 + step, size, target[visible])
    here = {name: getattr(hits, name)[visible] for name in ('part', 'local', 'depth')}
    assert visible.mean() > 0.6
    same = here['part'] == there.part
    assert same.mean() > 0.998  # parts with faces in one plane are a tie
    solid = same & (there.part != SKY)
    assert np.abs(here['local'] - there.local)[solid].max() < 1e-4
    labels = world.labels(hits)[visible]
    assert (labels == world.labels(there)).mean() > 0.999
    # moving parts are among them, and colour sticks to the surface (light and air may change a bit)
    assert np.isin(labels, (Label.CAR, Label.PERSON, Label.RIDER, Label.BICYCLE)).sum() > 50
    colour, colour_there = (
        world.shade(hits, 10, camera)[visible],
        world.shade(there, 10 + step, other),
    )
    assert np.abs(colour - colour_there)[same].mean() < 0.01
    # nearest-pixel warping of the label image, as a user would do it
    image = world.labels(world.hits(10 + step, size)[0]).reshape(80, 160)
    u, v = np.rint(target[visible]).astype(int).T
    assert (image[v, u] == labels).mean() > 0.96


def _naive_cast(
    scene: Scene, time: float, size: tuple[int, int], uv: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Parts and depths by testing every ray against every part, one part after the other.

    Written from the definition of the solids: an interval of the ray is clipped by the planes, and
    by the quadric, that bound a solid.
    """
    camera = scene.camera(time, size)
    rays = np.stack(
        [
            np.ones(len(uv)),
            (camera.centre[0] - uv[:, 0]) / camera.focal,
            (camera.centre[1] - uv[:, 1]) / camera.focal,
        ],
        -1,
    )
    rays = np.einsum('ij,nj->ni', camera.rotation, rays)
    depth = np.where(rays[:, 2] < 0, camera.position[2] / -np.minimum(rays[:, 2], -1e-300), np.inf)
    part = np.where(rays[:, 2] < 0, GROUND, SKY)
    rotations, centres = scene.part_poses(time)
    for index in range(len(scene)):
        inverse = np.diag(1 / scene.half[index]) @ rotations[index].T
        o, d = inverse @ (camera.position - centres[index]), rays @ inverse.T
        enter, leave = np.full(len(uv), -np.inf), np.full(len(uv), np.inf)
        planes, quadric = [], None
        if scene.shape[index] == Shape.BOX:
            ax, ay = scene.taper[index] / 2
            for s in (-1, 1):
                planes += [((0, 0, s), 1.0), ((s, 0, ax), 1 - ax), ((0, s, ay), 1 - ay)]
        elif scene.shape[index] == Shape.CYLINDER:
            planes, quadric = [((0, 0, s), 1.0) for s in (-1, 1)], np.array([1.0, 1.0, 0.0])
        else:
            quadric = np.ones(3)
        for normal, bound in planes:
            rate, rest = d @ np.array(normal, float), bound - o @ np.array(normal, float)
            with np.errstate(divide='ignore', invalid='ignore'):
                t = rest / rate
            enter = np.where(rate < 0, np.maximum(enter, t), enter)
            leave = np.where(rate > 0, np.minimum(leave, t), leave)
        if quadric is not None:
            a, b, c = (d * d) @ quadric, 2 * (d * o) @ quadric, (o * o) @ quadric - 1
            root = b * b - 4 * a * c
            spread = np.sqrt(np.maximum(root, 0))
            enter = np.maximum(enter, np.where(root >= 0, (-b - spread) / (2 * a), np.inf))
            leave = np.minimum(leave, np.where(root >= 0, (-b + spread) / (2 * a), -np.inf))
        nearer = (enter <= leave) & (enter > 0.05) & (enter < depth)
        depth[nearer], part[nearer] = enter[nearer], index
    return part, depth


@pytest.mark.parametrize('seed', [3, 5])
def test_hits_and_occlusion_agree_with_a_naive_caster(seed) -> None:
    size = (72, 36)
    world = World.create((seed,), OLD_TOWN, camera_look, 30, True)
    scene = world.scene
    scene.shape[scene.shape == Shape.FOLIAGE] = Shape.ELLIPSOID  # its fringe is another matter
    hits, camera = world.hits(8, size)
    part, depth = _naive_cast(scene, 8 / world.rate, size, camera.pixels())
    assert (part == hits.part).mean() > 0.995  # parts with faces in one plane are a tie
    np.testing.assert_allclose(hits.depth, depth, rtol=1e-9)
    assert len(np.unique(part)) > 60

    flow, visible = world.exact_flow(8, 7, size)
    target = camera.pixels() + flow.reshape(-1, 2)
    inside = ((target >= -1e-9) & (target <= np.array(size) - 1 + 1e-9)).all(1)
    _, seen = _naive_cast(scene, 7 / world.rate, size, target)
    points = hits.points(scene.part_poses(7 / world.rate))
    before = scene.camera(7 / world.rate, size)
    own = np.where(part == SKY, np.inf, (points - before.position) @ before.rotation[:, 0])
    hidden = np.where(part == SKY, np.isfinite(seen), seen < own * (1 - 1e-6))
    np.testing.assert_array_equal(visible.ravel(), inside & (own > 0) & ~hidden)
    assert 20 < (inside & hidden).sum() < 0.2 * hidden.size


def test_world_depends_on_its_seed_only() -> None:
    a, b, other = (
        World.create(seed, OLD_TOWN, camera_look, 30, True).render(4, SIZE)
        for seed in ((1, 2), (1, 2), (1, 3))
    )
    np.testing.assert_array_equal(a.rgb, b.rgb)
    np.testing.assert_array_equal(a.labels, b.labels)
    assert (a.labels != other.labels).mean() > 0.1


@pytest.mark.parametrize(
    'kind, ids, classes, mapping',
    [
        ('viper', VIPER_IDS, 15, VIPER_15),
        ('cityscapes', CITYSCAPES_IDS, 15, CITYSCAPES_15),
        ('synthia_seq', SYNTHIA_IDS, 12, SYNTHIA_12),
    ],
)
def test_every_class_occurs(kind, ids, classes, mapping) -> None:
    counts, frames = np.zeros(classes), np.zeros(classes)
    worlds = [(make_world(Settings(), kind, 'train', i), 19) for i in range(10)]
    if kind == 'synthia_seq':
        worlds = [(worlds[0][0], number) for number in range(0, 60, 6)]
    for world, number in worlds:
        hits, _ = world.hits(number if kind != 'viper' else 5, (96, 48))
        raw = ids[world.labels(hits)]
        found = np.bincount([mapping[i] for i in raw if i in mapping], minlength=classes)
        counts += found
        frames += found > 0
    assert (counts / counts.sum() > 0.002).all(), counts
    assert (frames >= 3).all(), frames


@pytest.mark.parametrize(
    'kind, ids, mapping, absent',
    [
        ('gta', CITYSCAPES_IDS, CITYSCAPES_19, {WALL, TRAIN}),
        ('synthia_rand', SYNTHIA_RAND_IDS, SYNTHIA_RAND_19, {WALL, TERRAIN, TRUCK, TRAIN}),
    ],
)
def test_classes_of_the_images(kind, ids, mapping, absent) -> None:
    """Walls and trains are not in this world, terrain and trucks not in the original."""
    images = np.zeros(19)
    for index in range(20):
        world = make_world(Settings(), kind, 'train', index)
        raw = ids[world.labels(world.hits(5, (96, 48))[0])]
        images[sorted({mapping[i] for i in raw if i in mapping})] += 1
    assert set(np.flatnonzero(images == 0)) == absent
    assert (images[sorted(set(range(19)) - absent)] >= 3).all(), images


def test_labels_mean_the_same_in_all_data_sets() -> None:
    for label in Label:
        if label == Label.EGO:  # VIPER calls it a car and leaves it to the loader to ignore it
            assert (VIPER_IDS[label], CITYSCAPES_IDS[label]) == (24, 1)
            continue
        assert VIPER_15.get(VIPER_IDS[label]) == CITYSCAPES_15.get(CITYSCAPES_IDS[label]), label
    for label in set(Label) - {
        Label.LANE_MARK,
        Label.TERRAIN,
        Label.TRUCK,
        Label.BUS,
        Label.MOTORCYCLE,
        Label.BICYCLE,
        Label.PARKED_BICYCLE,
    }:
        assert SYNTHIA_12.get(SYNTHIA_IDS[label]) == CITYSCAPES_12.get(CITYSCAPES_IDS[label]), label
    for label in set(Label) - {Label.LANE_MARK, Label.TERRAIN, Label.TRUCK}:
        assert SYNTHIA_RAND_19.get(SYNTHIA_RAND_IDS[label]) == CITYSCAPES_19.get(
            CITYSCAPES_IDS[label]
        ), label
    for label in Label:
        assert CITYSCAPES_TRAIN_IDS[label] == CITYSCAPES_19.get(CITYSCAPES_IDS[label], 255), label


def test_camvid_ids_are_those_of_the_official_classes() -> None:
    """Of the 32 that CamVid's authors define, merged as the reader of their masks merges them."""
    official = {
        Label.SKY: 'Sky',
        Label.ROAD: 'Road',
        Label.LANE_MARK: 'LaneMkgsDriv',
        Label.SIDEWALK: 'Sidewalk',
        Label.TERRAIN: 'VegetationMisc',
        Label.BUILDING: 'Building',
        Label.FENCE: 'Fence',
        Label.POLE: 'Column_Pole',
        Label.LIGHT: 'TrafficLight',
        Label.SIGN: 'SignSymbol',
        Label.TREE: 'Tree',
        Label.HEDGE: 'VegetationMisc',
        Label.PERSON: 'Pedestrian',
        Label.RIDER: 'Bicyclist',
        Label.CAR: 'Car',
        Label.TRUCK: 'Truck_Bus',
        Label.BUS: 'Truck_Bus',
        Label.MOTORCYCLE: 'MotorcycleScooter',
        Label.BICYCLE: 'Bicyclist',
        Label.CLUTTER: 'Void',
        Label.EGO: 'Void',
        Label.PARKED_BICYCLE: 'Void',
    }
    merged = {name: train for name, _, train in _CAMVID}
    assert {label: CAMVID_IDS[label] for label in Label} == {
        label: merged[name] for label, name in official.items()
    }


@pytest.fixture(scope='module')
def tiny(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('minidrive') / 'one'
    assert generate(root, TINY, progress=False)
    return root


def _digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def test_layouts_are_the_official_ones(tiny) -> None:
    expected = {'minidrive.json'}
    for split in ('train', 'val'):
        for number in ('00001', '00002', '00003'):
            expected |= {
                f'viper/{split}/img/001/001_{number}.jpg',
                f'viper/{split}/cls/001/001_{number}.png',
            }
        for number, previous in (('00002', '00001'), ('00003', '00002')):
            flow = f'viper/flow/{split}/img/001/001_{number}__001_{previous}'
            expected |= {f'{flow}.flo', f'{flow}_visible.png'}
    drive = 'SYNTHIA-SEQS-04-DAWN'
    for number in range(3):
        name = f'Stereo_Left/Omni_F/{number:06d}.png'
        expected |= {f'synthia_seq/{drive}/RGB/{name}', f'synthia_seq/{drive}/GT/LABELS/{name}'}
    for number in (1, 2):
        flow = f'synthia_seq/flow/{drive}/RGB/Stereo_Left/Omni_F/{number:06d}__{number - 1:06d}'
        expected |= {f'{flow}.flo', f'{flow}_visible.png'}
    for split, city in (('train', 'aachen'), ('val', 'frankfurt')):
        name = f'{split}/{city}/{city}_000000_0000'
        images = 'leftImg8bit_sequence'
        flow = f'cityscapes/flow/{images}/{name}19_leftImg8bit__{city}_000000_000018_leftImg8bit'
        expected |= {
            f'cityscapes/{images}/{name}18_leftImg8bit.png',
            f'cityscapes/{images}/{name}19_leftImg8bit.png',
            f'cityscapes/gtFine/{name}19_gtFine_labelIds.png',
            f'{flow}.flo',
            f'{flow}_visible.png',
        }
    for name in ('00001', '00002'):
        expected |= {f'gta/images/{name}.png', f'gta/labels/{name}.png'}
    for name in ('0000000', '0000001'):
        expected |= {f'synthia_rand/RGB/{name}.png', f'synthia_rand/GT/LABELS/{name}.png'}
    # the 20th and 25th frames of the clips 1 and 401, the 4th and 5th of the 6 that have labels
    for split, clip, frames, drive in (
        ('train', '0001', ('0004', '0005'), 'lindau_000001'),
        ('val', '0401', ('2404', '2405'), 'munster_000401'),
    ):
        root = f'cityscapes_vps/{split}'
        for number in range(18, 25):
            expected.add(f'{root}/img_all/{drive}_{number:06d}_leftImg8bit.png')
        for number in range(19, 25):
            flow = (
                f'cityscapes_vps/flow/{split}/img_all/{drive}_{number:06d}_leftImg8bit__'
                f'{drive}_{number - 1:06d}_leftImg8bit'
            )
            expected |= {f'{flow}.flo', f'{flow}_visible.png'}
        for frame, number, image, label in (
            (frames[0], '19', 'leftImg8bit', 'gtFine_color'),
            (frames[1], '24', 'newImg8bit', 'final_mask'),
        ):
            name = f'{clip}_{frame}_{drive}_0000{number}'
            expected |= {f'{root}/img/{name}_{image}.png', f'{root}/labelmap/{name}_{label}.png'}
    for drive in ('drive0000', 'drive0001'):
        for name in (f'{drive}_f00000', f'{drive}_f00002'):
            expected |= {f'camvid/images/{name}.png', f'camvid/labels/{name}.png'}
        flow = f'camvid/flow/images/{drive}_f00002__{drive}_f00000'
        expected |= {f'{flow}.flo', f'{flow}_visible.png'}
    for index, condition in enumerate(('fog', 'night', 'rain', 'snow')):
        for split in ('train', 'val'):
            name = f'GOPR000{index}/GOPR000{index}_frame_000006'
            expected |= {
                f'acdc/rgb_anon/{condition}/{split}/{name}_rgb_anon.png',
                f'acdc/rgb_anon/{condition}/{split}_ref/{name}_rgb_ref_anon.png',
                f'acdc/gt/{condition}/{split}/{name}_gt_labelTrainIds.png',
            }
    for split, first in (('train', 0), ('val', 0x8000)):
        for folder, numbers in (('continuous/videos/1x', (0, 2)), ('discrete/videos', (1, 3, 5))):
            front = f'shift/{folder}/{split}/front'
            expected.add(f'{front}/seq.csv')
            (found,) = {
                tuple(sorted(path.name for path in (tiny / front / kind).iterdir()))
                for kind in ('img', 'semseg')
            }
            assert [name[:5] for name in found] == [f'{first + number:04x}-' for number in numbers]
            for sequence in found:
                for n in range(2):
                    expected |= {
                        f'{front}/img/{sequence}/{n:08d}_img_front.jpg',
                        f'{front}/semseg/{sequence}/{n:08d}_semseg_front.png',
                    }
                flow = front.replace('shift/', 'shift/flow/') + f'/img/{sequence}'
                flow += '/00000001_img_front__00000000_img_front'
                expected |= {f'{flow}.flo', f'{flow}_visible.png'}
    assert set(_digests(tiny)) == expected


def test_files_hold_what_the_data_sets_hold(tiny) -> None:
    for path in tiny.glob('viper/*/cls/*/*.png'):
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert label.shape == (36, 64) and label.dtype == np.uint8  # 16:9
        assert set(np.unique(label)) <= {*VIPER_15, 10, 19}
    for path in tiny.glob('cityscapes/gtFine/*/*/*.png'):
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert label.shape == (32, 64) and label.dtype == np.uint8
        assert set(np.unique(label)) <= {*CITYSCAPES_15, 1, 4, 17}
        assert label[-1, 32] == 1
    for path in tiny.glob('synthia_seq/*/GT/**/*.png'):
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert label.shape == (38, 64, 3) and label.dtype == np.uint16  # 1280:760
        assert set(np.unique(label[..., 2])) <= {*SYNTHIA_12, 0, 12}  # OpenCV: BGR
        assert not label[..., 0].any()
        assert len(np.unique(label[..., 1])) > 2  # instances
    for path in tiny.glob('synthia_rand/GT/LABELS/*'):
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert label.shape == (38, 64, 3) and label.dtype == np.uint16
        assert set(np.unique(label[..., 2])) <= {*SYNTHIA_RAND_19, 0, 22}
    for path in tiny.glob('gta/labels/*'):
        image = Image.open(path)
        label = np.asarray(image)
        assert image.mode == 'P' and label.shape == (35, 64)  # 1914:1052
        assert set(np.unique(label)) <= {*CITYSCAPES_19, 4}
        road = np.asarray(image.convert('RGB'))[label == 7]
        assert len(road) > 100 and (road == (128, 64, 128)).all()
    for path in tiny.glob('cityscapes_vps/*/labelmap/*'):
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert label.shape == (32, 64) and label.dtype == np.uint8
        assert set(np.unique(label)) <= {*CITYSCAPES_19.values(), 255}
        assert label[-1, 32] == 255  # the bonnet
        (image,) = path.parents[1].glob(f'img/{path.name[:9]}*')
        name = '_'.join(image.stem.split('_')[2:5])  # without clip and frame
        assert (
            image.read_bytes() == (path.parents[1] / f'img_all/{name}_leftImg8bit.png').read_bytes()
        )
    for path in (
        *tiny.glob('viper/*/img/*/*'),
        *tiny.glob('cityscapes/left*/*/*/*'),
        *tiny.glob('gta/images/*'),
        *tiny.glob('synthia_rand/RGB/*'),
        *tiny.glob('cityscapes_vps/*/img*/*'),
    ):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert image.ndim == 3 and image.dtype == np.uint8 and image.std() > 20
    name = 'viper/flow/train/img/001/001_00003__001_00002'
    data = (tiny / f'{name}.flo').read_bytes()  # Middlebury: magic, width, height, (u, v) pairs
    assert data[:4] == b'PIEH' and np.frombuffer(data[4:12], '<i4').tolist() == [64, 36]
    flow, visible = make_world(TINY, 'viper', 'train', 0).exact_flow(2, 1, (64, 36))
    np.testing.assert_allclose(np.frombuffer(data[12:], '<f4').reshape(36, 64, 2), flow, rtol=1e-6)
    stored = cv2.imread(str(tiny / f'{name}_visible.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored, np.where(visible, 255, 0))


def test_the_image_data_sets_read_it(tiny) -> None:
    load = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]
    folder = 'leftImg8bit_sequence'  # of which the annotated frames are images
    for dataset, size in (
        (GTADataset(str(tiny / 'gta'), pipeline=load), (35, 64)),
        (SynthiaDataset(str(tiny / 'synthia_rand'), pipeline=load), (38, 64)),
        (
            CityscapesImageDataset(str(tiny / 'cityscapes'), 'train', folder, pipeline=load),
            (32, 64),
        ),
        (CityscapesImageDataset(str(tiny / 'cityscapes'), 'val', folder, pipeline=load), (32, 64)),
    ):
        item = dataset[0]
        assert item['inputs']['frames'].shape == (1, 3, *size)
        assert len(item['data_samples'].gt_sem_seg.data.unique()) > 6
        assert item['data_samples'].gt_sem_seg.shape == size


@pytest.mark.parametrize('split, clip', [('train', '0001'), ('val', '0401')])
def test_cityscapes_vps_reads_it(tiny, split, clip) -> None:
    load = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]
    dataset = CityscapesVPSDataset(str(tiny / 'cityscapes_vps'), split, pipeline=load)
    assert [dataset.get_data_info(i)['frame_name'][-6:] for i in range(len(dataset))] == [
        '000019',
        '000024',
    ]
    sample = dataset[0]['data_samples']
    assert sample.seq_name == clip and len(sample.gt_sem_seg.data.unique()) > 6
    # the frame that the label belongs to, by the world itself
    labels = make_world(TINY, 'cityscapes_vps', split, 0).render(19, SIZE).labels
    np.testing.assert_array_equal(
        sample.gt_sem_seg.data[0].numpy(),
        np.array([CITYSCAPES_15.get(i, 255) for i in CITYSCAPES_IDS[labels].ravel()]).reshape(
            labels.shape
        ),
    )
    dataset = CityscapesVPSDataset(
        str(tiny / 'cityscapes_vps'), split, frames='all', with_labels=False
    )
    assert len(dataset) == 7


def test_camvid_reads_it(tiny) -> None:
    load = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]
    dataset = CamVidDataset(str(tiny / 'camvid'), pipeline=load)
    names = [dataset.get_data_info(i)['frame_name'] for i in range(len(dataset))]
    assert names == [f'drive000{i}_f0000{frame}' for i in (0, 1) for frame in (0, 2)]
    item = dataset[3]
    assert item['inputs']['frames'].shape == (2, 3, 48, 64)  # with the frame before
    labels = make_world(TINY, 'camvid', 'train', 1).render(1, (64, 48)).labels
    assert len(np.unique(labels)) > 6
    np.testing.assert_array_equal(
        item['data_samples'].gt_sem_seg.data[0].numpy(),
        np.where(CAMVID_IDS[labels] == 11, 255, CAMVID_IDS[labels]),
    )


def test_acdc_reads_it(tiny) -> None:
    load = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]
    dataset = ACDCDataset(str(tiny / 'acdc'), 'val', reference_pairs=True, pipeline=load)
    assert [item['data_samples'].seq_name for item in dataset] == [
        f'{condition}/GOPR000{i}' for i, condition in enumerate(('fog', 'night', 'rain', 'snow'))
    ]
    item = dataset[2]
    assert item['inputs']['frames'].shape == (2, 3, 36, 64)  # with the reference image
    labels = make_world(TINY, 'acdc', 'val', 2).render(5, (64, 36)).labels
    np.testing.assert_array_equal(
        item['data_samples'].gt_sem_seg.data[0].numpy(), CITYSCAPES_TRAIN_IDS[labels]
    )


def test_adverse_conditions() -> None:
    """One scene in two looks, and what each condition does to it."""
    size = (96, 54)
    adverse, day = [], []
    for index in range(8):
        world, reference = (
            make_world(TINY, 'acdc', 'train', index),
            reference_world(TINY, 'train', index),
        )
        adverse.append(world.render(5, size))
        day.append(reference.render(5, size))
        np.testing.assert_array_equal(adverse[-1].labels, day[-1].labels)

    def grey(frame, *labels):
        return frame.rgb[np.isin(frame.labels, labels)].mean(1)

    def distant(frame):
        return frame.rgb[(frame.depth > 40) & np.isfinite(frame.depth)].mean(1)

    # What each condition lowers, and below which share of its value by day.
    for condition, value, share in (
        (0, lambda frame: distant(frame).std(), 0.8),  # fog
        (1, lambda frame: frame.rgb.mean(), 0.6),  # night
        (2, lambda frame: grey(frame, Label.ROAD).mean(), 0.8),  # rain
        # snow
        (3, lambda f: grey(f, Label.BUILDING).mean() / grey(f, Label.SIDEWALK).mean(), 1.0),
    ):
        changed, plain = (
            np.array([value(frame) for frame in frames[condition::4]]) for frames in (adverse, day)
        )
        assert (changed < share * plain).all(), (condition, changed / plain)


def test_shift_reads_it(tiny) -> None:
    load = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]
    root = str(tiny / 'shift')
    night = SHIFTDataset(
        root, 'val', shift='continuous/1x', shift_types=['daytime_to_night'], pipeline=load
    )
    assert len(night) == 2 and len(SHIFTDataset(root, shift='continuous/1x')) == 4
    conditions = dict(weathers=['clear'], times=['night'])
    assert len(SHIFTDataset(root)) == 6 and len(SHIFTDataset(root, **conditions)) == 2
    item = night[1]
    assert item['inputs']['frames'].shape == (2, 3, 40, 64)  # 1280:800
    labels = make_world(TINY, 'shift', 'val', 0).render(1, (64, 40)).labels
    train_ids = {i: k for k, i in enumerate([1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 18, 22])}
    np.testing.assert_array_equal(
        item['data_samples'].gt_sem_seg.data[0].numpy(),
        np.vectorize(lambda label: train_ids.get(SHIFT_IDS[label], 255))(labels),
    )


def test_a_continuous_shift_goes_there_and_back() -> None:
    """Brightness by night; in fog, how what is far away differs from the sky."""
    settings = dataclasses.replace(ONE, shift=1, shift_frames=9)
    size = (96, 60)
    for index, condition in ((0, 'night'), (2, 'fog')):
        world = make_world(settings, 'shift', 'train', index)
        looks = [drifted(settings, world, index, n).look for n in range(9)]
        for look in looks:
            np.testing.assert_array_equal(look.palette.wall, world.look.palette.wall)
        # The scene is still, so that only the light and the air change.
        frames = [
            drifted(settings, World(world.scene, world.look, world.seed, 1e9), index, n)
            for n in range(9)
        ]
        rendered = [frame.render(n, size) for n, frame in enumerate(frames)]
        for frame in rendered:
            np.testing.assert_array_equal(frame.labels, rendered[0].labels)
        depth = rendered[0].depth
        far, sky = (depth > 30) & np.isfinite(depth), np.isinf(depth)
        values = np.array(
            [
                frame.rgb.mean()
                if condition == 'night'
                else np.abs(frame.rgb[far].astype(float) - frame.rgb[sky].mean(0)).mean()
                for frame in rendered
            ]
        )
        assert (np.diff(values)[:4] < 0).all() and (np.diff(values)[4:] > 0).all(), values
        assert values[4] < 0.6 * values[0] and abs(values[0] - values[8]) < 0.05 * values[0]
        # No step is large: the largest of a sine is 0.36 of the range in 8 steps.
        assert np.abs(np.diff(values)).max() < 0.6 * (values[0] - values[4])
        hazes = [look.haze for look in looks]
        assert hazes == pytest.approx(hazes[::-1])
        assert (hazes[4] > 3 * hazes[0]) == (condition == 'fog')


def test_flow_and_labels_do_not_depend_on_the_look() -> None:
    settings = dataclasses.replace(ONE, shift=1, shift_frames=9)
    world = make_world(settings, 'shift', 'train', 0)
    for a, b in zip(
        world.exact_flow(5, 4, SIZE),
        drifted(settings, world, 0, 5).exact_flow(5, 4, SIZE),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    # A discrete shift stays as it is.
    discrete = make_world(settings, 'shift', 'train', 3)
    assert drifted(settings, discrete, 3, 5) is discrete


def test_tc_of_exact_labels_with_the_flow_of_a_shift(tiny) -> None:
    """The flow leads to pixels with the same label; no flow does so less often."""
    load = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]
    root = tiny / 'shift'
    dataset = SHIFTDataset(str(root), shift='continuous/1x', clip_length=1, pipeline=load)
    exact = dict(
        type='PrecomputedFlow',
        root=str(root / 'flow'),
        frame_root=str(root),
        template='{folder}/{stem}__{stem_b}.flo',
    )
    found = {}
    for flow, options in ((exact, dict(occlusion='exact')), (dict(type='ZeroFlow'), {})):
        metric = TemporalConsistencyMetric(flow, 'mine', direction='backward', **options)
        metric.dataset_meta = dataset.metainfo
        for item in dataset:
            sample = item['data_samples']
            sample.pred_sem_seg = sample.gt_sem_seg
            metric.process({}, [sample.to_dict()])
        found[flow['type']] = metric.evaluate(len(dataset))['TC.mine']
    assert found['PrecomputedFlow'] > found['ZeroFlow'] + 10


@pytest.mark.parametrize('kind', ['rain', 'snow'])
def test_precipitation(kind) -> None:
    few, many = (
        precipitation(kind, density, (90, 160), np.random.default_rng(0)) for density in (0.5, 4)
    )
    assert few.shape == (90, 160) and few.dtype == np.float32
    assert 0 < (few > 0).mean() < 0.4 * (many > 0).mean() and many.max() <= 1


def test_drives_for_camvid_have_all_classes_and_looks_of_their_own() -> None:
    size, drives = (80, 60), 24
    worlds = [make_world(TINY, 'camvid', 'train', index) for index in range(drives)]
    ids = [CAMVID_IDS[world.labels(world.hits(1, size)[0])] for world in worlds]
    shares = np.array([np.bincount(i, minlength=12) / i.size for i in ids])
    assert ((shares > 0).mean(0)[:11] > 0.3).all(), shares
    assert (shares.mean(0)[[0, 1, 3]] > 0.1).all()  # sky, building, road
    assert (shares.mean(0)[:11] > 0.002).all() and shares.mean(0)[11] < 0.05

    def road(kind: str) -> np.ndarray:
        """Mean colour of the road in each drive."""
        frames = [make_world(TINY, kind, 'train', i).render(1, (40, 30)) for i in range(10)]
        return np.array([frame.rgb[frame.labels == Label.ROAD].mean(0) for frame in frames])

    drawn, fixed = road('camvid'), road('viper')
    assert drawn.mean(1).std() > 2 * fixed.mean(1).std()  # brightness
    assert np.ptp(drawn, axis=1).std() > 2 * np.ptp(fixed, axis=1).std()  # tint
    cameras = np.array(
        [(e.focal, e.height, e.horizon, e.roll) for e in (w.scene.ego for w in worlds)]
    )
    assert (cameras.std(0) > [0.1, 0.1, 0.03, 0.005]).all()


def test_crowns_without_leaves_are_labelled_as_a_whole() -> None:
    builder = SceneBuilder(Street(), Ego(offset=0.0, height=3.0, horizon=0.5))
    body = builder.body(10.0, 0.0)
    crown = Shape.TWIGS, (0.0, 0.0, 3.0), (1.0, 4.0, 4.0), Label.TREE, Material.BARK, GREY
    builder.part(body, *crown)
    wall = builder.body(20.0, 0.0)
    builder.part(
        wall, Shape.BOX, (0.0, 0.0, 5.0), (1.0, 40.0, 10.0), Label.BUILDING, Material.PLAIN, GREY
    )
    world = _world(builder.build())
    hits, camera = world.hits(0, (96, 72))
    crowned = world.labels(hits) == Label.TREE
    # the rim of the outline is frayed: the disc of 4 m in 9.5 m distance is mostly inside it
    u, v = (camera.pixels() - camera.centre).T
    inside = np.hypot(u, v) < 0.8 * 2.0 / 10.0 * camera.focal
    assert crowned[inside].mean() > 0.97
    seen = hits.part[inside]
    assert 0.1 < (seen == 0).mean() < 0.6 and set(seen) == {0, 1}  # twigs, and the wall behind
    np.testing.assert_array_equal(hits.veiled[inside], crowned[inside] & (seen == 1))


OLD_WORLDS = [
    (
        'viper',
        0,
        [358, 367, 76, 40, 58, 285, 3, 27, 52, 11, 150, 15, 36, 117, 4, 0, 137, 37, 33, 0, 242],
        [120.2, 118.57, 125.29],
    ),
    (
        'synthia_seq',
        0,
        [428, 672, 11, 39, 24, 355, 85, 30, 52, 23, 62, 0, 33, 42, 163, 0, 0, 0, 29, 0, 0],
        [113.67, 109.2, 106.68],
    ),
    (
        'cityscapes',
        3,
        [99, 465, 13, 43, 42, 616, 32, 30, 7, 11, 5, 0, 5, 57, 161, 3, 234, 90, 0, 1, 134],
        [110.21, 104.69, 98.77],
    ),
    (
        'gta',
        4,
        [345, 693, 16, 31, 57, 380, 17, 72, 23, 6, 8, 5, 19, 67, 0, 164, 96, 0, 48, 1, 0],
        [101.49, 110.7, 115.84],
    ),
    (
        'synthia_rand',
        1,
        [308, 630, 15, 55, 37, 146, 0, 37, 38, 66, 72, 0, 32, 25, 1, 422, 105, 7, 52, 0, 0],
        [122.85, 123.16, 123.25],
    ),
    (
        'cityscapes_vps',
        2,
        [155, 632, 36, 59, 49, 563, 0, 29, 31, 92, 106, 22, 23, 19, 22, 0, 18, 22, 0, 0, 170],
        [85.43, 75.49, 77.6],
    ),
]


@pytest.mark.parametrize('kind, index, counts, mean', OLD_WORLDS)
def test_older_worlds_stay(kind, index, counts, mean) -> None:
    """Pixels of each label and the mean colour, as of VERSION 1 before there was CamVid."""
    frame = make_world(Settings(), kind, 'train', index).render(5, (64, 32))
    labels = np.where(frame.labels == Label.PARKED_BICYCLE, Label.BICYCLE, frame.labels)
    assert np.bincount(labels.ravel(), minlength=len(counts)).tolist() == counts
    np.testing.assert_allclose(frame.rgb.mean((0, 1)), mean, atol=0.5)


def test_missing_data_sets_are_added(tiny, tmp_path) -> None:
    """A MiniDrive from before there were images or clips gets them, and nothing else changes."""
    root = tmp_path / 'old'
    added = dict(
        gta=('gta',),
        synthia_rand=('synthia_rand',),
        cityscapes_vps=('cityscapes_vps', 'cityscapes_vps_val', 'clip_frames'),
        camvid=('camvid', 'camvid_frames', 'camvid_size'),
        acdc=('acdc',),
        shift=('shift', 'shift_frames'),
    )
    generate(root, TINY, progress=False)
    marker = root / 'minidrive.json'

    def turn_old() -> dict[str, int]:
        state = json.loads((tiny / 'minidrive.json').read_text())
        for name in (setting for names in added.values() for setting in names):
            del state['settings'][name]
        marker.write_text(json.dumps(state))
        return {
            path: path.stat().st_mtime_ns
            for path in root.rglob('*.*')
            if path.suffix in ('.png', '.jpg', '.flo')
            and path.relative_to(root).parts[0] not in added
        }

    written = turn_old()
    for name in added:
        (root / name).rename(tmp_path / name)
    assert generate(root, TINY, progress=False)
    assert _digests(root) == _digests(tiny)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert not generate(root, TINY, progress=False)
    # interrupted while it added: what was there before stays
    state = json.loads(marker.read_text())
    done = ['viper', 'synthia_seq', 'cityscapes']
    marker.write_text(json.dumps({**state, 'complete': False, 'done': done}))
    (root / 'gta' / 'labels' / '00002.png').unlink()
    assert generate(root, TINY, progress=False)
    assert _digests(root) == _digests(tiny)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    # one of them alone
    for kind in ('cityscapes_vps', 'camvid', 'acdc', 'shift'):
        images = {path: path.stat().st_mtime_ns for path in root.glob('gta/*/*')}
        state = json.loads((tiny / 'minidrive.json').read_text())
        for name in added[kind]:
            del state['settings'][name]
        marker.write_text(json.dumps(state))
        (root / kind).rename(tmp_path / f'{kind} alone')
        assert generate(root, TINY, progress=False)
        assert _digests(root) == _digests(tiny)
        now = {path: path.stat().st_mtime_ns for path in (*written, *images)}
        assert now == {**written, **images}
    # a folder that was there before is somebody's
    turn_old()
    with pytest.raises(FileExistsError, match='gta does not belong to the MiniDrive'):
        generate(root, TINY, overwrite=True, progress=False)
    assert (root / 'gta' / 'images' / '00001.png').is_file()


def test_bytes_do_not_depend_on_the_number_of_processes(tiny, tmp_path) -> None:
    assert generate(tmp_path / 'two', TINY, processes=2, progress=False)
    assert _digests(tmp_path / 'two') == _digests(tiny)


def test_some_data_sets_alone(tiny, tmp_path) -> None:
    root = tmp_path / 'some'
    some = ['viper', 'camvid']
    assert generate(root, TINY, progress=False, only=some)
    assert sorted(path.name for path in root.iterdir()) == ['camvid', 'minidrive.json', 'viper']
    written = {path: path.stat().st_mtime_ns for path in root.glob('*/**/*') if path.is_file()}
    assert not generate(root, TINY, progress=False, only=['camvid'])
    with pytest.raises(FileExistsError, match='seed 0 -> 1'):
        generate(root, dataclasses.replace(TINY, seed=1), progress=False, only=some)
    # The others are added; these are not written again.
    assert generate(root, TINY, progress=False)
    # Other settings would concern what is left out.
    with pytest.raises(FileExistsError, match='would lose .*cityscapes.*seed 0 -> 1'):
        generate(root, dataclasses.replace(TINY, seed=1), progress=False, only=some, overwrite=True)
    assert _digests(root) == _digests(tiny)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert not generate(root, TINY, progress=False)


def test_acdc_is_added_to_a_minidrive_without(tmp_path) -> None:
    assert generate(tmp_path, ONE, progress=False)
    assert not (tmp_path / 'acdc').exists() and not generate(tmp_path, ONE, progress=False)
    more = dataclasses.replace(ONE, acdc=1)
    assert generate(tmp_path, more, progress=False, only=['acdc'])
    assert len(list(tmp_path.glob('acdc/rgb_anon/*/*/*/*'))) == 16
    assert not generate(tmp_path, more, progress=False)
    with pytest.raises(FileExistsError, match='acdc 1 -> 2'):
        generate(tmp_path, dataclasses.replace(ONE, acdc=2), progress=False)
    # It cannot stay beside data sets with other settings, and is not asked for.
    other = dataclasses.replace(ONE, seed=1)
    with pytest.raises(FileExistsError, match=r'would lose acdc, .*seed 0 -> 1'):
        generate(tmp_path, other, progress=False, only=['viper'], overwrite=True)
    assert len(list(tmp_path.glob('acdc/rgb_anon/*/*/*/*'))) == 16


def test_shift_is_added_to_a_minidrive_without(tmp_path) -> None:
    assert generate(tmp_path, ONE, progress=False)
    more = dataclasses.replace(ONE, shift=1, shift_frames=2)
    assert generate(tmp_path, more, progress=False, only=['shift'])
    assert len(list(tmp_path.glob('shift/**/*.jpg'))) == 20
    assert not generate(tmp_path, more, progress=False)
    with pytest.raises(FileExistsError, match='shift_frames 2 -> 3'):
        generate(tmp_path, dataclasses.replace(more, shift_frames=3), progress=False)


def _counts(root: Path) -> dict:
    settings = json.loads((root / 'minidrive.json').read_text())['settings']
    return {name: settings[name] for name in ('viper', 'camvid', 'acdc', 'shift')}


def test_what_was_added_stays_when_others_are_asked_for(tmp_path) -> None:
    """Commands with the number 0, or that leave it out of `only`, do not ask for a data set."""
    demo, parts = dataclasses.replace(ONE, camvid=1), ['viper', 'cityscapes']
    size = dict(camvid_size=(48, 36))
    assert generate(tmp_path, demo, progress=False, only=parts)
    more = dataclasses.replace(ONE, acdc=1)
    assert generate(tmp_path, more, progress=False, only=['acdc'])
    assert _counts(tmp_path) == dict(viper=1, camvid=1, acdc=1, shift=0)
    before = _digests(tmp_path / 'acdc')
    # make demo
    assert not generate(tmp_path, demo, progress=False, only=parts)
    # Another addition, with other settings of what it does not write.
    more = dataclasses.replace(demo, shift=1, shift_frames=2, **size)
    assert generate(tmp_path, more, progress=False, only=['shift'])
    assert _counts(tmp_path) == dict(viper=1, camvid=1, acdc=1, shift=1)
    # All that the preset has: what is missing is added, with the settings from when it was first
    # asked for.
    assert generate(tmp_path, demo, progress=False)
    assert len(list(tmp_path.glob('camvid/images/*'))) == demo.camvid_frames
    state = json.loads((tmp_path / 'minidrive.json').read_text())
    assert state['complete'] and state['settings']['shift_frames'] == 2
    assert state['settings']['camvid_size'] == [320, 240]
    assert not generate(tmp_path, demo, progress=False)
    assert not generate(tmp_path, dataclasses.replace(demo, camvid=0), progress=False)
    assert _digests(tmp_path / 'acdc') == before
    # Nor do they ask for one that was deleted.
    away = (tmp_path / 'acdc').rename(tmp_path / '.away')
    assert not generate(tmp_path, demo, progress=False)
    away.rename(tmp_path / 'acdc')
    # What it asks for is compared.
    with pytest.raises(FileExistsError, match=r'\(camvid_size \[320, 240\] -> \[48, 36\]\)'):
        generate(tmp_path, dataclasses.replace(demo, **size), progress=False)
    with pytest.raises(FileExistsError, match=r'\(acdc 1 -> 2\)'):
        generate(tmp_path, dataclasses.replace(demo, acdc=2), progress=False, only=['acdc'])
    # Another MiniDrive in its place has what it asks for alone.
    other = dataclasses.replace(demo, seed=1)
    assert generate(tmp_path, other, overwrite=True, progress=False)
    assert _counts(tmp_path) == dict(viper=1, camvid=1, acdc=0, shift=0)
    assert not any((tmp_path / name).exists() for name in ('acdc', 'shift'))


def test_an_interrupted_addition_is_finished(tmp_path) -> None:
    more = dataclasses.replace(ONE, acdc=1)
    generate(tmp_path, ONE, progress=False)
    generate(tmp_path, more, progress=False, only=['acdc'])
    before = _digests(tmp_path)
    marker = tmp_path / 'minidrive.json'
    state = json.loads(marker.read_text())
    done = [name for name in ROOTS if name != 'acdc']
    marker.write_text(json.dumps({**state, 'complete': False, 'done': done}))
    next(tmp_path.glob('acdc/rgb_anon/*/*/*/*')).unlink()
    assert not generate(tmp_path, ONE, progress=False, only=['viper'])
    assert generate(tmp_path, ONE, progress=False)
    assert _digests(tmp_path) == before


def test_camvid_and_clips_are_added_to_a_minidrive_without(tmp_path) -> None:
    """Their sizes and frames say nothing while there are none of them."""
    assert generate(tmp_path, ONE, progress=False)
    more = dataclasses.replace(
        ONE, camvid=1, camvid_size=(48, 36), cityscapes_vps_val=1, clip_frames=(4, 4)
    )
    assert generate(tmp_path, more, progress=False)
    assert cv2.imread(str(next(tmp_path.glob('camvid/images/*')))).shape == (36, 48, 3)
    assert len(list(tmp_path.glob('cityscapes_vps/val/labelmap/*'))) == 1
    assert not generate(tmp_path, more, progress=False)


def test_invalid_settings_of_what_stays(tmp_path) -> None:
    generate(tmp_path, ONE, progress=False)
    marker = tmp_path / 'minidrive.json'
    state = json.loads(marker.read_text())
    marker.write_text(json.dumps({**state, 'settings': {**state['settings'], 'acdc': 'x'}}))
    with pytest.raises(ValueError, match='no MiniDrive has.*make_minidrive.py'):
        generate(tmp_path, ONE, overwrite=True, progress=False)
    assert (tmp_path / 'viper').is_dir()


def test_existing_files_are_respected(tiny, tmp_path, capsys) -> None:
    settings = ONE
    root = tmp_path / 'out'
    assert generate(root, settings)
    assert '1/1 frames' in capsys.readouterr().err
    image = root / 'viper/train/img/001/001_00001.jpg'
    written = image.stat().st_mtime_ns
    assert not generate(root, settings)
    assert image.stat().st_mtime_ns == written
    other = dataclasses.replace(ONE, seed=1)
    with pytest.raises(FileExistsError, match=r'seed 0 -> 1.*--overwrite'):
        generate(root, other)
    before = image.read_bytes()
    assert generate(root, other, overwrite=True, progress=False)
    assert image.read_bytes() != before
    # an interrupted run is finished, not mistaken for a complete one
    marker = root / 'minidrive.json'
    state = json.loads(marker.read_text())
    marker.write_text(json.dumps({**state, 'complete': False}))
    image.unlink()
    assert generate(root, other, progress=False) and image.is_file()
    # a folder of something else is never touched
    real = tmp_path / 'real'
    (real / 'viper').mkdir(parents=True)
    with pytest.raises(FileExistsError, match='not a MiniDrive'):
        generate(real, other, overwrite=True)


def test_a_data_set_appears_when_it_is_whole(tmp_path, monkeypatch) -> None:
    """Interrupted, its part is not found by readers; what is whole stays."""
    settings = dataclasses.replace(ONE, camvid=2, camvid_frames=1, camvid_size=(48, 36))
    assert generate(tmp_path / 'whole', settings, progress=False)
    root = tmp_path / 'out'

    def write(root, settings, chunk):
        if (chunk.kind, chunk.index) == ('camvid', 1):
            raise KeyboardInterrupt
        return write_chunk(root, settings, chunk)

    monkeypatch.setattr(generating, 'write_chunk', write)
    with pytest.raises(KeyboardInterrupt):
        generate(root, settings, progress=False)
    assert not (root / 'camvid').exists()
    assert not generate(root, settings, progress=False, only=['viper'])
    image = root / 'viper/train/img/001/001_00001.jpg'
    written = image.stat().st_mtime_ns
    monkeypatch.undo()
    assert generate(root, settings, progress=False)
    assert _digests(root) == _digests(tmp_path / 'whole')
    assert image.stat().st_mtime_ns == written
    assert {path.name for path in root.iterdir()} == {'viper', 'camvid', 'minidrive.json'}


def test_a_replacement_that_fails(tmp_path, monkeypatch) -> None:
    """No part of the old data sets is left to be taken for a whole."""
    assert generate(tmp_path, ONE, progress=False)
    marker, other = tmp_path / 'minidrive.json', dataclasses.replace(ONE, seed=1)
    before = marker.read_bytes()

    def fail(*args, **kwargs):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(files.os, 'replace', fail)
        with pytest.raises(OSError, match='No space'):
            generate(tmp_path, other, overwrite=True, progress=False)
    assert marker.read_bytes() == before and not (tmp_path / 'viper').exists()
    assert generate(tmp_path, ONE, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(generating.shutil, 'rmtree', fail)
        with pytest.raises(OSError, match='No space'):
            generate(tmp_path, other, overwrite=True, progress=False)
    assert not json.loads(marker.read_text())['complete'] and not (tmp_path / 'viper').exists()
    with pytest.raises(FileExistsError, match='seed 1 -> 0'):
        generate(tmp_path, ONE, progress=False)
    assert generate(tmp_path, other, progress=False)
    assert {path.name for path in tmp_path.iterdir()} == {'viper', 'minidrive.json'}


def test_a_deleted_data_set_is_made_again(tmp_path) -> None:
    assert generate(tmp_path, ONE, progress=False)
    before = _digests(tmp_path)
    shutil.rmtree(tmp_path / 'viper')
    assert generate(tmp_path, ONE, progress=False)
    assert _digests(tmp_path) == before


def test_a_linked_data_set_is_not_replaced(tmp_path) -> None:
    root, large = tmp_path / 'out', tmp_path / 'large disk'
    assert generate(root, ONE, progress=False)
    (root / 'viper').rename(large)
    (root / 'viper').symlink_to(large)
    before = _digests(root) | _digests(large)
    assert not generate(root, ONE, progress=False)
    with pytest.raises(InputError, match='viper is a link to .*large disk'):
        generate(root, dataclasses.replace(ONE, seed=1), overwrite=True, progress=False)
    assert _digests(root) | _digests(large) == before


@pytest.mark.parametrize(
    'change',
    [
        dict(complete='no'),
        dict(complete=1),
        dict(version='1'),
        dict(settings=[]),
        dict(done='viper'),
        dict(done=['..']),
        dict(complete=None),
        None,
    ],
)
def test_a_broken_description(tmp_path: Path, change: dict | None) -> None:
    """Nothing is deleted or replaced on its word, not even with --overwrite."""
    (tmp_path / 'viper').mkdir()
    right = dict(version=1, settings={}, complete=True)
    (tmp_path / 'minidrive.json').write_text(
        '[' * 10**5 if change is None else json.dumps({**right, **change})
    )
    with pytest.raises(ValueError, match='minidrive.json holds no description.*make_minidrive.py'):
        generate(tmp_path, ONE, overwrite=True)
    assert (tmp_path / 'viper').is_dir()


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match='snippet_frames: 20-25'):
        Settings(snippet_frames=(20, 25))
    with pytest.raises(ValueError, match='clip_frames: 5-8'):
        Settings(clip_frames=(5, 8))
    with pytest.raises(ValueError, match='clip_frames: 4-30'):
        Settings(clip_frames=(4, 30))
    with pytest.raises(ValueError, match='size: 8x8'):
        Settings(size=(8, 8))
    with pytest.raises(ValueError, match='camvid_size: 8x8'):
        Settings(camvid_size=(8, 8))
    with pytest.raises(ValueError, match='camvid_frames: -1'):
        Settings(camvid_frames=-1)
    with pytest.raises(ValueError, match='viper: -1'):
        Settings(viper=-1)
    with pytest.raises(ValueError, match='seed: -1 is negative'):
        Settings(seed=-1)


def test_command(tmp_path, capsys) -> None:
    spec = importlib.util.spec_from_file_location('make_minidrive', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    out = tmp_path / 'out'
    command = [
        str(out),
        '--size',
        '64x32',
        '--viper',
        '1',
        '--viper-val',
        '0',
        '--viper-frames',
        '1',
        '--synthia',
        '0',
        '--cityscapes',
        '0',
        '--cityscapes-val',
        '0',
        '--gta',
        '0',
        '--synthia-rand',
        '1',
        '--cityscapes-vps',
        '0',
        '--cityscapes-vps-val',
        '1',
        '--clip-frames',
        '28-29',
        '--camvid',
        '1',
        '--camvid-frames',
        '3',
        '--camvid-size',
        '48x36',
        '--processes',
        '1',
    ]
    assert tool.main(command) == 0
    assert json.loads((out / 'minidrive.json').read_text())['settings']['size'] == [64, 32]
    assert (out / 'synthia_rand/RGB/0000000.png').is_file() and not (out / 'gta').exists()
    assert [path.name for path in out.glob('cityscapes_vps/*/labelmap/*')] == [
        '0401_2406_munster_000401_000029_final_mask.png'
    ]
    masks = sorted(out.glob('camvid/labels/*'))
    assert [path.name[-10:] for path in masks] == [f'f0000{i}.png' for i in (0, 2, 4)]
    assert cv2.imread(str(masks[0]), cv2.IMREAD_UNCHANGED).shape == (36, 48)
    assert tool.main(command) == 0
    assert 'nothing to do' in capsys.readouterr().out
    assert tool.main([*command, '--seed', '5']) == 1
    assert 'seed 0 -> 5' in capsys.readouterr().err
    other = tmp_path / 'other'
    assert tool.main([str(other), *command[1:], '--only', 'viper', 'gta']) == 0
    assert [path.name for path in other.iterdir() if path.is_dir()] == ['viper']
    for wrong in (
        ['--size', '64'],
        ['--snippet-frames', '3'],
        ['--processes', '0'],
        ['--only', 'kitti'],
    ):
        with pytest.raises(SystemExit):
            tool.main([*command, *wrong])
    assert tool.main([*command, '--snippet-frames', '2-5']) == 1
    assert 'include 19' in capsys.readouterr().err
    sheet, third = tmp_path / 'sheet.png', tmp_path / 'third'
    sheet.write_bytes(b'own')
    assert tool.main([str(third), *command[1:], '--contact-sheet', str(sheet)]) == 1
    assert 'another --contact-sheet' in capsys.readouterr().err
    assert sheet.read_bytes() == b'own' and not third.exists()


def test_contact_sheet(tmp_path) -> None:
    from mmdavss.minidrive.sheet import contact_sheet

    contact_sheet(tmp_path / 'sub' / 'sheet.png', (64, 32))
    sheet = cv2.imread(str(tmp_path / 'sub' / 'sheet.png'))
    assert sheet.shape == (4 * 36 + 2 * 52, 4 * 68, 3)
