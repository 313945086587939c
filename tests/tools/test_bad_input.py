"""Broken input of many kinds: each gives one error that names it, and nothing on disk changes.

The table here is that of docs/bad_input.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmseg.registry import DATASETS, METRICS, MODELS
from PIL import Image

from mmdavss.datasets.label_maps import CLASSES_19
from mmdavss.flow import write_flow
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.launch.model import load_model
from mmdavss.launch.prepare import check_pseudo_labels
from mmdavss.ops.fourier import window_half_width
from mmdavss.pseudo_labels.agreement import check_label_settings
from mmdavss.pseudo_labels.entropy_split import EntropySplit
from mmdavss.pseudo_labels.rules import CBST, CCM
from mmdavss.utils.errors import UserError
from mmdavss.utils.work_dir_lock import Owner

CLASSES = dict(classes=('road', 'sky'), palette=[[1, 1, 1], [2, 2, 2]])
SIZE = 12, 20  # height, width


@dataclass
class World:
    """Good input, of which each case breaks a part.

    Attributes:
        root: Of all files; the current directory.
        toy: Config of the toy task.
        tool: Runs a tool in this process; its first argument is the script.
        make: Writes a small network, for the cases that need one.
    """

    root: Path
    toy: str
    tool: Callable[..., None]
    make: Callable[[], tuple[Config, str]]

    @cached_property
    def network(self) -> tuple[str, str]:
        """Config and checkpoint of a small network."""
        cfg, checkpoint = self.make()
        return cfg.filename, checkpoint

    @property
    def config(self) -> str:
        return self.network[0]

    @property
    def checkpoint(self) -> str:
        return self.network[1]

    def file(self, name: str) -> Path:
        return self.root / name

    def cut(self, name: str, share: float = 0.6) -> None:
        data = self.file(name).read_bytes()
        self.file(name).write_bytes(data[: int(len(data) * share)])

    def flip(self, name: str) -> None:
        """One wrong bit in the middle."""
        data = bytearray(self.file(name).read_bytes())
        data[len(data) // 2] ^= 4
        self.file(name).write_bytes(data)

    def write(self, name: str, content: bytes | str) -> None:
        path = self.file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def image(self, name: str, array: np.ndarray, form: str = 'png') -> None:
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(self.file(name), form)

    def save(self, name: str, content: object) -> None:
        torch.save(content, self.file(name))

    # What is done with the input.

    def frames(self, **options: object) -> None:
        self.read(
            dict(
                type='ClipFolderDataset',
                data_root='frames',
                metainfo=CLASSES,
                pipeline=[dict(type='LoadClip'), dict(type='PackClipInputs')],
                **options,
            )
        )

    def gta(self, **options: object) -> None:
        self.read(
            dict(
                type='GTADataset',
                data_root='gta',
                pipeline=[
                    dict(type='LoadClip'),
                    dict(type='LoadClipAnnotations'),
                    dict(type='PackClipInputs'),
                ],
                **options,
            )
        )

    def flow(self, **options: object) -> None:
        provider = dict(type='PrecomputedFlow', root='flow', frame_root='frames', **options)
        self.read(
            dict(
                type='ClipFolderDataset',
                data_root='frames',
                metainfo=CLASSES,
                pipeline=[
                    dict(type='LoadClip'),
                    dict(type='LoadFlow', provider=provider),
                    dict(type='PackClipInputs'),
                ],
            )
        )

    def read(self, config: dict) -> None:
        dataset = DATASETS.build(config)
        for index in range(len(dataset)):
            dataset[index]

    def train(self, *args: object, config: str | None = None) -> None:
        self.tool('train.py', config or self.toy, *args)

    def source_checkpoint(self, path: str) -> None:
        cfg = Config.fromfile(self.config)
        MODELS.build(dict(cfg.model, source_checkpoint=path)).init_weights()

    def load_from(self, path: str) -> None:
        load_checkpoint(MODELS.build(Config.fromfile(self.config).model), path)

    def configured(self, text: str) -> str:
        """A config that inherits that of the network, in which the text follows."""
        self.write('mine.py', f'_base_ = {self.config!r}\n{text}\n')
        return str(self.file('mine.py'))


@pytest.fixture
def world(tmp_path, monkeypatch, saved_model, per_frame, toy_config, run_tool):
    made = World(tmp_path, toy_config, run_tool, lambda: saved_model(per_frame))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(2):
        made.image(f'frames/a/{number:02d}.png', rng.integers(0, 255, (*SIZE, 3), np.uint8))
        made.image(f'gta/images/{number:05d}.png', rng.integers(0, 255, (*SIZE, 3), np.uint8))
        made.image(f'gta/labels/{number:05d}.png', np.full(SIZE, 7, np.uint8))
    flow = rng.normal(size=(*SIZE, 2)).astype(np.float32)
    write_flow(tmp_path / 'flow/a/01__00.npy', flow)
    write_flow(tmp_path / 'flow/a/01__00.flo', flow)
    return made


def npy(world: World, array: np.ndarray) -> None:
    np.save(world.file('flow/a/01__00.npy'), array, allow_pickle=True)


def flo(world: World) -> None:
    world.flow(template='{folder}/{stem}__{stem_b}.flo')


class Trap:
    """Makes a folder when it is loaded."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ('sprung',)


def masks(world: World, **manifest: object) -> None:
    world.write(
        'pseudo/pseudo_labels.json',
        json.dumps(
            dict(
                dict(
                    kind='mmdavss pseudo-labels',
                    version=1,
                    finished=True,
                    classes=list(CLASSES['classes']),
                ),
                **manifest,
            )
        ),
    )
    world.write('pseudo/frames.txt', 'a/01.png\n')


