"""Writes MiniDrive to disk in the layouts of the data sets that it imitates."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from mmdavss.utils.errors import InputError
from mmdavss.utils.files import replace_file
from mmdavss.utils.inputs import read_json
from mmdavss.utils.work_dir_lock import holds_others
from mmdavss.utils.worker_pool import WorkerPool

from .labels import (
    CAMVID_IDS,
    CITYSCAPES_IDS,
    CITYSCAPES_TRAIN_IDS,
    PALETTE,
    SHIFT_IDS,
    SYNTHIA_IDS,
    SYNTHIA_RAND_IDS,
    VIPER_IDS,
)
from .layouts import OLD_TOWN, SUBURB, SUBURB_CARS, build_scene, varied_layout
from .looks import (
    CONDITIONS,
    SHIFTS,
    Drift,
    Look,
    camera_look,
    dawn_look,
    day_look,
    drift,
    rendered_look,
    varied_look,
)
from .world import Frame, World

VERSION = 1  # increase whenever the same settings give different bytes
MARKER = 'minidrive.json'
WORKSHOP = '.unfinished'  # data sets are written here, where no reader looks, and moved when whole
IMAGES = ('gta', 'synthia_rand')  # one frame of each drive
VPS = ('cityscapes_vps', 'cityscapes_vps_val', 'clip_frames')
ROOTS = ('viper', 'synthia_seq', 'cityscapes', *IMAGES, 'cityscapes_vps', 'camvid', 'acdc', 'shift')
# settings of data sets that older MiniDrives lack
ADDITIONS = dict(
    {name: (name,) for name in IMAGES},
    cityscapes_vps=VPS,
    camvid=('camvid', 'camvid_frames', 'camvid_size'),
    acdc=('acdc',),
    shift=('shift', 'shift_frames'),
)
# those of them that say whether there is anything of a data set
COUNTS = {name: (name,) for name in ADDITIONS} | {'cityscapes_vps': VPS[:2]}
MOMENT = 5  # the frame of a drive that an image shows
REFERENCE = 8  # the frame of the reference image of ACDC, a little further along the street
SNIPPET = 30  # frames of a Cityscapes snippet
LABELLED = 19  # number of its labelled frame, from 0
VPS_LABELLED = range(4, SNIPPET, 5)  # the same for a Cityscapes-VPS clip
VPS_TRAIN = 400  # training clips of Cityscapes-VPS; other clips are numbered after them
CITIES = dict(
    train=('aachen', 'bochum', 'bremen', 'cologne'), val=('frankfurt', 'lindau', 'munster')
)
SHIFT_RATE = 10.0  # frames per second of SHIFT's videos
# discrete shifts in turn: what a clear day has turned to, if anything, and its name in seq.csv
DISCRETE = dict(
    clear=(None, 'clear', 'daytime'),
    foggy=('clear_to_foggy', 'foggy', 'daytime'),
    night=('daytime_to_night', 'clear', 'night'),
)
CHUNK = 10  # frames per unit of work


@dataclass(frozen=True)
class Settings:
    """Settings of a MiniDrive.

    Args:
        size: Width and height of the Cityscapes frames. The others have the same width and the
            aspect ratios of their originals.
        seed: Seed of all random choices.
        viper: Number of VIPER training sequences.
        viper_val: Number of VIPER validation sequences.
        viper_frames: Frames of each VIPER sequence.
        synthia: Frames of the one SYNTHIA-Seq drive.
        cityscapes: Number of Cityscapes training snippets.
        cityscapes_val: Number of Cityscapes validation snippets.
        snippet_frames: First and last frame to render of each snippet, within 0 to 29.
        gta: Number of GTAV images.
        synthia_rand: Number of SYNTHIA-RAND-CITYSCAPES images.
        cityscapes_vps: Number of Cityscapes-VPS training clips.
        cityscapes_vps_val: Number of Cityscapes-VPS validation clips.
        clip_frames: First and last frame to render of each of these clips, within 0 to 29; 4, 9,
            14, 19, 24 and 29 have labels.
        camvid: Number of CamVid sequences.
        camvid_frames: Frames of each of them, at 15 Hz.
        camvid_size: Width and height of these frames.
        acdc: Number of ACDC training images of each condition; there are a quarter as many, but
            at least one, for validation.
        shift: Number of SHIFT training sequences of each kind: continuous day to night and clear
            to foggy, and back; discrete clear, foggy and night. There are a quarter as many, but
            at least one, for validation.
        shift_frames: Frames of each of them, at 10 Hz, 2 or more.
        flow: Whether to write the exact flow and visibility to the previous frame too.
    """

    size: tuple[int, int] = (256, 128)
    seed: int = 0
    viper: int = 32
    viper_val: int = 5
    viper_frames: int = 8
    synthia: int = 60
    cityscapes: int = 80
    cityscapes_val: int = 20
    snippet_frames: tuple[int, int] = (17, 19)
    gta: int = 96
    synthia_rand: int = 48
    cityscapes_vps: int = 24
    cityscapes_vps_val: int = 12
    clip_frames: tuple[int, int] = (3, 24)
    camvid: int = 0
    camvid_frames: int = 2
    camvid_size: tuple[int, int] = (320, 240)
    acdc: int = 0
    shift: int = 0
    shift_frames: int = 40
    flow: bool = False

    def __post_init__(self) -> None:
        for name in ('size', 'camvid_size'):
            width, height = getattr(self, name)
            if width < 32 or height < 16:
                raise ValueError(f'{name}: {width}x{height} is too small, use at least 32x16')
        for name in (
            'seed',
            'viper',
            'viper_val',
            'viper_frames',
            'synthia',
            'cityscapes',
            'cityscapes_val',
            *IMAGES,
            'cityscapes_vps',
            'cityscapes_vps_val',
            'camvid',
            'camvid_frames',
            'acdc',
            'shift',
        ):
            if getattr(self, name) < 0:
                raise ValueError(f'{name}: {getattr(self, name)} is negative')
        if self.shift_frames < 2:
            raise ValueError(f'shift_frames: {self.shift_frames} is less than 2, start and end')
        first, last = self.snippet_frames
        if not 0 <= first <= LABELLED <= last < SNIPPET:
            raise ValueError(
                f'snippet_frames: {first}-{last} must lie within 0-{SNIPPET - 1} and '
                f'include {LABELLED}, the labelled frame'
            )
        first, last = self.clip_frames
        if not (0 <= first <= last < SNIPPET and {*VPS_LABELLED} & {*range(first, last + 1)}):
            raise ValueError(
                f'clip_frames: {first}-{last} must lie within 0-{SNIPPET - 1} and '
                f'include one of {[*VPS_LABELLED]}, the labelled frames'
            )


PRESETS = dict(
    demo=Settings(camvid=500),
    full=Settings(
        size=(512, 256),
        viper=60,
        viper_val=10,
        viper_frames=60,
        synthia=850,
        cityscapes=200,
        cityscapes_val=50,
        snippet_frames=(0, 29),
        gta=1000,
        synthia_rand=400,
        cityscapes_vps=100,
        cityscapes_vps_val=50,
        clip_frames=(0, 29),
        camvid=2000,
        camvid_size=(480, 360),
        acdc=100,
        shift=8,
        shift_frames=100,
    ),
)


@dataclass(frozen=True)
class Chunk:
    """Some frames of one drive, the unit of work of a process."""

    kind: str
    split: str
    index: int
    frames: tuple[int, ...]


def plan(settings: Settings, roots: tuple[str, ...] = ROOTS) -> list[Chunk]:
    """Chunks of some of the data sets, in order."""
    drives: list[tuple[str, str, int, Sequence[int]]] = [
        ('viper', split, index, range(settings.viper_frames))
        for split, count in (('train', settings.viper), ('val', settings.viper_val))
        for index in range(count)
    ]
    if settings.synthia:
        drives.append(('synthia_seq', 'train', 0, range(settings.synthia)))
    for kind, frames in _snippets(settings).items():
        drives += [
            (kind, split, index, frames)
            for split, count in (
                ('train', getattr(settings, kind)),
                ('val', getattr(settings, f'{kind}_val')),
            )
            for index in range(count)
        ]
    drives += [
        (kind, 'train', index, (MOMENT,))
        for kind in IMAGES
        for index in range(getattr(settings, kind))
    ]
    drives += [
        ('camvid', 'train', index, range(settings.camvid_frames))
        for index in range(settings.camvid)
    ]
    drives += [
        ('shift', split, index, range(settings.shift_frames))
        for split in ('train', 'val')
        for index in _shift_drives(settings, split)
    ]
    if settings.acdc:
        drives += [
            ('acdc', split, index, (MOMENT,))
            for split, count in (('train', settings.acdc), ('val', max(1, settings.acdc // 4)))
            for index in range(len(CONDITIONS) * count)
        ]
    return [
        Chunk(kind, split, index, tuple(frames[at : at + CHUNK]))
        for kind, split, index, frames in drives
        if kind in roots
        for at in range(0, len(frames), CHUNK)
    ]


def _snippets(settings: Settings) -> dict[str, range]:
    """Frames to render of Cityscapes snippets, by kind."""
    return {
        kind: range(first, last + 1)
        for kind, (first, last) in (
            ('cityscapes', settings.snippet_frames),
            ('cityscapes_vps', settings.clip_frames),
        )
    }


def make_world(settings: Settings, kind: str, split: str, index: int) -> World:
    """The world of one drive."""
    seed = (settings.seed, ROOTS.index(kind), int(split == 'val'), index)
    if kind == 'viper':
        # as in the original, the bonnet is visible only in some sequences
        return World.create(seed, SUBURB, rendered_look, settings.viper_frames, index % 3 == 0)
    if kind == 'synthia_seq':
        return World.create(seed, SUBURB_CARS, dawn_look, settings.synthia, False, rate=5.0)
    if kind == 'gta':
        return World.create(seed, SUBURB, rendered_look, MOMENT + 1, False)
    if kind == 'synthia_rand':
        return World.create(seed, SUBURB, dawn_look, MOMENT + 1, False)
    if kind == 'camvid':
        layout = varied_layout(np.random.default_rng((*seed, 1)))
        return World.create(seed, layout, varied_look, settings.camvid_frames, False)
    if kind == 'acdc':
        return _acdc_world(seed, CONDITIONS[_condition(index)])
    if kind == 'shift':
        return _shift_world(settings, seed, index)
    return World.create(seed, OLD_TOWN, camera_look, SNIPPET, True, rate=17.0)


def _condition(index: int) -> str:
    """Condition of an ACDC drive: they take turns."""
    return list(CONDITIONS)[index % len(CONDITIONS)]


def _acdc_world(seed: tuple[int, ...], look: Callable[[np.random.Generator], Look]) -> World:
    """A world whose scene does not depend on its look."""
    chosen, rate = look(np.random.default_rng((*seed, 1))), 17.0
    rng = np.random.default_rng(seed)
    scene = build_scene(rng, OLD_TOWN, chosen.palette, SNIPPET / rate, False)
    return World(scene, chosen, seed, rate)


def _shift_drives(settings: Settings, split: str) -> list[int]:
    """Numbers of the SHIFT sequences of a split: even for continuous shifts, odd for discrete."""
    count = settings.shift
    if split == 'val' and count:
        count = max(1, count // 4)
    return [*range(0, 2 * count * len(SHIFTS), 2), *range(1, 2 * count * len(DISCRETE), 2)]


def _shift_conditions(index: int) -> tuple[str | None, str, str]:
    """Shift, weather and time of day at the start of a SHIFT sequence: they take turns."""
    if index % 2 == 0:
        return list(SHIFTS)[index // 2 % len(SHIFTS)], 'clear', 'daytime'
    return list(DISCRETE.values())[index // 2 % len(DISCRETE)]


def _drift(settings: Settings, seed: tuple[int, ...], index: int) -> Drift:
    kind = _shift_conditions(index)[0] or next(iter(SHIFTS))
    return drift(kind, np.random.default_rng((*seed, 1)), settings.shift_frames)


def _shift_world(settings: Settings, seed: tuple[int, ...], index: int) -> World:
    """The world of a SHIFT sequence; in a continuous shift, with the look of its first frame."""
    looks, (shift, *_) = _drift(settings, seed, index), _shift_conditions(index)
    look = looks.far if index % 2 and shift is not None else looks.start
    rng = np.random.default_rng(seed)
    duration = settings.shift_frames / SHIFT_RATE
    scene = build_scene(rng, OLD_TOWN, look.palette, duration, False)
    return World(scene, look, seed, SHIFT_RATE)


def drifted(settings: Settings, world: World, index: int, number: int) -> World:
    """The world of a SHIFT sequence with the look of a frame."""
    if index % 2:
        return world
    look = _drift(settings, world.seed, index).look(number)
    return World(world.scene, look, world.seed, world.rate)


def reference_world(settings: Settings, split: str, index: int) -> World:
    """The world of an ACDC drive by day."""
    seed = (settings.seed, ROOTS.index('acdc'), int(split == 'val'), index)
    return _acdc_world(seed, day_look)


def frame_size(settings: Settings, kind: str) -> tuple[int, int]:
    """Width and height of the frames of one data set."""
    if kind == 'camvid':
        return settings.camvid_size
    width, height = settings.size
    aspect = dict(
        viper=1080 / 1920,
        acdc=1080 / 1920,
        shift=800 / 1280,
        synthia_seq=760 / 1280,
        gta=1052 / 1914,
        synthia_rand=760 / 1280,
    ).get(kind)
    return (width, height) if aspect is None else (width, round(width * aspect))


def _write(path: Path, image: np.ndarray) -> None:
    """Writes an image; three channels are RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if image.ndim == 3:
        image = np.ascontiguousarray(image[..., ::-1])
    options = {'.png': [cv2.IMWRITE_PNG_COMPRESSION, 1], '.jpg': [cv2.IMWRITE_JPEG_QUALITY, 95]}
    path.write_bytes(cv2.imencode(path.suffix, image, options[path.suffix])[1].tobytes())


