"""Scores the verdict of tools/adapt_video.py on MiniDrive, where the truth is known.

    python tools/make_minidrive.py data/minidrive
    python benchmarks/small_results.py --benchmarks mini --methods source-only --rows main
    python benchmarks/verdict.py [--seeds 0 1 2] [--out work_dirs/verdict]

Adapts trained models to unlabelled drives, well and badly: with all defaults, much too high
learning rates, a single picture, drives of another look, models that were damaged before or after.
Each result is judged without labels, as in the tool, and scored with the labels of other drives of
the same look: it is better or worse if the mIoU differs from that of the model before by more than
a margin. Prints verdicts against the truth. The thresholds of the verdict were chosen on nine
adaptations of another network, which was trained from scratch; none of these took part.

A row of figures goes to OUT/rows.json after each case; existing rows are not run again, and the
verdicts are recomputed from the figures each time. A case whose training diverges is left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

import mmdavss  # noqa: F401
from mmdavss.adaptation import Adaptation, Settings
from mmdavss.adaptation.measuring import measure
from mmdavss.convert.plain_mmseg import read_method_config
from mmdavss.evaluation.health import HealthFigures
from mmdavss.evaluation.verdict import DOUBTFUL, KEEP, REJECT, Verdict, judge
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.utils.checkpoints import read_weights
from mmdavss.utils.errors import NotFiniteError
from mmdavss.utils.files import replace_file

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'configs/source_only/effnet-lite0_mini.py'
#: Weights that it was trained to, by seed.
TRAINED = 'work_dirs/small_results/mini/source-only/seed{}/iter_600.pth'
DRIVES = 6  # that a model is adapted to
MARGIN = 1.0  # points of mIoU by which a model is better or worse
BATCH_NORM, CLASSES_LOST, CLASSES_SWAPPED = 'batch-norm', 'lost', 'swapped'


@dataclass(frozen=True)
class Case:
    """One adaptation.

    Attributes:
        name: Name of the case.
        look: Look of the drives, and of those that it is scored on: ``camera``, ``night`` or
            ``haze``.
        video: ``drives``; ``still``: one picture again and again; ``rendered``: drives of the look
            that the model was trained with.
        method: Same as in :class:`Settings`, or None for no adaptation.
        lr: Its learning rate.
        before: Damage of the model that is adapted.
        after: Damage of the adapted model.
    """

    name: str
    look: str = 'camera'
    video: str = 'drives'
    method: str | None = 'stpl'
    lr: float = Settings.lr
    before: str | None = None
    after: str | None = None


#: Cases of each source-only model, by its seed.
CASES = {
    0: (
        Case('stpl'),
        Case('self-training', method='self-training'),
        Case('adabn-haze', method='adabn', look='haze'),
        Case('stpl-night', look='night'),
        Case('still', video='still', method='adabn'),
        Case('stpl-lr100', lr=1e-3),
        Case('self-training-lr1000', method='self-training', lr=1e-2),
        Case('damaged-before', method='adabn', before=BATCH_NORM),
        Case('classes-swapped', method='adabn', after=CLASSES_SWAPPED),
    ),
    1: (
        Case('stpl'),
        Case('adabn-night', method='adabn', look='night'),
        Case('self-training-haze', method='self-training', look='haze'),
        Case('stpl-lr10', lr=1e-4),
        Case('self-training-lr100', method='self-training', lr=1e-3),
        Case('still', video='still', lr=1e-3),
        Case('rendered', video='rendered', method='adabn'),
        Case('damaged-after', method=None, after=BATCH_NORM),
        Case('classes-lost', method='adabn', after=CLASSES_LOST),
    ),
    2: (
        Case('stpl'),
        Case('adabn', method='adabn'),
        Case('stpl-haze', look='haze'),
        Case('self-training-night', method='self-training', look='night'),
        Case('stpl-lr1000', lr=1e-2),
        Case('self-training-lr10', method='self-training', lr=1e-4),
        Case('rendered', video='rendered'),
        Case('damaged-before', before=BATCH_NORM),
        Case('nothing', method=None),
    ),
}


# ----------------------------------------------------------------------------------------- videos


def seen(image: np.ndarray, look: str) -> np.ndarray:
    """Turns a frame (H, W, 3), uint8, into one at night or in haze; the labels stay."""
    if look == 'camera':
        return image
    # The same noise for the same frame in every call.
    rng = np.random.default_rng(int(image[::16, ::16].sum()))
    light = (image / 255.0) ** 2.2
    if look == 'night':
        light = light * (0.16, 0.10, 0.08)
        light = light + rng.normal(0, 1, image.shape) * np.sqrt(light * 2e-3 + 2e-5)
    else:
        light = 0.4 * cv2.GaussianBlur(light, (0, 0), 1.2) + 0.6 * 0.65
        light = light + rng.normal(0, 4e-3, image.shape)
    return (255 * np.clip(light, 0, 1) ** (1 / 2.2)).round().astype(np.uint8)


def videos(case: Case, data: Path, out: Path) -> list[Path]:
    """Folders of frames of the case's look."""
    if case.video == 'rendered':
        return sorted((data / 'viper/train/img').iterdir())[: DRIVES * 3]
    folder = out / 'videos' / f'{case.video}-{case.look}'
    if not folder.is_dir():
        written = folder.with_name(f'{folder.name}-unfinished')
        shutil.rmtree(written, ignore_errors=True)
        clips: dict[str, list[Path]] = {}
        for path in sorted((data / 'cityscapes_vps/train/img_all').glob('*.png')):
            clips.setdefault(path.name.split('_')[1], []).append(path)
        for name in list(clips)[: DRIVES if case.video == 'drives' else 1]:
            files = clips[name] if case.video == 'drives' else clips[name][:1] * 12
            (written / name).mkdir(parents=True)
            for number, path in enumerate(files):
                cv2.imwrite(
                    str(written / name / f'{number:06d}.png'),
                    seen(cv2.imread(str(path)), case.look),
                )
        written.rename(folder)
    return sorted(folder.iterdir())