def labelled(folder: str | None, checkpoint: str) -> Config:
    """A training with the pseudo-labels of a folder, which a checkpoint should have made."""
    return Config(
        dict(
            model=dict(source_checkpoint=checkpoint),
            pseudo_label_generator=dict(selection='all', aggregate=False, pipeline=[]),
            train_dataloader=dict(dataset=dict(target=dict(pseudo_labels=folder))),
        )
    )


def statistics(world: World, content: str) -> None:
    world.write('statistics.json', content)


def rare_classes(world: World) -> None:
    DATASETS.build(
        dict(
            type='DomainPairDataset',
            source=dict(type='GTADataset', data_root='gta', pipeline=[]),
            rare_class_sampling=dict(statistics='statistics.json'),
        )
    )


#: A case: what is broken (in the words of docs/bad_input.md), how, what is done with it, and
#: words of the error: the file or field, and the fix.
Case = tuple[str, Callable[[World], object], Callable[[World], object], tuple[str, ...]]


def dinov2(path: str) -> None:
    backbone = dict(
        type='DINOv2', arch=(8, 1, 1), init_cfg=dict(type='Pretrained', checkpoint=path)
    )
    MODELS.build(backbone).init_weights()


def few_bits() -> bytes:
    """A grey PNG of 4 bits, of the size of the others."""
    height, width = SIZE

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            len(data).to_bytes(4, 'big') + kind + data + zlib.crc32(kind + data).to_bytes(4, 'big')
        )

    header = width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + bytes([4, 0, 0, 0, 0])
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', header)
        + chunk(b'IDAT', zlib.compress((b'\0' + b'\x77' * (width // 2)) * height))
        + chunk(b'IEND', b'')
    )


def nothing(world: World) -> None:
    """The call itself is the mistake."""


RED = np.zeros((*SIZE, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
IMAGES: list[Case] = [
    (
        'a frame that is cut off (png)',
        lambda w: w.cut('frames/a/01.png'),
        lambda w: w.frames(),
        ('frames/a/01.png', 'truncated', 'again'),
    ),
    (
        'a frame that is cut off (jpg)',
        lambda w: (w.image('frames/a/02.jpg', RED, 'jpeg'), w.cut('frames/a/02.jpg')),
        lambda w: w.frames(),
        ('frames/a/02.jpg', 'truncated', 'again'),
    ),
    (
        'a frame with a wrong bit (png)',
        lambda w: w.flip('frames/a/01.png'),
        lambda w: w.frames(),
        ('frames/a/01.png', 'cannot be decoded', 'again'),
    ),
    (
        'an empty frame',
        lambda w: w.write('frames/a/01.png', ''),
        lambda w: w.frames(),
        ('frames/a/01.png', 'cannot be decoded', 'again'),
    ),
    (
        'a text with the name of a frame',
        lambda w: w.write('frames/a/01.png', 'version 1'),
        lambda w: w.frames(),
        ('frames/a/01.png', 'not an image', 'again'),
    ),
    (
        'a depth image of 16 bits for a frame',
        lambda w: w.image('frames/a/01.png', np.full(SIZE, 900, np.uint16)),
        lambda w: w.frames(),
        ('frames/a/01.png', 'mode I;16', '8 bits'),
    ),
    (
        'frames of different sizes in a clip',
        lambda w: w.image('frames/a/00.png', RED[:6]),
        lambda w: w.frames(),
        ('frames/a/00.png', '20x6', '20x12', 'the same size'),
    ),
    (
        'a frame that is a broken link',
        lambda w: w.file('frames/a/02.png').symlink_to('gone'),
        lambda w: w.frames(),
        ('frames/a/02.png', 'link', 'fetch'),
    ),
    (
        'frames of 16 bits with values of 8',
        lambda w: w.write(
            'frames/a/01.png', cv2.imencode('.png', np.full((*SIZE, 3), 90, np.uint16))[1].tobytes()
        ),
        lambda w: w.frames(),
        ('frames/a/01.png', 'black', '8 bits'),
    ),
    (
        'a frame that is a folder',
        lambda w: w.file('frames/a/02.png').mkdir(),
        lambda w: w.frames(),
        ('frames/a/02.png', 'folder', 'move'),
    ),
    (
        'a frame with an unknown suffix',
        lambda w: w.write('frames/a/02.tiff', ''),
        lambda w: w.frames(),
        ('frames/a/02.tiff', 'convert'),
    ),
    (
        'a label beside its frame',
        lambda w: w.image('frames/a/01.jpg', RED, 'jpeg'),
        lambda w: w.frames(),
        ('frames/a/01.jpg and 01.png', 'which suffix', "suffix='.jpg'"),
    ),
    (
        'a folder without images',
        lambda w: [
            w.file(f'frames/a/{n}.png').rename(w.file(f'frames/a/{n}.txt')) for n in ('00', '01')
        ],
        lambda w: w.frames(),
        ('frames', 'no frame was found', 'must hold'),
    ),
    (
        'a folder that is not there',
        nothing,
        lambda w: w.read(dict(type='ViperSeqDataset', data_root='gone', pipeline=[])),
        ('gone', 'does not exist', 'docs/datasets.md'),
    ),
    (
        'a file that is not a video',
        lambda w: w.write('drive.mp4', bytes(500)),
        lambda w: w.tool('video_demo.py', 'drive.mp4', w.config, w.checkpoint, '--out', 'out.mp4'),
        ('drive.mp4', 'ffmpeg'),
    ),
    (
        'a camera that is not there',
        nothing,
        lambda w: w.tool('video_demo.py', 73, w.config, w.checkpoint, '--out', 'out.mp4'),
        ('no camera 73', 'another program'),
    ),
    (
        'an address where nothing answers',
        nothing,
        lambda w: w.tool(
            'adapt_video.py', w.config, w.checkpoint, 'rtsp://127.0.0.1:1/x', '--out', 'out'
        ),
        ('rtsp://127.0.0.1:1/x', 'cannot be opened', 'address'),
    ),
]
MASKS: list[Case] = [
    (
        'a mask that is cut off',
        lambda w: w.cut('gta/labels/00001.png'),
        lambda w: w.gta(),
        ('labels/00001.png', 'truncated', 'again'),
    ),
    (
        'a mask with a wrong bit',
        lambda w: w.flip('gta/labels/00001.png'),
        lambda w: w.gta(),
        ('labels/00001.png', 'cannot be decoded', 'again'),
    ),
    (
        'an empty mask',
        lambda w: w.write('gta/labels/00001.png', ''),
        lambda w: w.gta(),
        ('labels/00001.png', 'cannot be decoded', 'again'),
    ),
    (
        'a mask in colours where ids belong',
        lambda w: w.image('gta/labels/00001.png', RED),
        lambda w: w.gta(),
        ('labels/00001.png', 'one channel', 'mode RGB'),
    ),
    (
        'a mask with ids that do not exist',
        lambda w: w.image('gta/labels/00001.png', np.full(SIZE, 200, np.uint8)),
        lambda w: w.gta(),
        ('labels/00001.png', '[200]', 'official masks'),
    ),
    (
        'a mask of another size',
        lambda w: w.image('gta/labels/00001.png', np.zeros((6, 20), 'u1')),
        lambda w: w.gta(),
        ('labels/00001.png', '20x6', 'unpack both again'),
    ),
    (
        'a mask with a reordered palette',
        lambda w: (
            Image.new('RGB', SIZE[::-1], (128, 64, 128))
            .quantize()
            .save(w.file('gta/labels/00001.png'))
        ),
        lambda w: w.gta(),
        ('labels/00001.png', 'palette', 'official masks'),
    ),
    (
        'a mask that is a JPEG',
        lambda w: w.image('gta/labels/00001.png', np.full(SIZE, 7, np.uint8), 'jpeg'),
        lambda w: w.gta(),
        ('labels/00001.png', 'JPEG', 'official masks'),
    ),
    (
        'a grey mask of 4 bits',
        lambda w: w.write('gta/labels/00001.png', few_bits()),
        lambda w: w.gta(),
        ('labels/00001.png', '4 bits', 'with 8 bits'),
    ),
    (
        'a mask of 1 bit',
        lambda w: w.image('gta/labels/00001.png', np.zeros(SIZE, bool)),
        lambda w: w.gta(),
        ('labels/00001.png', 'one channel', 'mode 1'),
    ),
    (
        'a mask of floats',
        lambda w: w.image('gta/labels/00001.png', np.zeros(SIZE, np.float32), 'tiff'),
        lambda w: w.gta(),
        ('labels/00001.png', 'one channel', 'mode F'),
    ),
    (
        'a mask that is missing',
        lambda w: w.file('gta/labels/00001.png').unlink(),
        lambda w: w.gta(annotated='*'),
        ('labels/00001.png', 'no label file', 'with_labels=False'),
    ),
    (
        'pseudo-labels that were made for other classes',
        lambda w: masks(w, classes=['road', 'sea']),
        lambda w: w.frames(pseudo_labels='pseudo'),
        ('pseudo', 'sea', 'generate_pseudo_labels.py'),
    ),
    (
        'pseudo-labels that are unfinished',
        lambda w: masks(w, finished=False),
        lambda w: w.frames(pseudo_labels='pseudo'),
        ('pseudo', 'unfinished', 'command'),
    ),
    (
        'pseudo-labels whose masks are gone',
        masks,
        lambda w: w.frames(pseudo_labels='pseudo'),
        ('pseudo/a/01.png', 'Make them again'),
    ),
    (
        'a description of pseudo-labels that is not json',
        lambda w: w.write('pseudo/pseudo_labels.json', '{'),
        lambda w: w.frames(pseudo_labels='pseudo'),
        ('pseudo_labels.json', 'another folder'),
    ),
    (
        'a description of pseudo-labels with another type',
        lambda w: masks(w, finished='no'),
        lambda w: w.frames(pseudo_labels='pseudo'),
        ('pseudo_labels.json', "finished must be true or false, but is 'no'", '--overwrite'),
    ),
    (
        'class statistics that are not json',
        lambda w: statistics(w, '[1, 2'),
        rare_classes,
        ('statistics.json', 'class_statistics.py', '--overwrite'),
    ),
    (
        'class statistics with impossible counts',
        lambda w: statistics(
            w,
            json.dumps(
                dict(
                    kind='mmdavss class statistics',
                    classes=CLASSES_19,
                    pixels={f'labels/0000{n}.png': [-5] * 19 for n in (0, 1)},
                )
            ),
        ),
        rare_classes,
        ('statistics.json', '19 numbers of pixels', '--overwrite'),
    ),
    (
        'class statistics of another data set',
        lambda w: statistics(
            w, json.dumps(dict(kind='mmdavss class statistics', classes=['sea'], pixels={}))
        ),
        rare_classes,
        ('statistics.json', 'class_statistics.py', '--overwrite'),
    ),
    (
        'a rare class that no image has',
        nothing,
        lambda w: DATASETS.build(
            dict(
                type='DomainPairDataset',
                source=dict(type='GTADataset', data_root='gta', pipeline=[]),
                rare_patches=dict(classes=(16,), count=1, size=(4, 4)),
            )
        ),
        ('gta', "'train'", 'rare_patches.classes'),
    ),
]
FLOWS: list[Case] = [
    (
        'a .flo file that is cut off',
        lambda w: w.cut('flow/a/01__00.flo'),
        flo,
        ('flow/a/01__00.flo', 'truncated', 'download it again'),
    ),
    (
        'a file that is not a .flo file',
        lambda w: w.write('flow/a/01__00.flo', bytes(100)),
        flo,
        ('flow/a/01__00.flo', 'not a .flo file', 'again'),
    ),
    (
        'a .npy file that is cut off',
        lambda w: w.cut('flow/a/01__00.npy'),
        lambda w: w.flow(),
        ('flow/a/01__00.npy', 'not a complete .npy file', 'again'),
    ),
    (
        'a .npy file that would run code',
        lambda w: npy(w, np.array([Trap()], object)),
        lambda w: w.flow(),
        ('flow/a/01__00.npy', 'not a complete .npy file', 'again'),
    ),
    (
        'a .npy file with surplus bytes',
        lambda w: w.write('flow/a/01__00.npy', w.file('flow/a/01__00.npy').read_bytes() + b'0'),
        lambda w: w.flow(),
        ('flow/a/01__00.npy', 'not a complete .npy file', 'again'),
    ),
    (
        'a .npy file that claims to be huge',
        lambda w: w.write(
            'flow/a/01__00.npy',
            w.file('flow/a/01__00.npy')
            .read_bytes()
            .replace(b'(12, 20, 2), }' + b' ' * 20, b'(1000000000, 1000000000, 2), }    '),
        ),
        lambda w: w.flow(),
        ('flow/a/01__00.npy', '1000000000', 'again'),
    ),
    (
        'flow that is unknown (Middlebury)',
        lambda w: write_flow(w.file('flow/a/01__00.flo'), np.full((*SIZE, 2), np.nan)),
        flo,
        ('flow/a/01__00.flo', 'holes', 'precompute_flow.py'),
    ),
    (
        'flow of another shape',
        lambda w: npy(w, np.zeros((*SIZE, 3), np.float32)),
        lambda w: w.flow(),
        ('flow/a/01__00.npy', '(12, 20, 3)', '(H, W, 2)'),
    ),
    (
        'flow of another type',
        lambda w: npy(w, np.zeros((*SIZE, 2), np.int32)),
        lambda w: w.flow(),
        ('flow/a/01__00.npy', 'int32', 'float'),
    ),
    (
        'flow with holes',
        lambda w: npy(w, np.full((*SIZE, 2), np.nan, np.float32)),
        lambda w: w.flow(),
        ('flow/a/01__00.npy', 'NaN', 'precompute_flow.py'),
    ),
    (
        'flow of another size',
        lambda w: npy(w, np.zeros((6, 10, 2), np.float32)),
        lambda w: w.flow(),
        ('flow/a/01__00.npy', '10x6', 'resize=True'),
    ),
    (
        'flow that is missing',
        lambda w: w.file('flow/a/01__00.npy').unlink(),
        lambda w: w.flow(),
        ('flow/a/01__00.npy', 'precompute_flow.py'),
    ),
    (
        'a picture of the flow',
        lambda w: w.image('flow/a/01__00.png', RED),
        lambda w: w.flow(template='{folder}/{stem}__{stem_b}.png'),
        ('flow/a/01__00.png', '16 bits', 'picture'),
    ),
    (
        'a folder of flow that is not there',
        nothing,
        lambda w: w.read(
            dict(
                type='ClipFolderDataset',
                data_root='frames',
                metainfo=CLASSES,
                pipeline=[
                    dict(type='LoadFlow', provider=dict(type='PrecomputedFlow', root='gone'))
                ],
            )
        ),
        ('gone', 'precompute_flow.py'),
    ),
]
LISTS: list[Case] = [
    (
        'a split file that is missing',
        nothing,
        lambda w: w.gta(ann_file='split.txt'),
        ('split.txt', 'ann_file', 'does not exist'),
    ),
    (
        'an empty split file',
        lambda w: w.write('gta/split.txt', '\n\n'),
        lambda w: w.gta(ann_file='split.txt'),
        ('split.txt', 'empty', 'one frame name per line'),
    ),
    (
        'a split file that is not text',
        lambda w: w.write('gta/split.txt', b'\xff\xfe\x00\x81'),
        lambda w: w.gta(ann_file='split.txt'),
        ('split.txt', 'ann_file', 'UTF-8'),
    ),
    (
        'a split file in UTF-16 without a byte order mark',
        lambda w: w.write('gta/split.txt', '00000\n'.encode('utf-16-le')),
        lambda w: w.gta(ann_file='split.txt'),
        ('split.txt', 'UTF-16, perhaps', 'save it as UTF-8'),
    ),
    (
        'a split file with unknown names',
        lambda w: w.write('gta/split.txt', '00000\n77777\n'),
        lambda w: w.gta(ann_file='split.txt'),
        ('split.txt', '77777', "look like '00000'"),
    ),
    (
        'a list with clips of another length',
        lambda w: w.write('frames/l.txt', 'a/00.png\n'),
        lambda w: w.frames(clips='l.txt'),
        ('l.txt', '1 frame,', 'clip_length'),
    ),
    (
        'a list with frames that are missing',
        lambda w: w.write('frames/l.txt', 'a/00.png a/09.png\n'),
        lambda w: w.frames(clips='l.txt'),
        ('l.txt', 'a/09.png', 'missing'),
    ),
    (
        'a list that is not text',
        lambda w: w.write('frames/l.txt', b'\xff\xfe\x00\x81'),
        lambda w: w.frames(clips='l.txt'),
        ('l.txt', 'clips', 'UTF-8'),
    ),
    (
        'a list of clips that leads out of the data',
        lambda w: w.write('frames/l.txt', 'a/00.png ../gta/images/00000.png\n'),
        lambda w: w.frames(clips='l.txt'),
        ('l.txt (clips), line 1', '../gta/images/00000.png', 'allow_outside=True'),
    ),
    (
        'a split file that leads out of the data',
        lambda w: w.write('gta/split.txt', '00000\n/other/gta/images/00001.png\n'),
        lambda w: w.gta(ann_file='split.txt'),
        ('split.txt (ann_file), line 2', '/other/gta/images/00001.png', 'allow_outside=True'),
    ),
    (
        'a sequence that is not there',
        nothing,
        lambda w: w.frames(sequences=['b']),
        ("['b']", 'sequences', 'frames'),
    ),
]
CONFIGS: list[Case] = [
    (
        'a config that is missing',
        nothing,
        lambda w: w.train(config='gone.py'),
        ('config file not found', 'gone.py'),
    ),
    (
        'a config with a mistake in its Python',
        lambda w: w.write('bad.py', 'model = dict(\n'),
        lambda w: w.train(config='bad.py'),
        ('bad.py', 'SyntaxError', 'correct it'),
    ),
    (
        'a config that inherits a missing one',
        lambda w: w.write('bad.py', "_base_ = 'no.py'\n"),
        lambda w: w.train(config='bad.py'),
        ('bad.py', 'no.py', '_base_'),
    ),
    (
        'a config that imports what is missing',
        lambda w: w.write('bad.py', "custom_imports = dict(imports=['no_such'])\n"),
        lambda w: w.train(config='bad.py'),
        ('bad.py', 'no_such'),
    ),
    (
        'a file that is not a config',
        lambda w: w.write('notes.txt', 'hello'),
        lambda w: w.train(config='notes.txt'),
        ('notes.txt', 'cannot be read as a config'),
    ),
    (
        'a config without a model',
        lambda w: w.write('bad.py', 'x = 1\n'),
        lambda w: w.train(config='bad.py'),
        ('bad.py', 'model', 'train_dataloader', '_base_'),
    ),
    (
        'a config with an unknown class',
        nothing,
        lambda w: load_model(
            w.configured("model = dict(student=dict(type='NoNet'))"), w.checkpoint
        ),
        ('NoNet', 'not in the mmseg'),
    ),
    (
        'a config with an unknown argument',
        nothing,
        lambda w: load_model(w.configured('model = dict(norm_evla=True)'), w.checkpoint),
        ('unexpected keyword argument', 'norm_evla'),
    ),
    (
        'an option that its class does not take',
        nothing,
        lambda w: w.train('--work-dir', 'run', '--cfg-options', 'model.colour=1'),
        ('ToyWeight', "unexpected keyword argument 'colour'", 'correct it in the config'),
    ),
    (
        'an optimiser that does not exist',
        nothing,
        lambda w: w.train('--work-dir', 'run', '--cfg-options', 'optim_wrapper.optimizer.type=SDG'),
        ('toy_config.py', 'optim_wrapper.optimizer.type', 'no optimiser', 'custom_imports'),
    ),
    (
        'a data loader with settings that do not fit',
        nothing,
        lambda w: w.train(
            '--work-dir', 'run', '--cfg-options', 'train_dataloader.persistent_workers=True'
        ),
        ('train_dataloader', 'num_workers > 0', 'correct it in the config'),
    ),
    (
        'a validation without its data',
        nothing,
        lambda w: w.train('--work-dir', 'run', '--cfg-options', 'val_dataloader=None'),
        ('either all None or not None', 'val_dataloader is None'),
    ),
    (
        'test data without a pipeline',
        nothing,
        lambda w: VideoSegmenter(
            w.configured('test_dataloader = dict(dataset=dict(pipeline=None))'), w.checkpoint
        ),
        ('mine.py', 'test_dataloader.dataset.pipeline', '_base_'),
    ),
    (
        'a config of plain mmseg for one of a method',
        nothing,
        lambda w: load_model(
            w.configured("model = dict(_delete_=True, type='EncoderDecoder')"), w.checkpoint
        ),
        ('mine.py', 'model.student', '_base_'),
    ),
    (
        'a config with a value that cannot be',
        nothing,
        lambda w: w.frames(clip_length=0),
        ('clip_length=0', '1 or more'),
    ),
    (
        'a config whose classes do not fit its network',
        nothing,
        lambda w: load_model(
            w.configured(
                'model = dict(student=dict(segmentor=dict(decode_head=dict('
                'num_classes=9), auxiliary_head=dict(num_classes=9))))'
            ),
            w.checkpoint,
        ),
        ('4 classes', 'num_classes'),
    ),
    (
        'test data with other classes than the network',
        nothing,
        lambda w: w.tool(
            'export_segmentor.py',
            w.configured(
                'test_dataloader = dict(dataset=dict(metainfo=dict('
                "classes=['road', 'sky'], palette=[[1, 1, 1], [2, 2, 2]])))"
            ),
            w.checkpoint,
            '--out',
            'out',
        ),
        ('test_dataloader', '2 classes, the model 4', 'num_classes'),
    ),
    (
        'a class to align that the network does not have',
        nothing,
        lambda w: load_model(
            w.configured(
                "model = dict(type='CMOM', alignment=dict(type='FeatureAlignment', "
                'background=[0], foreground=[7]))'
            ),
            w.checkpoint,
        ),
        ('[7]', 'alignment', 'the 4 of the network'),
    ),
]


def long_video(config: dict, metric: dict) -> None:
    """Scores a data set whose predictions are its labels."""
    dataset = DATASETS.build(
        dict(
            config,
            clip_length=1,
            pipeline=[
                dict(type='LoadClip'),
                dict(type='LoadClipAnnotations'),
                dict(type='PackClipInputs'),
            ],
        )
    )
    scorer = METRICS.build(metric)
    scorer.dataset_meta = dataset.metainfo
    for item in dataset:
        sample = item['data_samples']
        sample.pred_sem_seg = sample.gt_sem_seg
        scorer.process({}, [sample.to_dict()])
    scorer.evaluate(len(dataset))


SHIFT = dict(type='SHIFTDataset', data_root='shift')
FRONT = 'shift/discrete/videos/train/front'
LONG_VIDEOS: list[Case] = [
    (
        'films of SHIFT that are not unpacked',
        lambda w: w.write(f'{FRONT}/img.tar', ''),
        lambda w: w.read(SHIFT),
        ('front/img does not exist', 'img.tar', 'decompress_videos'),
    ),
    (
        'conditions of SHIFT without seq.csv',
        lambda w: w.image(f'{FRONT}/img/00a1-0f2e/00000000_img_front.jpg', RED, 'jpeg'),
        lambda w: w.read(dict(SHIFT, weathers=['clear'])),
        ('seq.csv does not exist', 'weathers', 'group seq'),
    ),
    (
        'conditions that no sequence of SHIFT has',
        lambda w: (
            w.image(f'{FRONT}/img/00a1-0f2e/00000000_img_front.jpg', RED, 'jpeg'),
            w.write(f'{FRONT}/seq.csv', 'video,start_weather_coarse\n00a1-0f2e,clear\n'),
        ),
        lambda w: w.read(dict(SHIFT, weathers=['haze'])),
        ('seq.csv', "['haze']", "['clear']"),
    ),
    (
        'videos of VSPW without their list',
        lambda w: w.image('vspw/data/1001_5z/origin/00000001.jpg', RED, 'jpeg'),
        lambda w: w.read(dict(type='VSPWDataset', data_root='vspw', split='val')),
        ('val.txt does not exist', 'docs/datasets.md'),
    ),
    (
        'a grey mask for KITTI-STEP, which has numbers of objects',
        lambda w: (
            w.image('step/images/val/0002/000000.png', RED),
            w.image('step/panoptic_maps/val/0002/000000.png', np.zeros(SIZE, np.uint8)),
        ),
        lambda w: long_video(
            dict(type='KITTISTEPDataset', data_root='step', split='val'), dict(type='STQMetric')
        ),
        ('0002/000000.png', 'mode RGB', 'mode L', 'official masks'),
    ),
    (
        'STQ without the numbers of objects',
        lambda w: (
            w.image('step/images/val/0002/000000.png', RED),
            w.image('step/panoptic_maps/val/0002/000000.png', np.zeros((*SIZE, 3), np.uint8)),
        ),
        lambda w: long_video(
            dict(type='KITTISTEPDataset', data_root='step', split='val'), dict(type='STQMetric')
        ),
        ('000000 of 0002', 'gt_tracks', 'LoadTracks'),
    ),
    (
        'mVC of single images',
        nothing,
        lambda w: long_video(
            dict(type='GTADataset', data_root='gta'), dict(type='VideoConsistencyMetric')
        ),
        ('1 labelled frame', 'lengths=(8, 16)', "frames='all'"),
    ),
]
ROUNDS: list[Case] = [
    (
        'a portion of 0 of the pixels as labels',
        nothing,
        lambda w: CBST(portion=0.0),
        ('portion=0.0', 'no pixel'),
    ),
    (
        'a portion of 1',
        nothing,
        lambda w: CCM(portion=1.0),
        ('portion=1.0', "selection='all'"),
    ),
    (
        'an easy share of 1, without hard frames',
        nothing,
        lambda w: EntropySplit(easy=1.0),
        ('easy=1.0', 'between 0 and 1'),
    ),
    (
        'an easy share of too few frames',
        nothing,
        lambda w: EntropySplit(easy=0.1).lists({'a.png': 1.0, 'b.png': 2.0}),
        ('easy=0.1', 'no easy one', 'more target data'),
    ),
    (
        'a window that leaves no amplitude (FDA)',
        nothing,
        lambda w: window_half_width(SIZE, 0.01, 'half'),
        ('beta=0.01', '(12, 20)', 'set beta'),
    ),
    (
        "labels of another round's model",
        lambda w: (
            masks(w, checkpoint=dict(path='round1.pth', size=7, sha256='0' * 64)),
            w.write('round2.pth', 'weights'),
        ),
        lambda w: check_pseudo_labels(labelled('pseudo', 'round2.pth')),
        ('pseudo', 'round1.pth', 'round2.pth', '--overwrite'),
    ),
    (
        'a target whose pseudo-labels are left out, so that its own labels would be learnt',
        nothing,
        lambda w: check_pseudo_labels(labelled(None, 'round2.pth')),
        ('target.pseudo_labels', 'generate_pseudo_labels.py'),
    ),
    (
        'labels that were made with other settings than those of the config',
        lambda w: masks(w, settings=dict(selection='cbst', portion=0.2)),
        lambda w: check_label_settings(labelled('pseudo', 'round2.pth')),
        ('pseudo', "selection was 'cbst' and is 'all'", '--overwrite'),
    ),
    (
        'a config with rounds that is trained as one of them',
        nothing,
        lambda w: w.train('--cfg-options', 'rounds=[1]'),
        ('toy_config.py', 'tools/run_phases.py', 'rounds=None'),
    ),
    (
        'a spatial prior with a negative value',
        lambda w: np.save(w.file('prior.npy'), np.full((2, 4, 4), -0.1)),
        lambda w: CBST(prior='prior.npy').check(2),
        ('prior.npy', 'negative', 'class_statistics.py --spatial-prior'),
    ),
]
CHECKPOINTS: list[Case] = [
    (
        'a checkpoint that is missing',
        nothing,
        lambda w: w.source_checkpoint('gone.pth'),
        ('gone.pth', 'does not exist', 'model.source_checkpoint'),
    ),
    (
        'an empty checkpoint',
        lambda w: w.write('bad.pth', ''),
        lambda w: w.source_checkpoint('bad.pth'),
        ('bad.pth', 'damaged', 'download it again'),
    ),
    (
        'a checkpoint that is cut off',
        lambda w: w.cut(os.path.relpath(w.checkpoint)),
        lambda w: w.source_checkpoint(w.checkpoint),
        ('iter_1.pth', 'damaged', 'an earlier one'),
    ),
    (
        'a checkpoint with a flipped bit',
        lambda w: w.flip(os.path.relpath(w.checkpoint)),
        lambda w: w.load_from(w.checkpoint),
        ('iter_1.pth', 'damaged', 'not what was written'),
    ),
    (
        'a web page instead of a checkpoint',
        lambda w: w.write('bad.pth', '<html>404</html>'),
        lambda w: w.source_checkpoint('bad.pth'),
        ('bad.pth', 'not a PyTorch checkpoint', 'again'),
    ),
    (
        'a checkpoint that would run code',
        lambda w: w.save('bad.pth', dict(state_dict={}, meta=Trap())),
        lambda w: w.source_checkpoint('bad.pth'),
        ('bad.pth', 'mkdir', 'TORCH_FORCE_NO_WEIGHTS'),
    ),
    (
        'a checkpoint without weights',
        lambda w: w.save('bad.pth', dict(epoch=3)),
        lambda w: w.source_checkpoint('bad.pth'),
        ('bad.pth', 'no weights', "'epoch'"),
    ),
    (
        'a tensor instead of a checkpoint',
        lambda w: w.save('bad.pth', torch.ones(3)),
        lambda w: w.source_checkpoint('bad.pth'),
        ('bad.pth', 'Tensor', 'another file'),
    ),
    (
        'the checkpoint of another network (source_checkpoint)',
        lambda w: w.save('bad.pth', dict(state_dict={'student.x': torch.ones(3)})),
        lambda w: w.source_checkpoint('bad.pth'),
        ('bad.pth', 'lacks', 'another network'),
    ),
    (
        'weights of DINOv2 that are missing',
        nothing,
        lambda w: dinov2('gone.pth'),
        ('gone.pth', 'do not exist', 'Download them'),
    ),
    (
        'weights of a transformer with another patch size',
        lambda w: w.save('bad.pth', {'patch_embed.proj.weight': torch.ones(8, 3, 16, 16)}),
        lambda w: dinov2('bad.pth'),
        ('bad.pth', '16x16', '14x14', 'vits14'),
    ),
    (
        'the checkpoint of another network (load_from)',
        lambda w: w.save('bad.pth', dict(state_dict={'backbone.x': torch.ones(3)})),
        lambda w: w.load_from('bad.pth'),
        ('lacks', 'student', 'model.source_checkpoint'),
    ),
    (
        'weights of another shape',
        lambda w: w.save(
            'bad.pth',
            dict(
                state_dict={
                    name: value[:1] if 'conv_seg' in name else value
                    for name, value in torch.load(w.checkpoint)['state_dict'].items()
                }
            ),
        ),
        lambda w: w.load_from('bad.pth'),
        ('does not fit', 'shape'),
    ),
    (
        "a video net's checkpoint for a single-frame net",
        lambda w: w.save(
            'bad.pth',
            dict(
                state_dict=torch.load(w.checkpoint)['state_dict']
                | {'student.fusion.weight': torch.ones(3)}
            ),
        ),
        lambda w: load_model(w.config, 'bad.pth'),
        ('bad.pth', 'no place for', 'fusion', 'another network'),
    ),
    (
        "a video net's checkpoint for a single-frame net (load_from, test.py)",
        lambda w: w.save(
            'bad.pth',
            dict(
                state_dict=torch.load(w.checkpoint)['state_dict']
                | {'student.fusion.weight': torch.ones(3)}
            ),
        ),
        lambda w: w.load_from('bad.pth'),
        ('no place for', 'fusion', 'another network'),
    ),
    (
        "a single-frame net's checkpoint for a video net",
        nothing,
        lambda w: load_model(
            w.configured("model = dict(student=dict(type='Accel'))"), w.checkpoint
        ),
        ('iter_1.pth', 'single-frame', 'fusion', 'untrained'),
    ),
    (
        'weights that are NaN',
        lambda w: w.save(
            'bad.pth',
            dict(
                state_dict={
                    name: value * torch.nan if 'conv_seg' in name else value
                    for name, value in torch.load(w.checkpoint)['state_dict'].items()
                }
            ),
        ),
        lambda w: next(VideoSegmenter(w.config, 'bad.pth')('frames/a')),
        ('frames/a/00.png', 'NaN', 'another checkpoint'),
    ),
    (
        'weights alone, to be resumed from',
        lambda w: w.save('bad.pth', dict(state_dict=dict(weight=torch.ones(())))),
        lambda w: w.train('--work-dir', 'run', '--cfg-options', 'resume=True', 'load_from=bad.pth'),
        ('bad.pth', 'message_hub', 'leave out resume'),
    ),
    (
        'a checkpoint of another optimiser, to be resumed from',
        lambda w: w.save(
            'bad.pth',
            dict(
                state_dict=dict(weight=torch.ones(())),
                message_hub={},
                meta=dict(iter=1, epoch=0),
                optimizer=dict(
                    state={}, param_groups=[dict(params=[0], lr=1.0, betas=(0.9, 0.99))]
                ),
            ),
        ),
        lambda w: w.train('--work-dir', 'run', '--cfg-options', 'resume=True', 'load_from=bad.pth'),
        ('bad.pth', 'not SGD', '--work-dir'),
    ),
    (
        'a checkpoint of another method, to be resumed from',
        lambda w: w.save(
            'bad.pth',
            dict(
                state_dict=dict(weight=torch.ones(()), teacher=torch.ones(())),
                message_hub={},
                meta=dict(iter=1, epoch=0),
                optimizer={},
            ),
        ),
        lambda w: w.train('--work-dir', 'run', '--cfg-options', 'resume=True', 'load_from=bad.pth'),
        ('bad.pth', 'teacher', 'another method'),
    ),
    (
        'a note last_checkpoint that leads nowhere',
        lambda w: w.write('run/last_checkpoint', 'iter_7.pth'),
        lambda w: w.train('--work-dir', 'run', '--resume'),
        ('last_checkpoint', 'iter_7.pth'),
    ),
]
COMMANDS: list[Case] = [
    ('an unknown option', nothing, lambda w: w.train('--rezume'), ('--rezume',)),
    ('a missing argument', nothing, lambda w: w.tool('test.py', w.toy), ('checkpoint',)),
    (
        'an option of the config that does not fit',
        nothing,
        lambda w: w.train('--cfg-options', 'model.type.deep=1'),
        ('--cfg-options', 'toy_config'),
    ),
    (
        '--resume and --overwrite',
        nothing,
        lambda w: w.train('--resume', '--overwrite'),
        ('--resume', '--overwrite', 'mutually exclusive'),
    ),
    (
        'an output folder that is a file',
        lambda w: w.write('run', ''),
        lambda w: w.train('--work-dir', 'run'),
        ('run', 'is a file', '--work-dir'),
    ),
    (
        'an output folder of an earlier run',
        lambda w: w.write('run/iter_1.pth', ''),
        lambda w: w.train('--work-dir', 'run'),
        ('run', '--resume', '--overwrite'),
    ),
    (
        '--overwrite of what the run starts from',
        lambda w: w.write('run/iter_1.pth', 'x'),
        lambda w: w.train(
            '--work-dir', 'run', '--overwrite', '--cfg-options', 'load_from=run/iter_1.pth'
        ),
        ('iter_1.pth', 'load_from', '--work-dir'),
    ),
    (
        'a device that is not there',
        nothing,
        lambda w: w.tool('test.py', w.config, w.checkpoint, '--device', 'gpu'),
        ('--device', 'gpu', 'it has cpu'),
    ),
    (
        'an output folder that another run writes into',
        lambda w: w.write('run/.run.lock', json.dumps(asdict(Owner.here()))),
        lambda w: w.train('--work-dir', 'run', '--overwrite'),
        ('run', 'in use by process', 'end it first', '--work-dir'),
    ),
    (
        'an output folder below a file',
        lambda w: w.write('run', ''),
        lambda w: w.train('--work-dir', 'run/1'),
        ('run/1', 'below a file', 'correct the path'),
    ),
    (
        '--resume with another optimiser',
        lambda w: w.train('--work-dir', 'run'),
        lambda w: w.train(
            '--work-dir', 'run', '--resume', '--cfg-options', 'optim_wrapper.optimizer.type=Adam'
        ),
        ('iter_2.pth', 'another config', 'Adam', '--work-dir'),
    ),
    (
        'a launcher without its environment',
        nothing,
        lambda w: w.train('--launcher', 'pytorch'),
        ('--launcher pytorch', 'dist_train.sh'),
    ),
    (
        'a test without test data',
        nothing,
        lambda w: w.tool('test.py', w.toy, w.checkpoint, '--cfg-options', 'test_dataloader=None'),
        ('toy_config.py', 'test_dataloader'),
    ),
    (
        'a conversion onto a file that is there',
        lambda w: w.write('out.pth', 'x'),
        lambda w: w.tool(
            'convert_checkpoint.py', 'advent', w.config, w.checkpoint, '--out', 'out.pth'
        ),
        ('out.pth', '--overwrite'),
    ),
    (
        'a video to adapt to that is missing',
        nothing,
        lambda w: w.tool('adapt_video.py', w.config, w.checkpoint, 'gone.mp4', '--out', 'out'),
        ('gone.mp4', 'does not exist', 'name a video'),
    ),
    (
        'flow of a folder without frames',
        nothing,
        lambda w: w.tool('precompute_flow.py', 'flow', 'new'),
        ('flow', '--pattern'),
    ),
]
CASES = [
    case
    for part in (IMAGES, MASKS, FLOWS, LISTS, CONFIGS, LONG_VIDEOS, ROUNDS, CHECKPOINTS, COMMANDS)
    for case in part
]


def snapshot(root: Path) -> dict[str, str | None]:
    """All files with their hashes, and all folders."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else None
        for path in root.rglob('*')
        if '__pycache__' not in path.parts
    }


def log_of_a_run(name: str) -> bool:
    """A run that had started before it met the mistake has written its log and its config."""
    return name in ('run', 'run/toy_config.py') or (
        name.startswith('run/2') and not name.endswith('.pth')
    )


@pytest.mark.parametrize(
    ('kind', 'damage', 'call', 'words'), CASES, ids=[case[0].replace(' ', '-') for case in CASES]
)
def test_one_error_and_nothing_changes(kind, damage, call, words, world, capfd):
    damage(world)
    if {'config', 'checkpoint', 'configured', 'source_checkpoint', 'load_from'} & {
        *call.__code__.co_names
    }:
        _ = world.network  # is there before
    before = snapshot(world.root)
    capfd.readouterr()
    with pytest.raises((Exception, SystemExit)) as raised:
        call(world)
    error, message = raised.value, str(raised.value)
    after = snapshot(world.root)
    if isinstance(error, SystemExit):
        assert error.code != 0
        message += ''.join(capfd.readouterr())
        assert 'Traceback' not in message
    else:
        # Kinds that say that the input is wrong, not that the program is.
        assert isinstance(error, FileNotFoundError | KeyError | TypeError | UserError | ValueError)
    assert [word for word in words if word not in message] == [], message
    changed = {
        name for name in before.keys() | after.keys() if before.get(name, '') != after.get(name, '')
    }
    changed.discard('mine.py')  # that of `configured`
    assert {name for name in changed if not log_of_a_run(name)} == set()


def test_good_input_is_taken(world):
    """Or the cases above would prove nothing."""
    world.frames()
    world.gta(ann_file='')
    world.flow()
    flo(world)
    world.source_checkpoint(world.checkpoint)
    world.load_from(world.checkpoint)
    load_model(world.configured(''), world.checkpoint)


def row(case: Case) -> str:
    """A case in the table of the documentation."""
    return f'| {case[0]} | {" … ".join(case[-1])} |'


def test_the_table_is_documented():
    text = (Path(__file__).parents[2] / 'docs/bad_input.md').read_text(encoding='utf-8')
    rows = [line for line in text.splitlines() if line.startswith('| ')]
    assert [line for line in rows if not line.startswith('| What')] == [row(c) for c in CASES]
    assert len(CASES) >= 40
