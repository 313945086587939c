"""Damages input files in many ways and reads them: the same content, or one error that names it.

    python benchmarks/fuzz_readers.py [--files 2000] [--seed 0] [--out work_dirs/fuzz_readers]

Each file is written, damaged (bits flipped, cut off, blocks zeroed, swapped or repeated, another
format under its name, an absurd header) and read as the tools read it. A failure is content that
differs from the intact file's, another kind of error or one without the name of the file, or a
reader that hangs. The file of a failure is kept in the folder.

Damage that a format cannot detect is counted separately: JPEG, BMP, .flo, .npy, videos and text
have no checksums, so other content may look valid. Each reader lists the damage for which that
holds; for all other damage it is a failure.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import struct
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from mmdavss.analysis.results import read_validations
from mmdavss.datasets import ClipFolderDataset, GTADataset
from mmdavss.datasets.label_folder import mask_name, read_manifest, write_frames, write_manifest
from mmdavss.datasets.label_maps import CAMVID_COLOUR, CITYSCAPES_15, GTA_19, SYNTHIA_12, LabelSet
from mmdavss.datasets.rare_class import read_statistics, write_statistics
from mmdavss.datasets.transforms.loading import read_image, read_label, read_mask
from mmdavss.flow import read_flow, write_flow
from mmdavss.inference.videos import VideoReader
from mmdavss.launch.config_file import read_config_file, require
from mmdavss.utils.checkpoints import read_weights
from mmdavss.utils.errors import UserError

SIZE = 36, 52  # height, width
SECONDS = 60  # after which a reader hangs
CLASSES = 'road', 'sky'

# ---------------------------------------------------------------------------------------- damage


def flip_bit(data: bytes, rng: np.random.Generator) -> bytes:
    return _flip(data, rng, 1)


def flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    return _flip(data, rng, 8)


def _flip(data: bytes, rng: np.random.Generator, count: int) -> bytes:
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    bits[rng.choice(len(bits), count, replace=False)] ^= 1
    return np.packbits(bits).tobytes()


def header(data: bytes, rng: np.random.Generator) -> bytes:
    """Up to eight bytes of the first 64 become 0xff, or anything."""
    start, length = int(rng.integers(min(64, len(data)))), int(rng.integers(1, 9))
    new = b'\xff' * length if rng.random() < 0.5 else rng.bytes(length)
    return (data[:start] + new + data[start + length :])[: len(data)]


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(1, len(data)))]


def surplus(data: bytes, rng: np.random.Generator) -> bytes:
    return data + rng.bytes(int(rng.integers(1, 64)))


def _block(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(len(data) - 1))
    return start, int(rng.integers(start + 1, min(len(data), start + 512) + 1))


def zero_block(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _block(data, rng)
    return data[:start] + bytes(end - start) + data[end:]


def swap_blocks(data: bytes, rng: np.random.Generator) -> bytes:
    length = int(rng.integers(1, max(2, min(512, len(data) // 2))))
    first = int(rng.integers(len(data) - 2 * length + 1))
    second = int(rng.integers(first + length, len(data) - length + 1))
    return (
        data[:first]
        + data[second : second + length]
        + data[first + length : second]
        + data[first : first + length]
        + data[second + length :]
    )


def repeat_block(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _block(data, rng)
    return data[:end] + data[start:end] + data[end:]


def empty(data: bytes, rng: np.random.Generator) -> bytes:
    return b''


def other_format(data: bytes, rng: np.random.Generator) -> bytes:
    """Content that failed downloads and checkouts leave instead of a file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, 'w') as file:
        file.writestr('data.txt', b'text')
    contents = (
        b'<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n',
        b'version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 4096\n',
        archive.getvalue(),
        b'\x1f\x8b\x08' + rng.bytes(100),
        b'%PDF-1.7\n' + rng.bytes(100),
        b'\x7fELF' + rng.bytes(200),
        bytes(1000),
        rng.bytes(1000),
    )
    return contents[int(rng.integers(len(contents)))]


Damage = Callable[[bytes, np.random.Generator], bytes]
#: `absurd` is that of each reader.
DAMAGES: dict[str, Damage | None] = {
    function.__name__: function
    for function in (
        flip_bit,
        flip_bits,
        header,
        truncate,
        surplus,
        zero_block,
        swap_blocks,
        repeat_block,
        empty,
        other_format,
    )
} | {'absurd': None}
#: Wrong values instead of correct ones.
VALUES = frozenset({'flip_bit', 'flip_bits', 'header', 'zero_block', 'swap_blocks'})
#: Lines or numbers that are missing or repeated.
LINES = VALUES | {'truncate', 'surplus', 'repeat_block'}

