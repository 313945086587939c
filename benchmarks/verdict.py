"""Scores the verdict of tools/adapt_video.py on MiniDrive, where the truth is known.

    python tools/make_minidrive.py data/minidrive
    python benchmarks/small_results.py --data minidrive minivps --methods source-only
    python benchmarks/verdict.py [--cases accel-0 deeplab-1 ...] [--out work_dirs/verdict]

Adapts trained models to unlabelled drives, well and badly: sane settings, much too high learning
rates, too many iterations, a single picture, drives of another look, models that were damaged
before or after. Each result is judged without labels, as in the tool, and scored with the labels of
twelve other drives of the same look: it is better or worse if the mIoU differs from that of the
model before by more than a margin. Prints what was said against what is true, for the cases that
the thresholds were chosen on and for those that they have never seen.

A row of figures goes to OUT/rows.json after each case; what is there is not run again, and the
verdicts are made from the figures anew each time.
"""
from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

import mmdavss.apis.adapt
from mmdavss.apis.adapt import Adaptation, Settings
from mmdavss.apis.inference import VideoSegmenter
from mmdavss.apis.plain_mmseg import read_method_config
from mmdavss.engine import read_weights
from mmdavss.fileio import replace_file

ROOT = Path(__file__).parents[1]
#: Config of a network, and the runs of benchmarks/small_results.py that trained it.
NETS = {
    'accel': ('source_only/accel-r18_miniviper2minicity.py', 'minidrive'),
    'deeplab': ('source_only/deeplabv2-r18_miniviper2minivps.py', 'minivps'),
}
DRIVES = 6  # that a model is adapted to ...
PAIRS = 12  # ... with so many pairs of frames of each
ADABN_ITERS = 16
BATCH_SIZE = 2
CHECKED = 24  # pairs for the figures without labels
#: Cases of these seeds of the source model chose the thresholds, the others score them.
CHOSEN_ON = (0, )
BATCH_NORM, CLASSES_LOST, CLASSES_SWAPPED = 'batch-norm', 'lost', 'swapped'


@dataclass(frozen=True)
class Case:
    """One adaptation.

    Attributes:
        name: What is done.
        look: Of the drives, and of those that it is scored on: ``camera``, ``night`` or ``haze``.
        video: ``drives``; ``still``: one picture again and again; ``rendered``: drives of the look
            that the model was trained with.
        method: As of :class:`Settings`; None: nothing is adapted.
        iters: Iterations of it.
        lr: Its learning rate.
        before: Damage of the model that is adapted.
        after: Damage of the adapted model.
    """
    name: str
    look: str = 'camera'
    video: str = 'drives'
    method: str | None = 'stpl'
    iters: int = 12
    lr: float = 3e-4
    before: str | None = None
    after: str | None = None


#: For each network and seed of its source training.
CASES = {
    ('deeplab', 0): (
        Case('stpl'),
        Case('self-training', method='self-training'),
        Case('adabn-haze', method='adabn', look='haze'),
        Case('still', video='still', method='adabn'),
        Case('stpl-lr300', lr=0.1),
        Case('self-training-lr1000', method='self-training', lr=0.3),
        Case('damaged-before', method='adabn', before=BATCH_NORM),
        Case('damaged-after', method=None, after=BATCH_NORM),
        Case('classes-swapped', method='adabn', after=CLASSES_SWAPPED),
    ),
    ('accel', 0): (
        Case('self-training-night', method='self-training', look='night'),
        Case('adabn', method='adabn'),
        Case('stpl-lr100', lr=3e-2),
        Case('rendered', video='rendered', method='adabn'),
        Case('classes-lost', method='adabn', after=CLASSES_LOST),
    ),
    ('deeplab', 1): (
        Case('adabn', method='adabn'),
        Case('stpl-night', look='night'),
        Case('stpl-lr100', lr=3e-2),
        Case('stpl-lr1000', lr=0.3),
        Case('self-training-long', method='self-training', lr=3., iters=60),
        Case('rendered', video='rendered', method='self-training'),
        Case('damaged-after', method=None, after=BATCH_NORM),
        Case('classes-lost', method='adabn', after=CLASSES_LOST),
    ),
    ('accel', 1): (
        Case('stpl'),
        Case('adabn-night', look='night', method='adabn'),
        Case('self-training-haze', look='haze', method='self-training'),
        Case('self-training-lr30000', method='self-training', lr=10.),
        Case('still', video='still', method='self-training'),
        Case('classes-swapped', method='adabn', after=CLASSES_SWAPPED),
    ),
    ('deeplab', 2): (
        Case('stpl'),
        Case('adabn-haze', method='adabn', look='haze'),
        Case('self-training-night', method='self-training', look='night'),
        Case('self-training-lr30000', method='self-training', lr=10.),
        Case('stpl-lr100', lr=3e-2, iters=24),
        Case('damaged-before', method='adabn', before=BATCH_NORM),
        Case('still', video='still', method='adabn'),
        Case('nothing', method=None),
    ),
}