def _write_indexed(path: Path, ids: np.ndarray) -> None:
    """Writes Cityscapes ids as a palette image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    palette = np.zeros((CITYSCAPES_IDS.max() + 1, 3), np.uint8)
    palette[CITYSCAPES_IDS] = PALETTE
    image = Image.frombytes('P', ids.shape[::-1], ids.tobytes())
    image.putpalette(palette.tobytes())
    image.save(path, compress_level=1)


def write_flo(path: Path, flow: np.ndarray) -> None:
    """Writes a flow (H, W, 2) in the Middlebury format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = flow.shape[:2]
    header = b'PIEH' + np.array([width, height], '<i4').tobytes()
    path.write_bytes(header + flow.astype('<f4').tobytes())


def paths_of(chunk: Chunk, number: int) -> tuple[Path, Path]:
    """Image and label of a frame, relative to the root, named as in the original data sets."""
    if chunk.kind == 'viper':
        sequence = f'{chunk.index + 1:03d}'
        split, name = Path('viper', chunk.split), f'{sequence}_{number + 1:05d}'
        return split / 'img' / sequence / f'{name}.jpg', split / 'cls' / sequence / f'{name}.png'
    if chunk.kind == 'synthia_seq':
        drive = Path('synthia_seq', 'SYNTHIA-SEQS-04-DAWN')
        path = Path('Stereo_Left', 'Omni_F', f'{number:06d}.png')
        return drive / 'RGB' / path, drive / 'GT' / 'LABELS' / path
    if chunk.kind == 'gta':
        name = f'{chunk.index + 1:05d}.png'
        return Path('gta', 'images', name), Path('gta', 'labels', name)
    if chunk.kind == 'synthia_rand':
        root, name = Path('synthia_rand'), f'{chunk.index:07d}.png'
        return root / 'RGB' / name, root / 'GT' / 'LABELS' / name
    if chunk.kind == 'acdc':
        folder = Path(_condition(chunk.index), chunk.split, f'GOPR{chunk.index:04d}')
        name = f'{folder.name}_frame_{number + 1:06d}'
        image, label = f'{name}_rgb_anon.png', f'{name}_gt_labelTrainIds.png'
        return Path('acdc', 'rgb_anon', folder, image), Path('acdc', 'gt', folder, label)
    if chunk.kind == 'shift':
        folder, sequence = shift_folder(chunk.split, chunk.index), _shift_sequence(chunk)
        return (
            folder / 'img' / sequence / f'{number:08d}_img_front.jpg',
            folder / 'semseg' / sequence / f'{number:08d}_semseg_front.png',
        )
    if chunk.kind == 'cityscapes_vps':
        name, labelled_name = _vps_names(chunk, number)
        tail = 'gtFine_color' if number == LABELLED else 'final_mask'
        return (
            Path('cityscapes_vps', chunk.split, 'img_all', f'{name}_leftImg8bit.png'),
            Path('cityscapes_vps', chunk.split, 'labelmap', f'{labelled_name}_{tail}.png'),
        )
    if chunk.kind == 'camvid':
        # as there, frames are numbered at 30 Hz
        name = f'drive{chunk.index:04d}_f{2 * number:05d}.png'
        return Path('camvid', 'images', name), Path('camvid', 'labels', name)
    cities = CITIES[chunk.split]
    city = cities[chunk.index % len(cities)]
    name = f'{chunk.split}/{city}/{city}_{chunk.index // len(cities):06d}_{number:06d}'
    return (
        Path('cityscapes', 'leftImg8bit_sequence', f'{name}_leftImg8bit.png'),
        Path('cityscapes', 'gtFine', f'{name}_gtFine_labelIds.png'),
    )