# --------------------------------------------------------------------------------------- readers


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes:
        name: Name in the table.
        file: Path of the file, below the folder.
        write: Writes it, and other files that it needs, into the folder.
        read: Reads it; maps the folder to the content.
        blind: Damage after which the format cannot tell right from wrong values.
        kept: Part of the content that must be correct even then.
        absurd: Contents with an absurd header, made from the intact file.
        known_by: Text that identifies the file in an error; by default its name.
    """

    name: str
    file: str
    write: Callable[[Path], None]
    read: Callable[[Path], Any]
    blind: frozenset[str] = frozenset()
    kept: Callable[[Any], Any] = lambda content: None
    absurd: tuple[Callable[[bytes], bytes], ...] = ()
    known_by: str = ''


def picture() -> np.ndarray:
    """(H, W, 3), uint8: smooth, with some noise."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    noise = np.random.default_rng(0).integers(0, 20, (*SIZE, 3))
    return (np.dstack([x, y, x + y]) * 2 + noise).astype(np.uint8)


def ids(count: int) -> np.ndarray:
    """(H, W), uint8: fields of ids below `count`."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return ((x // 9 + y // 7) % count).astype(np.uint8)


def flow_field() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 3, (*SIZE, 2)).astype(np.float32)


def _save(folder: Path, name: str, image: np.ndarray | Image.Image) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path)
    return path


def image(suffix: str, **options: Any) -> Reader:
    name = f'frames/001.{suffix}'
    return Reader(
        f'frame, {suffix}',
        name,
        lambda folder: _save(folder, name, picture()),
        lambda folder: read_image(str(folder / name)),
        **options,
    )


def label(kind: str, labels: LabelSet, write: Callable[[Path], None]) -> Reader:
    return Reader(
        f'label, {kind}',
        'label.png',
        write,
        lambda folder: read_label(str(folder / 'label.png'), labels),
        absurd=PNG,
    )


def _palette_label(folder: Path) -> None:
    made = Image.fromarray(ids(20), 'L').convert('P')
    colours = np.zeros((256, 3), np.uint8)
    for official, k in CITYSCAPES_15.train_ids.items():
        colours[official] = CITYSCAPES_15.palette[k]
    made.putpalette(colours.ravel().tolist())
    _save(folder, 'label.png', made)


def _red_label(folder: Path) -> None:
    wide = np.zeros((*SIZE, 3), np.uint16)
    wide[..., 2] = ids(SYNTHIA_12.official)  # OpenCV: BGR
    cv2.imwrite(str(folder / 'label.png'), wide)


def _colour_label(folder: Path) -> None:
    colours = np.array(CAMVID_COLOUR.colours, np.uint8)
    _save(folder, 'label.png', colours[ids(len(colours))])


def flow(suffix: str, **options: Any) -> Reader:
    return Reader(
        f'flow, {suffix}',
        f'flow.{suffix}',
        lambda folder: write_flow(folder / f'flow.{suffix}', flow_field()),
        lambda folder: read_flow(folder / f'flow.{suffix}'),
        **options,
    )


def _frames(folder: Path) -> None:
    for number in range(4):
        _save(folder, f'data/a/{number:02d}.png', picture())


def _infos(dataset: Any) -> list:
    return [
        (info['frame_paths'], info['seg_map_path'])
        for info in map(dataset.get_data_info, range(len(dataset)))
    ]


def _folder_data(folder: Path, **options: Any) -> ClipFolderDataset:
    return ClipFolderDataset(
        str(folder / 'data'),
        metainfo=dict(classes=CLASSES, palette=[[1, 1, 1], [2, 2, 2]]),
        pipeline=[],
        **options,
    )


def _text(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_gta(folder: Path) -> None:
    for number in range(1, 7):
        _save(folder, f'gta/images/{number:05d}.png', picture())
        _save(folder, f'gta/labels/{number:05d}.png', ids(20))


def _gta(folder: Path, **options: Any) -> GTADataset:
    return GTADataset(str(folder / 'gta'), pipeline=[], **options)


def _write_split(folder: Path) -> None:
    _write_gta(folder)
    _text(folder, 'gta/split.txt', ''.join(f'{number:05d}\n' for number in range(1, 7)))


def _write_clips(folder: Path) -> None:
    _frames(folder)
    _text(folder, 'data/clips.txt', ''.join(f'a/{n:02d}.png a/{n + 1:02d}.png\n' for n in range(3)))


def _write_pseudo(folder: Path) -> None:
    _frames(folder)
    masks = [mask_name('a', f'{number:02d}') for number in range(4)]
    for mask in masks:
        _save(folder / 'pseudo', mask, ids(2))
    write_frames(str(folder / 'pseudo'), masks)
    write_manifest(
        str(folder / 'pseudo'),
        dict(
            finished=True,
            classes=CLASSES,
            palette=[[1, 1, 1], [2, 2, 2]],
            settings=dict(alpha=0.2),
            checkpoint=dict(path='iter_1.pth', size=4096, sha256='0' * 64),
            network='0' * 16,
            frames=dict(count=4, sha256='0' * 16),
            thresholds={'a': [0.5, 0.75]},
            histogram=[[1, 2, 3], [4, 5, 6]],
            counted=1,
            kept=[123, 456],
            predicted=[1234, 5678],
        ),
    )


def _write_statistics(folder: Path) -> None:
    _write_gta(folder)
    rng = np.random.default_rng(0)
    write_statistics(
        str(folder / 'statistics.json'),
        GTA_19.classes,
        {f'labels/{number:05d}.png': rng.integers(0, 10000, 19).tolist() for number in range(1, 7)},
    )


def _write_log(folder: Path) -> None:
    rows = [dict(loss=1 / step, lr=0.1, step=step) for step in range(1, 6)]
    rows += [dict(mIoU=30.0 + step, step=step) for step in (5, 10)]
    _text(folder, 'run/0/vis_data/scalars.json', ''.join(f'{json.dumps(row)}\n' for row in rows))


def _write_checkpoint(folder: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {f'layer{k}.weight': torch.rand(7, 9, generator=generator) for k in range(8)}
    torch.save(dict(meta=dict(iter=3, classes=CLASSES), state_dict=weights), folder / 'iter_3.pth')


def video(suffix: str, codec: str) -> Reader:
    name = f'drive.{suffix}'

    def write(folder: Path) -> None:
        out = cv2.VideoWriter(str(folder / name), cv2.VideoWriter_fourcc(*codec), 10.0, (64, 48))
        for number in range(24):
            frame = np.roll(picture(), number, axis=1)
            out.write(cv2.resize(frame, (64, 48)))
        out.release()

    def read(folder: Path) -> list:
        reader = VideoReader(str(folder / name))
        frames = [(frame.name, frame.image) for frame in reader]
        # The tools continue with a warning.
        if reader.note:
            raise UserError(reader.note)
        return frames

    return Reader(
        f'video, {suffix}',
        name,
        write,
        read,
        VALUES | {'repeat_block'},
        kept=len,
        absurd=(
            lambda data: data.replace(b'mvhd', b'mvh\xff'),
            lambda data: data[:16] + b'\xff' * 64 + data[80:],
        ),
    )


def _read_config(folder: Path) -> dict:
    cfg = read_config_file(folder / 'mine.py')
    require(cfg, 'model', 'train_cfg', 'optim_wrapper')
    return cfg.to_dict()


CONFIG = """\
# A config that a user may have written.
model = dict(type='SourceOnly', student=dict(type='PerFrame', dilations=(1, 1, 2, 4)))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9))
train_cfg = dict(max_iters=2000, val_interval=200)
"""


def _png_header(data: bytes, width: int, height: int, depth: int | None = None) -> bytes:
    """Another size, with a correct checksum."""
    fields = struct.pack('>II', width, height) + data[24:29]
    if depth is not None:
        fields = fields[:8] + bytes([depth]) + fields[9:]
    return data[:16] + fields + struct.pack('>I', zlib.crc32(b'IHDR' + fields)) + data[33:]


def _npy_header(data: bytes, shape: str) -> bytes:
    end = 10 + int.from_bytes(data[8:10], 'little')
    text = f"{{'descr': '<f2', 'fortran_order': False, 'shape': {shape}, }}"
    return data[:10] + text.ljust(end - 11).encode() + b'\n' + data[end:]


PNG = (
    lambda data: _png_header(data, 60000, 60000),
    lambda data: _png_header(data, 2**31 - 1, 1),
    lambda data: _png_header(data, 0, 0),
    lambda data: _png_header(data, SIZE[1], SIZE[0], 1),
)
JPG = (lambda data: data.replace(struct.pack('>HH', *SIZE), b'\xff\xff\xff\xff', 1),)
BMP = (
    lambda data: data[:18] + struct.pack('<ii', 2**31 - 1, 2**31 - 1) + data[26:],
    lambda data: data[:10] + b'\xff' * 4 + data[14:],
)
FLO = (
    lambda data: data[:4] + struct.pack('<ii', 2**31 - 1, 2**31 - 1) + data[12:],
    lambda data: data[:4] + struct.pack('<ii', -1, -1) + data[12:],
    lambda data: data[:4] + struct.pack('<ii', 2**16, 2**16) + data[12:],
)
NPY = (
    lambda data: _npy_header(data, '(1000000000, 1000000000, 2)'),
    lambda data: _npy_header(data, '(-1, -1, 2)'),
    lambda data: _npy_header(data, '(' * 60),
    lambda data: _npy_header(data, '(2, 3, 4)'),
)
JSON = (
    lambda data: b'[' * 100000,
    lambda data: b'{"a":' * 100000,
    lambda data: b'9' * 10000,
    lambda data: b'null',
    lambda data: b'[]',
    lambda data: data.replace(b'": {', b'": 1e999, "x": {', 1),
    lambda data: data.replace(b'[', b'[-1, ', 1),
    lambda data: b'\xff\xfe' + data,
)
TEXT = (
    lambda data: b'x' * 100000 + b'\n',
    lambda data: b'\0' * 100 + data,
    lambda data: b'../../x.png ../../y.png\n' + data,
    lambda data: b'\n' * 1000,
)
#: The directory at the end of an archive has the number and places of its entries.
ARCHIVE = (
    lambda data: data[:-14] + b'\xff' * 4 + data[-10:],
    lambda data: data[:-6] + b'\xff' * 4 + data[-2:],
)

READERS = (
    image('png', absurd=PNG),
    image('jpg', blind=VALUES | {'repeat_block'}, absurd=JPG),
    image('bmp', blind=VALUES | {'repeat_block'}, absurd=BMP),
    label('grey', GTA_19, lambda folder: _save(folder, 'label.png', ids(20))),
    label('palette', CITYSCAPES_15, _palette_label),
    label('colours', CAMVID_COLOUR, _colour_label),
    label('16 bits', SYNTHIA_12, _red_label),
    Reader(
        'mask of pseudo-labels',
        'mask.png',
        lambda folder: _save(folder, 'mask.png', ids(2)),
        lambda folder: read_mask(str(folder / 'mask.png')),
        absurd=PNG,
    ),
    flow('flo', blind=VALUES, absurd=FLO),
    flow('npy', blind=VALUES, absurd=NPY),
    flow('png', absurd=PNG),
    Reader(
        'split file',
        'gta/split.txt',
        _write_split,
        lambda folder: _infos(_gta(folder, ann_file='split.txt')),
        LINES,
        absurd=TEXT,
    ),
    Reader(
        'list of clips',
        'data/clips.txt',
        _write_clips,
        lambda folder: _infos(_folder_data(folder, clips='clips.txt')),
        LINES,
        absurd=TEXT,
    ),
    Reader(
        'list of pseudo-labels',
        'pseudo/frames.txt',
        _write_pseudo,
        lambda folder: _infos(_folder_data(folder, pseudo_labels=str(folder / 'pseudo'))),
        LINES,
        absurd=TEXT,
        known_by='pseudo',
    ),
    Reader(
        'pseudo_labels.json',
        'pseudo/pseudo_labels.json',
        _write_pseudo,
        lambda folder: read_manifest(str(folder / 'pseudo')),
        VALUES | {'repeat_block'},
        absurd=JSON,
    ),
    Reader(
        'class statistics',
        'statistics.json',
        _write_statistics,
        lambda folder: read_statistics(str(folder / 'statistics.json'), _gta(folder)),
        VALUES | {'repeat_block'},
        absurd=JSON,
    ),
    Reader(
        'log of a run',
        'run/0/vis_data/scalars.json',
        _write_log,
        lambda folder: read_validations(folder / 'run'),
        LINES,
        absurd=JSON,
        known_by='run',
    ),
    Reader(
        'checkpoint',
        'iter_3.pth',
        _write_checkpoint,
        lambda folder: read_weights(str(folder / 'iter_3.pth'), 'iter_3.pth is missing'),
        absurd=ARCHIVE,
    ),
    video('mp4', 'mp4v'),
    video('avi', 'MJPG'),
    Reader(
        'config',
        'mine.py',
        lambda folder: _text(folder, 'mine.py', CONFIG),
        _read_config,
        LINES,
        absurd=(
            lambda data: b'a = ' + b'(' * 100000,
            lambda data: b'a = 9' + b'9' * 10000,
            lambda data: b'a = ' + b'-' * 100000 + b'1',
        ),
    ),
)

# --------------------------------------------------------------------------------------- judging


@dataclass(frozen=True)
class Result:
    """Outcome for a damaged file.

    Attributes:
        reader: Name of the kind of file.
        damage: Name of the damage.
        outcome: ``same``, ``error``, ``unknowable`` or ``failure``.
        detail: Description of a failure.
        data: The damaged file.
    """

    reader: str
    damage: str
    outcome: str
    detail: str
    data: bytes


class Hang(BaseException):
    """Not an Exception: nothing in a reader may catch it."""


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def frozen(content: Any) -> Any:
    """Converts content so that ``==`` compares it bit by bit."""
    if isinstance(content, torch.Tensor):
        content = content.numpy()
    if isinstance(content, np.ndarray):
        return content.dtype.str, content.shape, content.tobytes()
    if isinstance(content, Mapping):
        return {key: frozen(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [frozen(value) for value in content]
    return content


def judge(reader: Reader, damage: str, good: Any, folder: Path) -> tuple[str, str]:
    """Reads a damaged file.

    Args:
        reader: The file's reader.
        damage: Name of the damage.
        good: Content of the intact file.
        folder: Folder of the file.

    Returns:
        Outcome and detail of :class:`Result`.
    """
    name = reader.known_by or Path(reader.file).name
    try:
        with time_limit(SECONDS):
            content = reader.read(folder)
    except Hang:
        return 'failure', f'hangs: more than {SECONDS} s'
    except Exception as error:
        kind = type(error)
        if not isinstance(error, UserError) and kind not in (ValueError, FileNotFoundError):
            return 'failure', f'{kind.__name__}: {str(error)[:200]}'
        if name not in str(error):
            return 'failure', f'does not name {name}: {str(error)[:200]}'
        return 'error', ''
    if frozen(content) == frozen(good):
        return 'same', ''
    if damage in reader.blind and reader.kept(content) == reader.kept(good):
        return 'unknowable', ''
    return 'failure', 'other content, and no error'


def fuzz(folder: Path, count: int, seed: int = 0) -> Iterator[Result]:
    """Damages and reads files of all kinds, in turn.

    Args:
        folder: Folder for the files.
        count: Number of files; each kind of file with each damage once takes
            ``len(READERS) * len(DAMAGES)``.
        seed: Random seed; the same seed gives the same damage.
    """
    pairs = [(reader, damage) for reader in READERS for damage in DAMAGES]
    order = np.random.default_rng(seed).permutation(len(pairs))
    good: dict[str, tuple[bytes, Any]] = {}
    for number in range(count):
        reader, damage = pairs[order[number % len(pairs)]]
        rng = np.random.default_rng([seed, number])
        place = folder / str(READERS.index(reader))
        if reader.name not in good:
            place.mkdir(parents=True, exist_ok=True)
            reader.write(place)
            good[reader.name] = (place / reader.file).read_bytes(), reader.read(place)
        data, content = good[reader.name]
        if damage == 'absurd':
            damaged = reader.absurd[int(rng.integers(len(reader.absurd)))](data)
        else:
            damaged = DAMAGES[damage](data, rng)
        (place / reader.file).write_bytes(damaged)
        yield Result(reader.name, damage, *judge(reader, damage, content, place), damaged)


def table(results: list[Result]) -> str:
    """Markdown: a row for each kind of file."""
    counts = Counter((result.reader, result.outcome) for result in results)
    rows = [
        '| file | damaged | the same content | error | cannot be known | failure |',
        '|---|---|---|---|---|---|',
    ]
    names = [reader.name for reader in READERS]
    for name in (*names, 'all'):
        numbers = [
            sum(counts[other, outcome] for other in (names if name == 'all' else [name]))
            for outcome in ('same', 'error', 'unknowable', 'failure')
        ]
        rows.append(f'| {name} | {sum(numbers)} | {" | ".join(map(str, numbers))} |')
    return '\n'.join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--files', type=int, default=2000, metavar='N')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/fuzz_readers'))
    args = parser.parse_args()
    results: list[Result] = []
    for number, result in enumerate(fuzz(args.out, args.files, args.seed)):
        results.append(result)
        if result.outcome == 'failure':
            kept = args.out / 'failures' / f'{number}_{result.damage}'
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(result.data)
            print(f'{result.reader}, {result.damage}: {result.detail}  ({kept})', flush=True)
    print(table(results))
    sys.exit(any(result.outcome == 'failure' for result in results))


if __name__ == '__main__':
    main()