def labelled(data: Path, look: str) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """Two successive frames of drives that no model was adapted to, and the labels of the later."""
    frames = DATASETS.build(
        dict(
            type='CityscapesVPSDataset',
            data_root=str(data / 'cityscapes_vps'),
            split='val',
            clip_length=2,
            pipeline=[dict(type='LoadClip'), dict(type='LoadClipAnnotations')],
        )
    )
    for item in frames:
        yield [seen(image, look) for image in item['imgs']], item['gt_seg_map']


def score(segment: VideoSegmenter, data: Path, look: str) -> float:
    """The mIoU in percent."""
    number = len(segment.classes)
    confusion = np.zeros((number, number), np.int64)
    for images, truth in labelled(data, look):
        *_, predicted = segment(images[-segment.clip_length :])
        known = truth < number
        confusion += np.bincount(
            number * truth[known].astype(int) + predicted[known], minlength=number**2
        ).reshape(number, number)
    common, union = np.diag(confusion), confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    return float(100 * (common / np.maximum(union, 1))[confusion.sum(1) > 0].mean())


# ----------------------------------------------------------------------------------------- models


def damaged(checkpoint: Path, damage: str, path: Path) -> Path:
    """A copy of a checkpoint with some damaged weights."""
    state = read_weights(str(checkpoint), f'{checkpoint} does not exist')
    rng = torch.Generator().manual_seed(0)
    for name, value in state.items():
        if damage == BATCH_NORM and name.endswith('running_mean'):
            deviation = state[name.replace('running_mean', 'running_var')].sqrt()
            value += 0.5 * deviation * torch.randn(value.shape, generator=rng)
        elif damage == CLASSES_LOST and name.endswith('decode_head.conv_seg.bias'):
            value[[0, 2]] -= 20  # road and building
        elif damage == CLASSES_SWAPPED and 'decode_head.conv_seg' in name:
            value[[2, 6]] = value[[6, 2]]  # building and vegetation
    torch.save(dict(state_dict=state), path)
    return path


def prepare(seed: int, case: Case, data: Path, out: Path) -> Adaptation:
    """Runs the adaptation of a case, unless that is done already.

    Args:
        seed: Seed of the source training and of the adaptation.
        case: The case.
        data: MiniDrive.
        out: Folder of all cases.
    """
    checkpoint = ROOT / TRAINED.format(seed)
    folder = out / f'{seed}-{case.name}'
    if case.before:
        path = out / f'{folder.name}-before.pth'
        checkpoint = path if path.is_file() else damaged(checkpoint, case.before, path)
    work = Adaptation(
        read_method_config(CONFIG, checkpoint),
        checkpoint,
        videos(case, data, out),
        folder,
        Settings(method=case.method or 'adabn', lr=case.lr, workers=0, seed=seed),
    )
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


def add_row(
    name: str,
    work: Adaptation,
    look: str,
    data: Path,
    rows: dict[str, dict],
    starts: dict[str, float],
    start: str,
) -> None:
    """Measures and scores an adaptation.

    Args:
        name: Name of the case.
        work: The adaptation.
        look: Look of its drives.
        data: MiniDrive.
        rows: Receives missing rows: the figures without labels, and the mIoU before and after.
        starts: The mIoU of the models before adaptation.
        start: Name of this case's model.
    """
    row = rows.setdefault(name, {})
    adapted = Config.fromfile(work.folder.config), work.folder.checkpoint
    if 'mIoU' not in row:
        if start not in starts:
            starts[start] = score(VideoSegmenter(work.cfg, work.checkpoint), data, look)
        after = score(VideoSegmenter(*adapted), data, look)
        row['mIoU'] = dict(before=starts[start], after=after)
    row['classes'] = work.metainfo['classes']
    # Anew: the adapted model may have been damaged since.
    figures = measure(
        [(work.sized, work.checkpoint), adapted],
        work.pairs(),
        len(row['classes']),
        work.settings.checked,
        work.device,
        work.size,
    )
    row['figures'] = {
        key: asdict(value) for key, value in zip(('before', 'after'), figures, strict=True)
    }