# ----------------------------------------------------------------------------------------- videos


def seen(image: np.ndarray, look: str) -> np.ndarray:
    """The frame (H, W, 3), uint8, as it would be at night or in haze; the labels stay."""
    if look == 'camera':
        return image
    # The same noise for the same frame, whoever asks.
    rng = np.random.default_rng(int(image[::16, ::16].sum()))
    light = (image / 255.)**2.2
    if look == 'night':
        light = light * (0.16, 0.10, 0.08)
        light = light + rng.normal(0, 1, image.shape) * np.sqrt(light * 2e-3 + 2e-5)
    else:
        light = 0.4 * cv2.GaussianBlur(light, (0, 0), 1.2) + 0.6 * 0.65
        light = light + rng.normal(0, 4e-3, image.shape)
    return (255 * np.clip(light, 0, 1)**(1 / 2.2)).round().astype(np.uint8)


def videos(case: Case, data: Path, out: Path) -> list[Path]:
    """Folders of frames of the case's look."""
    if case.video == 'rendered':
        return sorted((data / 'viper/train/img').iterdir())[:DRIVES * 3]
    folder = out / 'videos' / f'{case.video}-{case.look}'
    if not folder.is_dir():
        written = folder.with_name(f'{folder.name}-unfinished')
        shutil.rmtree(written, ignore_errors=True)
        clips: dict[str, list[Path]] = {}
        for path in sorted((data / 'cityscapes_vps/train/img_all').glob('*.png')):
            clips.setdefault(path.name.split('_')[1], []).append(path)
        for name in list(clips)[:DRIVES if case.video == 'drives' else 1]:
            files = clips[name] if case.video == 'drives' else clips[name][:1] * 12
            (written / name).mkdir(parents=True)
            for number, path in enumerate(files):
                cv2.imwrite(str(written / name / f'{number:06d}.png'),
                            seen(cv2.imread(str(path)), case.look))
        written.rename(folder)
    return sorted(folder.iterdir())


def labelled(data: Path, look: str) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """Two successive frames of drives that no model was adapted to, and the labels of the later."""
    frames = DATASETS.build(dict(
        type='CityscapesVPSDataset', data_root=str(data / 'cityscapes_vps'), split='val',
        clip_length=2, pipeline=[dict(type='LoadClip'), dict(type='LoadClipAnnotations')]))
    for item in frames:
        yield [seen(image, look) for image in item['imgs']], item['gt_seg_map']


def score(segment: VideoSegmenter, data: Path, look: str) -> float:
    """The mIoU in percent."""
    number = len(segment.classes)
    confusion = np.zeros((number, number), np.int64)
    for images, truth in labelled(data, look):
        *_, predicted = segment(images[-segment.clip_length:])
        known = truth < number
        confusion += np.bincount(
            number * truth[known].astype(int) + predicted[known],
            minlength=number**2).reshape(number, number)
    common, union = np.diag(confusion), confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    return float(100 * (common / np.maximum(union, 1))[confusion.sum(1) > 0].mean())


# ----------------------------------------------------------------------------------------- models


