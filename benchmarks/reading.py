"""Compares the time of reading frames, labels, flow and clips with that of decoding alone.

    python benchmarks/reading.py [--width 1920] [--height 1080] [--rounds 11]

Decoding alone is ``cv2.imread`` of the same file, or for flow without compression the reading of
its bytes. The files are made anew: a smooth picture with noise, regions with wavy borders as label.
A clip is what the source pipeline of ``viper2city`` makes of two frames, a label and a flow file of
1024x576. Its floor is decoding alone and Pillow's resize.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from medians import medians, one_thread
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from PIL import Image
from torch import Tensor

import mmdavss  # noqa: F401
from mmdavss.datasets.label_maps import CAMVID_COLOUR, CITYSCAPES_19, SYNTHIA_12, VIPER_15, LabelSet
from mmdavss.datasets.transforms.loading import read_image, read_label, read_mask
from mmdavss.flow import read_flow, write_flow

TRAINING = (1280, 720)
FLOW = (1024, 576)


def picture(width: int, height: int, seed: int) -> np.ndarray:
    """(H, W, 3), uint8."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.uniform(20, 235, (9, 16, 3)), (width, height), interpolation=2)
    return (smooth + rng.normal(0, 3, smooth.shape)).clip(0, 255).astype(np.uint8)