# ---------------------------------------------------------------------------------------- verdicts


def truth(row: dict[str, Any]) -> str:
    """``better``, ``same`` or ``worse``."""
    change = row['mIoU']['after'] - row['mIoU']['before']
    return 'better' if change > MARGIN else 'worse' if change < -MARGIN else 'same'


def said(row: dict[str, Any]) -> Verdict:
    """The verdict, from the figures alone."""
    before, after = (
        HealthFigures(**{**row['figures'][key], 'shares': tuple(row['figures'][key]['shares'])})
        for key in ('before', 'after')
    )
    return judge(before, after, row['classes'])


def right(row: dict[str, Any], keep: bool) -> bool:
    """Whether a decision to keep the model is right: worse models should not be kept."""
    return keep == (truth(row) != 'worse')


def print_cases(rows: dict[str, dict]) -> None:
    """A row for each case, as markdown."""
    print(
        '\n| case | mIoU before | after | truth | verdict | because |\n|---|---:|---:|---|---|---|'
    )
    for name, row in rows.items():
        verdict = said(row)
        reason = '' if verdict.verdict == KEEP else ' '.join(verdict.reasons)
        print(
            f'| {name} | {row["mIoU"]["before"]:.1f} | {row["mIoU"]["after"]:.1f} | {truth(row)} '
            f'| {verdict.verdict} | {reason} |'
        )


def print_summary(rows: dict[str, dict]) -> None:
    """Verdicts against the truth, and the verdicts of simpler rules."""
    print(f'\n{len(rows)} cases\n\n| verdict | better | same | worse |\n|---|---:|---:|---:|')
    for verdict in (KEEP, DOUBTFUL, REJECT):
        of_it = [row for row in rows.values() if said(row).verdict == verdict]
        counts = Counter(map(truth, of_it))
        print(f'| {verdict} | {counts["better"]} | {counts["same"]} | {counts["worse"]} |')
    rules = {
        'always keep': lambda row: True,
        'keep if it is more confident': lambda row: grown(row, 'confidence'),
        'keep if it is steadier': lambda row: grown(row, 'consistency'),
        'keep if mirrored pictures agree better': lambda row: grown(row, 'mirrored'),
    }
    clear = [row for row in rows.values() if said(row).verdict != DOUBTFUL]
    print(
        f'\nright in {sum(right(row, said(row).verdict == KEEP) for row in clear)} of '
        f'{len(clear)} that are not doubtful'
    )
    for name, rule in rules.items():
        print(
            f'{name}: right in {sum(right(row, rule(row)) for row in rows.values())} of '
            f'{len(rows)}; in {sum(right(row, rule(row)) for row in clear)} of the {len(clear)}'
        )


def grown(row: dict[str, Any], figure: str) -> bool:
    """Whether a figure is not smaller after than before."""
    return row['figures']['after'][figure] >= row['figures']['before'][figure]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seeds', nargs='+', type=int, choices=CASES, default=list(CASES))
    parser.add_argument('--data', type=Path, default=ROOT / 'data/minidrive')
    parser.add_argument('--out', type=Path, default=ROOT / 'work_dirs/verdict')
    args = parser.parse_args()
    init_default_scope('mmseg')
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / 'rows.json'
    rows: dict[str, dict] = json.loads(path.read_text()) if path.is_file() else {}
    starts = rows.setdefault('starts', {})
    cases = {f'{seed}-{case.name}': (seed, case) for seed in args.seeds for case in CASES[seed]}
    for name, (seed, case) in cases.items():
        if 'figures' in rows.get(name, {}):
            continue
        try:
            work = prepare(seed, case, args.data, args.out)
        except NotFiniteError as error:
            print(f'{name} is left out: {error}', flush=True)
            continue
        start = f'{seed}-{case.look}-{case.before}'
        add_row(name, work, case.look, args.data, rows, starts, start)
        replace_file(path, (json.dumps(rows, indent=1) + '\n').encode())
        print(name, rows[name]['mIoU'], said(rows[name]), flush=True)
    done = {name: rows[name] for name in cases if 'figures' in rows.get(name, {})}
    print_cases(done)
    print_summary(done)


if __name__ == '__main__':
    main()