def damaged(checkpoint: Path, damage: str, path: Path) -> Path:
    """A copy of a checkpoint with some of its weights spoilt."""
    state = read_weights(str(checkpoint), f'{checkpoint} does not exist')
    rng = torch.Generator().manual_seed(0)
    # Accel's last layer is the one that joins its two branches.
    last = 'fusion.weight' if 'student.fusion.weight' in state else 'decode_head.conv_seg'
    for name, value in state.items():
        if damage == BATCH_NORM and name.endswith('running_mean'):
            deviation = state[name.replace('running_mean', 'running_var')].sqrt()
            value += 0.5 * deviation * torch.randn(value.shape, generator=rng)
        elif damage == CLASSES_LOST and name.endswith('decode_head.conv_seg.branches.0.bias'):
            value[[0, 2]] -= 20  # road and building
        elif damage == CLASSES_SWAPPED and last in name:
            value[[2, 6]] = value[[6, 2]]  # building and vegetation
    torch.save(dict(state_dict=state), path)
    return path


def prepare(net: str, seed: int, case: Case, data: Path, out: Path) -> Adaptation:
    """Adapts as the case says, unless that is done.

    Args:
        net: One of :data:`NETS`.
        seed: Of the training of the model that is adapted, and of the adaptation.
        case: How.
        data: MiniDrive.
        out: Folder of all cases.
    """
    config, trained = NETS[net]
    checkpoint = ROOT / 'work_dirs/small_results' / trained / f'source-only/seed{seed}/iter_800.pth'
    folder = out / f'{net}-{seed}-{case.name}'
    if case.before:
        path = out / f'{folder.name}-before.pth'
        checkpoint = path if path.is_file() else damaged(checkpoint, case.before, path)
    cfg = read_method_config(ROOT / 'configs' / config, checkpoint)
    work = Adaptation(cfg, checkpoint, videos(case, data, out), folder, Settings(
        method=case.method or 'adabn', iters=case.iters, lr=case.lr, batch_size=BATCH_SIZE,
        pairs=PAIRS, checked=CHECKED, workers=0, seed=seed))
    work.extract()
    adapted = folder / 'adapted.pth'
    if case.method is None and not adapted.is_file():
        shutil.copyfile(checkpoint, adapted)
    work.adapt()
    if case.after and not (folder / 'damaged').is_file():
        spoilt = damaged(adapted, case.after, out / f'{folder.name}-after.pth')
        replace_file(adapted, spoilt.read_bytes())
        (folder / 'damaged').touch()
    return work


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [f'{net}-{seed}' for net, seed in CASES]
    parser.add_argument('--cases', nargs='+', choices=names, default=names, metavar='NET-SEED',
                        help=f'of {", ".join(names)} (default: all)')
    parser.add_argument('--data', type=Path, default=ROOT / 'data/minidrive')
    parser.add_argument('--out', type=Path, default=ROOT / 'work_dirs/verdict')
    args = parser.parse_args()
    init_default_scope('mmseg')
    mmdavss.apis.adapt.ADABN_ITERS = ADABN_ITERS
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / 'rows.json'
    rows: dict[str, dict] = json.loads(path.read_text()) if path.is_file() else {}
    for (net, seed), cases in CASES.items():
        for case in cases if f'{net}-{seed}' in args.cases else ():
            name = f'{net}-{seed}-{case.name}'
            row = rows.setdefault(name, {})
            if 'mIoU' in row:
                continue
            began = time.time()
            work = prepare(net, seed, case, args.data, args.out)
            models = dict(before=(work.cfg, work.checkpoint),
                          after=(Config.fromfile(work.out / 'adapted.py'),
                                 work.out / 'adapted.pth'))  # yapf: disable
            row['mIoU'] = {}
            for key, model in models.items():
                start = f'{net}-{seed}-{case.look}-{case.before}'
                known = rows.setdefault('starts', {})
                if key == 'before' and start in known:
                    row['mIoU'][key] = known[start]
                    continue
                row['mIoU'][key] = score(VideoSegmenter(*model), args.data, case.look)
                if key == 'before':
                    known[start] = row['mIoU'][key]
            row['seconds'] = round(time.time() - began)
            replace_file(path, (json.dumps(rows, indent=1) + '\n').encode())
            print(name, row, flush=True)


if __name__ == '__main__':
    main()