def shift_folder(split: str, index: int) -> Path:
    """Folder of the front view of a SHIFT sequence."""
    if index % 2:
        return Path('shift', 'discrete', 'videos', split, 'front')
    return Path('shift', 'continuous', 'videos', '1x', split, 'front')


def _shift_sequence(chunk: Chunk) -> str:
    """Name of a SHIFT sequence: eight hexadecimal digits, unique."""
    number = chunk.index + (0x8000 if chunk.split == 'val' else 0)
    return f'{number:04x}-{40503 * (number + 1) & 0xFFFF:04x}'


def _shift_table(settings: Settings, split: str, index: int) -> str:
    """Table of the SHIFT sequences in the folder of one of them, as in ``seq.csv``."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(('video', 'shift_type', 'start_weather_coarse', 'start_timeofday_coarse'))
    for i in _shift_drives(settings, split):
        if i % 2 != index % 2:
            continue
        shift, *conditions = _shift_conditions(i)
        name = _shift_sequence(Chunk('shift', split, i, ()))
        table.writerow((name, '' if i % 2 else shift, *conditions))
    return text.getvalue()


def _vps_names(chunk: Chunk, number: int) -> tuple[str, str]:
    """Names of a Cityscapes-VPS frame: among all frames, and among labelled ones."""
    clip = chunk.index + 1 + (VPS_TRAIN if chunk.split == 'val' else 0)
    # as in the original, all clips are from these cities
    city = CITIES['val'][clip % len(CITIES['val'])]
    name = f'{city}_{clip:06d}_{number:06d}'
    labelled = (clip - 1) * len(VPS_LABELLED) + number // VPS_LABELLED.step + 1
    return name, f'{clip:04d}_{labelled:04d}_{name}'


def vps_image_of(chunk: Chunk, number: int) -> Path:
    """Path of the second copy of a labelled Cityscapes-VPS image."""
    tail = 'leftImg8bit' if number == LABELLED else 'newImg8bit'
    return Path('cityscapes_vps', chunk.split, 'img', f'{_vps_names(chunk, number)[1]}_{tail}.png')


def acdc_reference_of(image: Path) -> Path:
    """The reference image of an ACDC image."""
    *above, split, recording, name = image.parts
    name = name.replace('_rgb_anon', '_rgb_ref_anon')
    return Path(*above, f'{split}_ref', recording, name)


def is_labelled(kind: str, number: int) -> bool:
    """Whether a frame has a label."""
    if kind == 'cityscapes_vps':
        return number in VPS_LABELLED
    return kind != 'cityscapes' or number == LABELLED


def flow_path_of(chunk: Chunk, number: int) -> Path:
    """Flow to the previous frame: flow/<folder of the image>/<name>__<previous name>.flo."""
    image, previous = (paths_of(chunk, n)[0] for n in (number, number - 1))
    folder = image.parent.relative_to(chunk.kind)
    return Path(chunk.kind, 'flow', folder, f'{image.stem}__{previous.stem}.flo')


def _label_image(kind: str, frame: Frame) -> np.ndarray:
    if kind == 'viper':
        return VIPER_IDS[frame.labels]
    if kind in ('cityscapes', 'gta'):
        return CITYSCAPES_IDS[frame.labels]
    if kind in ('cityscapes_vps', 'acdc'):
        return CITYSCAPES_TRAIN_IDS[frame.labels]
    if kind == 'camvid':
        return CAMVID_IDS[frame.labels]
    if kind == 'shift':
        return SHIFT_IDS[frame.labels]
    # SYNTHIA: 16 bits, class in the red channel, instance in the green one
    label = np.zeros((*frame.labels.shape, 3), np.uint16)
    label[..., 0] = (SYNTHIA_IDS if kind == 'synthia_seq' else SYNTHIA_RAND_IDS)[frame.labels]
    things = (8, 10, 11) if kind == 'synthia_seq' else (8, 10, 11, 12, 17, 19)
    label[..., 1] = np.where(np.isin(label[..., 0], things), frame.bodies, 0)
    return label


def write_chunk(root: Path, settings: Settings, chunk: Chunk) -> Chunk:
    """Renders and writes a chunk; returns it."""
    world = make_world(settings, chunk.kind, chunk.split, chunk.index)
    size = frame_size(settings, chunk.kind)
    snippets = _snippets(settings)
    first = snippets[chunk.kind][0] if chunk.kind in snippets else 0
    for number in chunk.frames:
        if chunk.kind == 'shift':
            world = drifted(settings, world, chunk.index, number)
        frame = world.render(number, size)
        image, label = paths_of(chunk, number)
        _write(root / image, frame.rgb)
        if chunk.kind == 'shift' and chunk.index < 2 and number == 0:
            table = root / shift_folder(chunk.split, chunk.index) / 'seq.csv'
            table.write_text(_shift_table(settings, chunk.split, chunk.index))
        if chunk.kind == 'cityscapes_vps' and number in VPS_LABELLED:
            _write(root / vps_image_of(chunk, number), frame.rgb)
        if chunk.kind == 'acdc':
            reference = reference_world(settings, chunk.split, chunk.index)
            _write(root / acdc_reference_of(image), reference.render(REFERENCE, size).rgb)
        if is_labelled(chunk.kind, number):
            write = _write_indexed if chunk.kind == 'gta' else _write
            write(root / label, _label_image(chunk.kind, frame))
        if settings.flow and number > first and chunk.kind not in (*IMAGES, 'acdc'):
            flow, visible = world.exact_flow(number, number - 1, size)
            path = root / flow_path_of(chunk, number)
            write_flo(path, flow)
            _write(path.with_name(f'{path.stem}_visible.png'), visible.astype(np.uint8) * 255)
    return chunk


def _initialise_worker() -> None:
    cv2.setNumThreads(1)


def _run(root: Path, settings: Settings, chunks: list[Chunk], processes: int) -> Iterator[Chunk]:
    """Writes chunks; yields each when it is written."""
    if processes == 1:
        for chunk in chunks:
            yield write_chunk(root, settings, chunk)
        return
    with WorkerPool(processes, initializer=_initialise_worker) as pool:
        tasks = [pool.submit(write_chunk, root, settings, chunk) for chunk in chunks]
        for task in as_completed(tasks):
            yield task.result()


def _report(done: int, total: int, began: float) -> str:
    spent = time.monotonic() - began
    left = spent / done * (total - done)
    return (
        f'MiniDrive: {done}/{total} frames, {done / spent:.1f} frames/s, '
        f'{int(left // 60)}:{int(left % 60):02d} left'
    )


def read_marker(root: Path) -> dict:
    """Reads ``minidrive.json`` of a MiniDrive.

    Raises:
        InputError: If it is broken or has invalid content.
    """
    file = root / MARKER
    remedy = f'Delete {root} and make it again: python tools/make_minidrive.py {root}'
    found = read_json(file, 'description of a MiniDrive', remedy)
    fits = (
        isinstance(found, dict)
        and type(found.get('version')) is int
        and isinstance(found.get('settings'), dict)
        and isinstance(found.get('complete'), bool)
    )
    done = found.get('done', []) if fits else None
    if not isinstance(done, list) or not all(name in ROOTS for name in done):
        raise InputError(
            f'{file} holds no description of a MiniDrive: version, settings, complete '
            f'or done is missing or of another type. {remedy}'
        )
    return found


def _write_marker(root: Path, settings: Settings, done: Collection[str]) -> None:
    complete = len(done) == len(ROOTS)
    names = [name for name in ROOTS if name in done]
    state = dict(complete=True) if complete else dict(complete=False, done=names)
    text = json.dumps(dict(version=VERSION, settings=_as_json(settings), **state), indent=1)
    replace_file(root / MARKER, f'{text}\n'.encode())


def _put_away(root: Path, names: Sequence[str]) -> None:
    """Moves data sets into the workshop, to be deleted with it.

    A reader finds each of them whole or not at all, also after an interruption.

    Raises:
        InputError: If one is a link: that would go, and the files stay where it leads.
    """
    there = [root / name for name in names if os.path.lexists(root / name)]
    for path in there:
        if path.is_symlink():
            raise InputError(
                f'{path} is a link to {os.readlink(path)}, and would be replaced by a folder: '
                f'delete the link and what it leads to, or move {root} there as a whole'
            )
    if there:
        workshop = _empty_workshop(root)
        for path in there:
            path.rename(workshop / path.name)


def _empty_workshop(root: Path) -> Path:
    """The folder :data:`WORKSHOP`, without what an interrupted run has left there."""
    workshop = root / WORKSHOP
    if workshop.exists():
        shutil.rmtree(workshop)
    workshop.mkdir()
    return workshop


def _as_json(settings: Settings) -> dict:
    """Settings as they are in the description of a MiniDrive."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def _with_json(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Settings with some values of the description of a MiniDrive."""
    found: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return dataclasses.replace(settings, **found)