def regions(width: int, height: int, count: int) -> np.ndarray:
    """(H, W), uint8: regions with ids below `count`."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    rows = (y + 9 * np.sin(x / 17)).clip(0, height - 1) * 18 // height
    columns = (x + 9 * np.sin(y / 13)).clip(0, width - 1) * 32 // width
    return rng.integers(0, count, (18, 32)).astype(np.uint8)[rows.astype(int), columns.astype(int)]


def row(name: str, alone: float, ours: float) -> None:
    print(f'| {name} | {alone:.1f} | {ours:.1f} | {ours / alone:.2f} |', flush=True)


def frames_and_masks(folder: Path, width: int, height: int, rounds: int) -> None:
    image = picture(width, height, 0)
    ids = regions(width, height, 19)
    wide = np.zeros((height, width, 3), np.uint16)
    wide[..., 2] = ids
    colours = np.array(CAMVID_COLOUR.colours, np.uint8)[ids]
    palette = Image.fromarray(ids).convert('P')
    palette.putpalette(bytes(256 * 3))
    palette.save(folder / 'palette.png')
    for name, array in (
        ('frame.jpg', image),
        ('frame.png', image),
        ('ids.png', ids),
        ('red.png', wide),
        ('colours.png', colours[..., ::-1]),
    ):
        cv2.imwrite(str(folder / name), array, [cv2.IMWRITE_JPEG_QUALITY, 95])
    plain = replace(VIPER_15, ego_id=None, official_palette=False)
    labels: list[tuple[str, str, LabelSet]] = [
        ('label, ids', 'ids.png', CITYSCAPES_19),
        ('label, ids with a palette', 'palette.png', plain),
        ('label, 16 bits', 'red.png', SYNTHIA_12),
        ('label, colours', 'colours.png', CAMVID_COLOUR),
    ]
    forms = [
        ('frame, jpg', 'frame.jpg', read_image),
        ('frame, png', 'frame.png', read_image),
        ('mask of pseudo-labels', 'ids.png', read_mask),
    ]
    forms += [
        (name, file, lambda path, labels=labels: read_label(path, labels))
        for name, file, labels in labels
    ]
    for name, file, read in forms:
        path = str(folder / file)
        times = medians(
            dict(
                alone=lambda path=path: cv2.imread(path, cv2.IMREAD_UNCHANGED),
                ours=lambda path=path, read=read: read(path),
            ),
            rounds,
        )
        row(name, **times)


def flow_field() -> np.ndarray:
    width, height = FLOW
    coarse = np.random.default_rng(0).normal(0, 8, (18, 32, 2)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def flow_files(folder: Path, rounds: int) -> None:
    def decode(path: Path) -> np.ndarray:
        return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)

    for name, dtype, alone in (
        ('a.png', 'float16', decode),
        ('a.npy', 'int16', np.load),
        ('b.npy', 'float16', np.load),
        ('a.flo', 'float16', np.fromfile),
    ):
        path = folder / name
        write_flow(path, flow_field(), dtype)
        times = medians(
            dict(
                alone=lambda path=path, alone=alone: alone(path),
                ours=lambda path=path: read_flow(path),
            ),
            rounds,
        )
        row(f'flow, {path.suffix[1:]}' + (f' {dtype}' if name.endswith('npy') else ''), **times)


def clip(folder: Path, width: int, height: int, rounds: int) -> None:
    paths = []
    for number in (1, 2):
        path = folder / f'001_{number:05d}.jpg'
        options = [cv2.IMWRITE_JPEG_QUALITY, 95]
        cv2.imwrite(str(path), picture(width, height, number), options)
        paths.append(str(path))
    mask = str(folder / 'ids.png')
    write_flow(folder / '001_0000200001_int16_x10.npy', flow_field(), 'int16')
    load = [dict(type='LoadClip'), dict(type='LoadClipAnnotations')]
    size = dict(type='ClipResize', scale=TRAINING, interpolation='bicubic', backend='pillow')
    flow = dict(
        type='PrecomputedFlow',
        root=str(folder),
        template='{stem}{number_b}_int16_x10.npy',
        resize=True,
    )
    pack = dict(type='PackClipInputs')

    def run(*transforms: dict) -> object:
        pipeline = Compose(list(transforms))
        return lambda: pipeline(
            dict(
                frame_paths=paths,
                img_path=paths[-1],
                seg_map_path=mask,
                label_spec=VIPER_15,
                seg_fields=[],
            )
        )

    pictures = [Image.open(path) for path in paths]
    for image in pictures:
        image.load()
    label = Image.open(mask)
    label.load()

    def decode() -> None:
        for path in (*paths, mask):
            cv2.imread(path, cv2.IMREAD_UNCHANGED)

    def floor() -> None:
        decode()
        for image in pictures:
            image.resize(TRAINING, Image.Resampling.BICUBIC)
        label.resize(TRAINING, Image.Resampling.NEAREST)

    image = torch.from_numpy(np.array(pictures[0])).permute(2, 0, 1)[None]
    exact = np.array(pictures[0].resize(TRAINING, Image.Resampling.BICUBIC))

    def by_torch() -> Tensor:
        return F.interpolate(image, TRAINING[::-1], mode='bicubic', antialias=True)

    times = medians(
        dict(
            pillow=lambda: pictures[0].resize(TRAINING, Image.Resampling.BICUBIC),
            bands=lambda: [
                band.resize(TRAINING, Image.Resampling.BICUBIC) for band in pictures[0].split()
            ],
            torch=by_torch,
        ),
        rounds,
    )
    share = 100 * (by_torch()[0].permute(1, 2, 0).numpy() != exact).mean()
    for name, took in times.items():
        print(f'| bicubic resize of a frame, {name} | | {took:.1f} | |', flush=True)
    print(f'| {share:.2f} % of the values of torch are not those of Pillow | | | |', flush=True)

    times = medians(
        dict(
            decode=decode,
            floor=floor,
            loaded=run(*load),
            with_flow=run(*load, dict(type='LoadFlow', provider=flow)),
            resized=run(*load, size, pack),
            clip=run(*load, size, dict(type='LoadFlow', provider=flow), pack),
        ),
        rounds,
    )
    row('clip: frames and label', times['decode'], times['loaded'])
    row('clip: frames, label and flow file', times['decode'], times['with_flow'])
    row('clip: resized and packed', times['decode'], times['resized'])
    row('clip: resized and packed, with a flow file', times['decode'], times['clip'])
    row('the same, over decoding and resizing alone', times['floor'], times['clip'])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--width', type=int, default=1920)
    parser.add_argument('--height', type=int, default=1080)
    parser.add_argument('--rounds', type=int, default=11)
    args = parser.parse_args()
    one_thread()
    init_default_scope('mmseg')
    print('| file | decoding alone, ms | read, ms | ratio |\n|---|---|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        frames_and_masks(Path(folder), args.width, args.height, args.rounds)
        flow_files(Path(folder), args.rounds)
        clip(Path(folder), args.width, args.height, args.rounds)


if __name__ == '__main__':
    main()