def generate(
    root: Path,
    settings: Settings,
    processes: int = 1,
    overwrite: bool = False,
    progress: bool = True,
    only: Sequence[str] = ROOTS,
) -> bool:
    """Generates a MiniDrive.

    Data sets that are missing, because it has an older version, was interrupted or made with
    `only`, or because their folder was deleted, are added to it; a folder gets its name when all
    of it is written. Those of :data:`ADDITIONS` that are not asked for, because they are not in
    `only` or their number is 0, stay as they are.

    Args:
        root: Folder to write to.
        settings: Settings of the MiniDrive.
        processes: Number of processes; does not change a byte of the result.
        overwrite: Whether a MiniDrive with other settings may be replaced.
        progress: Whether to report progress on stderr.
        only: The data sets to write, of :data:`ROOTS`. Others can be added later.

    Returns:
        False if `root` already held exactly this, so that nothing was done.

    Raises:
        FileExistsError: If `root` holds something else.
        InputError: If the description of the MiniDrive in `root` is broken, or a data set that is
            to be replaced is a link.
    """
    new = _as_json(settings)
    marker = root / MARKER
    done: set[str] = set()
    stale: list[str] = []
    if marker.is_file():
        found = read_marker(root)
        old = found.get('settings', {})
        kept = [
            name
            for name, counts in COUNTS.items()
            if name in old and (name not in only or not any(new[key] for key in counts))
        ]
        added = [
            name
            for name, counts in COUNTS.items()
            if name not in kept and (name not in old or not any(old.get(key) for key in counts))
        ]
        ours = [name for name in ROOTS if name not in added]
        unknown = {key for name in (*added, *kept) for key in ADDITIONS[name]}
        changed = ', '.join(
            f'{key} {old.get(key)} -> {new[key]}'
            for key in new
            if key not in unknown and old.get(key) != new[key]
        )
        if found.get('version') != VERSION:
            changed = changed or 'another version'
        if changed and not overwrite:
            raise FileExistsError(
                f'{root} holds a MiniDrive made with other settings ({changed}); choose another '
                'folder, or replace it with --overwrite'
            )
        # With other settings nothing stays, not even what would otherwise be kept.
        lost = [n for n in ours if n not in only and os.path.lexists(root / n)]
        if changed and lost:
            raise FileExistsError(
                f'{root} would lose {", ".join(lost)}, made with other settings ({changed}) and '
                'left out by --only: choose another folder, or leave out --only to make all anew'
            )
        if not changed:
            before = {key: old[key] for name in kept for key in ADDITIONS[name] if key in old}
            try:
                settings = _with_json(settings, before)
            except (TypeError, ValueError) as error:
                raise InputError(
                    f'{marker} holds settings that no MiniDrive has ({error}). Delete {root} and '
                    f'make it again: python tools/make_minidrive.py {root}'
                ) from error
            nonempty = {chunk.kind for chunk in plan(settings)}
            done = {
                name
                for name in ours
                if (found.get('complete') or name in found.get('done', []))
                and (name in kept or name not in nonempty or (root / name).is_dir())
            }
            if done.issuperset(only):
                return False
        for name in added:
            if os.path.lexists(root / name):
                raise FileExistsError(
                    f'{root / name} does not belong to the MiniDrive in {root}; move it '
                    'away, MiniDrive writes a folder with that name'
                )
        stale = [name for name in ours if name not in done]
    elif root.exists() and (not root.is_dir() or holds_others(root)):
        # not even with `overwrite`: this may be a real data set
        raise FileExistsError(
            f'{root} exists and is not a MiniDrive (it has no {MARKER}); choose '
            'a new or empty folder'
        )
    root.mkdir(parents=True, exist_ok=True)
    chunks = plan(settings, tuple(name for name in only if name not in done))
    left = Counter(chunk.kind for chunk in chunks)
    done |= {name for name in only if name not in left}
    # Before anything is deleted or written: an interrupted run keeps what is done, and that alone.
    _put_away(root, stale)
    _write_marker(root, settings, done)
    workshop = _empty_workshop(root)
    total = sum(len(chunk.frames) for chunk in chunks)
    written, began, shown = 0, time.monotonic(), 0.0
    live = sys.stderr.isatty()
    for chunk in _run(workshop, settings, chunks, processes):
        left[chunk.kind] -= 1
        if not left[chunk.kind]:
            (workshop / chunk.kind).rename(root / chunk.kind)
            done.add(chunk.kind)
            _write_marker(root, settings, done)
        written += len(chunk.frames)
        now = time.monotonic()
        if progress and (written == total or now - shown > (0.2 if live else 5.0)):
            shown = now
            print(
                _report(written, total, began),
                end='\r' if live and written < total else '\n',
                file=sys.stderr,
                flush=True,
            )
    workshop.rmdir()
    return True
