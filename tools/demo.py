"""Runs all steps on MiniDrive, in minutes and without a download: ``make demo``.

Generates the data, trains on the labelled source, adapts to the unlabelled target without the
source (AdaBN, then STPL), evaluates, and leaves in work_dirs/demo a report, a video and a picture.
Each step is a command that can be typed by hand. Finished steps are skipped, an interrupted one
continues where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import mmcv
import mmengine
import mmseg
import numpy as np
import torch
from mmengine.config import Config

from mmdavss import __version__
from mmdavss.analysis.results import read_validations
from mmdavss.cli.exits import exit_status
from mmdavss.cli.key_values import KeyValues
from mmdavss.datasets.label_maps import CITYSCAPES_15
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.launch.config_file import final_checkpoint, load_config
from mmdavss.minidrive.generate import MARKER, ROOTS
from mmdavss.minidrive.labels import CITYSCAPES_IDS
from mmdavss.minidrive.layouts import OLD_TOWN
from mmdavss.minidrive.looks import camera_look
from mmdavss.minidrive.world import World
from mmdavss.utils.errors import InputError, UserError
from mmdavss.utils.inputs import read_json
from mmdavss.utils.journal import as_json, differences, file_digest, write_json
from mmdavss.utils.work_dir_lock import WorkDirLock
from mmdavss.visualization import VideoWriter, draw_grid, overlay, with_legend

ROOT = Path(__file__).resolve().parents[1]
DATA = Path('data/minidrive')  # as in the configs
CONFIG = 'accel-r18_miniviper2minicity.py'
STEPS = 6
LEGEND = CITYSCAPES_15.classes, CITYSCAPES_15.palette
PANEL = (384, 192)  # width and height of the frames of the video
RATE = 17.0  # frames per second that the camera takes, as in the target data
FPS = 10.0  # and of the video: slowed down a little
#: Data sets split their drives into 0 (train) and 1 (val): this one is in neither.
DRIVE_SEED = (0, ROOTS.index('cityscapes'), 2, 0)


class DemoError(UserError):
    """A step failed or cannot be run; the message needs no traceback."""


@dataclass(frozen=True)
class Training:
    """A step that trains.

    Args:
        name: Name of its folder, and of the folder of its config.
        title: Name in the table.
        text: What it does.
        start: Name of the step whose model it starts from.
    """

    name: str
    title: str
    text: str
    start: str | None = None


TRAININGS = (
    Training('source_only', 'source-only', 'train on the labelled source video'),
    Training(
        'adabn',
        'AdaBN',
        're-estimate the batch-norm statistics on the unlabelled target video',
        'source_only',
    ),
    Training(
        'stpl',
        'STPL',
        'adapt to the unlabelled target video with STPL, without source data',
        'adabn',
    ),
)


# ------------------------------------------------------------------------------------- commands


def run(command: list[str], log: Path, show: Callable[[str], str | None]) -> None:
    """Runs a command; all output goes to a file, and important lines to the screen.

    Args:
        command: Program and arguments.
        log: File that the whole output is added to.
        show: Maps a line of the output to the text to show, or None.

    Raises:
        DemoError: If the command fails; with the end of its output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    tail: deque[str] = deque(maxlen=25)
    with (
        log.open('a', encoding='utf-8') as file,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding='utf-8',
            errors='replace',
            env={**os.environ, 'PYTHONUNBUFFERED': '1'},
        ) as process,
    ):
        try:
            for line in process.stdout:
                file.write(line)
                file.flush()
                tail.append(line)
                text = show(line.rstrip())
                if text is not None:
                    say(f'      {text}')
        except BaseException:
            # A terminal signals the step too, but not every way to end this process does.
            process.terminate()
            raise
    if process.returncode:
        raise DemoError(
            f'this step failed (exit status {process.returncode}). The end of its '
            f'output:\n\n{"".join(tail)}\nThe whole output: {log}'
        )


def say(text: str) -> None:
    """Prints without buffering, also into a pipe."""
    print(text, flush=True)


def announce(number: int, text: str, command: list[str] | None = None) -> None:
    """Prints the next step and its command."""
    say(f'[{number}/{STEPS}] {text}')
    if command is not None:
        say(f'      $ {typed(command)}')


def typed(command: list[str]) -> str:
    """A command as one would type it."""
    return shlex.join(['python', *command[1:]])


def short(path: Path) -> str:
    """A path relative to the current directory if it is below that."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


_TRAIN = re.compile(r'Iter\(train\) \[ *(\d+)/(\d+)\]')
_VALUE = r'(-?[\d.]+(?:e[+-]?\d+)?|nan|-?inf)'


def training_line(line: str) -> str | None:
    """The part of a line of mmengine's log to show, or None."""
    if train := _TRAIN.search(line):
        left = re.search(r'\beta: (.+?)  ', line)
        loss = re.search(rf'\bloss: {_VALUE}', line)
        return (
            f'iteration {train[1]}/{train[2]}'
            + (f', {left[1]} left' if left else '')
            + (f', loss {loss[1]}' if loss else '')
        )
    if 'Iter(val)' in line and (score := re.search(rf'\bmIoU: {_VALUE}', line)):
        return f'validation: mIoU {score[1]}'
    return None


# ---------------------------------------------------------------------------------------- steps


class Records:
    """A file with settings, command, seconds and scores of each finished step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        remedy = f'Delete {path.parent} and start again.'
        steps = read_json(path, 'records of the demo', remedy) if path.is_file() else {}
        if not isinstance(steps, dict) or not all(isinstance(s, dict) for s in steps.values()):
            raise InputError(f'{path} holds no records of the demo. {remedy}')
        self.steps: dict[str, dict] = steps
        self.changed = False

    def set(self, name: str, record: dict) -> None:
        """Notes a step on disk."""
        self.steps[name] = record
        self.changed = True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, self.steps)


def generate_data(records: Records, log: Path, options: list[str]) -> None:
    """Step 1: MiniDrive; the tool itself knows whether it is there."""
    command = [sys.executable, short(ROOT / 'tools/make_minidrive.py'), str(DATA), *options]
    announce(1, 'data: generate MiniDrive', command)
    lines: list[str] = []

    def show(line: str) -> str | None:
        lines.append(line)
        return line if line.startswith(('MiniDrive:', 'wrote', str(DATA))) else None

    began = time.monotonic()
    run(command, log, show)
    if not any('nothing to do' in line for line in lines):
        seconds = time.monotonic() - began
        records.set('data', dict(command=typed(command), seconds=seconds))
    elif 'data' not in records.steps:
        records.set('data', dict(command=typed(command), seconds=None))


def configure(
    step: Training, root: Path, records: Records, given: list[str]
) -> tuple[str, list[str], Config]:
    """Config file of a training step, its ``--cfg-options``, and the resulting config."""
    config = short(ROOT / 'configs' / step.name / CONFIG)
    folder = str(root / step.name)
    interval = load_config(config, parse_options(given), folder).train_cfg.val_interval
    # Checkpoints on the way, for --resume, and the score of each class.
    options = [f'default_hooks.checkpoint.interval={interval}', 'val_evaluator.per_class=True']
    if step.start is not None:
        options.append(f'model.source_checkpoint={records.steps[step.start]["checkpoint"]}')
    options += given
    return config, options, load_config(config, parse_options(options), folder)


def parse_options(options: list[str]) -> dict[str, Any]:
    """KEY=VALUE texts, read as tools/train.py reads them."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='*', action=KeyValues)
    return parser.parse_args(['--cfg-options', *options]).cfg_options


def train(number: int, step: Training, root: Path, records: Records, given: list[str]) -> None:
    """Steps 2 to 4: trains and validates, unless that is done already.

    Raises:
        DemoError: If it was done with other settings, or fails.
    """
    folder = root / step.name
    config, options, cfg = configure(step, root, records, given)
    last = cfg.train_cfg.max_iters
    checkpoint = final_checkpoint(cfg, folder)
    settings = settings_of(cfg, step, records)
    command = [
        sys.executable,
        short(ROOT / 'tools/train.py'),
        config,
        '--work-dir',
        str(folder),
        '--cfg-options',
        *options,
    ]
    record = dict(
        settings=settings,
        command=typed(command),
        checkpoint=str(checkpoint),
        seconds=0.0,
        scores=None,
    )
    done = records.steps.get(step.name)
    mode = []
    if done is not None:
        changed = differences(done['settings'], settings)
        if changed:
            raise DemoError(
                f'{folder} was made with other settings ({"; ".join(changed[:3])}'
                f'{" ..." if len(changed) > 3 else ""}): start again with make demo '
                'ARGS=--overwrite, or write elsewhere with ARGS="--work-dir FOLDER"'
            )
        if done['scores'] and checkpoint.is_file():
            announce(number, f'{step.title}: done before, mIoU {done["scores"]["mIoU"]:.1f}')
            return
        # A last checkpoint without scores was cut off in its validation, which a resumed run
        # would not do again.
        mode = ['--overwrite' if done['scores'] or checkpoint.is_file() else '--resume']
    if mode == ['--resume']:
        record['seconds'] = done['seconds']
    command[3:3] = mode
    announce(number, f'{step.title}: {step.text}', command)
    log = folder / 'output.log'
    say(f'      the whole log: {log}')
    records.set(step.name, record)
    began = time.monotonic()
    try:
        run(command, log, training_line)
        record['scores'] = read_scores(folder, last)
    finally:
        record['seconds'] += time.monotonic() - began
        records.set(step.name, record)
    say(f'      done in {clock(record["seconds"])}, mIoU {record["scores"]["mIoU"]:.1f}')


def settings_of(cfg: Config, step: Training, records: Records) -> dict:
    """The settings that the result of a training step depends on, as json values."""
    start = None if step.start is None else digest(records.steps[step.start]['checkpoint'])
    config = cfg.to_dict()
    del config['work_dir']
    settings = dict(
        config=config,
        data=read_json(DATA / MARKER, 'description of MiniDrive', f'Delete {DATA}.'),
        start=start,
    )
    return as_json(settings)


def digest(path: str) -> str:
    """Shortened SHA-256 of a file."""
    return file_digest(path)[:16]


def read_scores(folder: Path, iteration: int) -> dict[str, float]:
    """mIoU, mAcc, aAcc and IoU.CLASS of the last validation, in percent.

    Raises:
        DemoError: If there was none at that iteration.
    """
    try:
        row = read_validations(folder).get(iteration)
    except (FileNotFoundError, ValueError):
        row = None
    if row is None:
        raise DemoError(
            f'{folder} has no validation at iteration {iteration} in its '
            'TIMESTAMP/vis_data/scalars.json'
        )
    return {
        name: value
        for name, value in row.items()
        if name in ('mIoU', 'mAcc', 'aAcc') or name.startswith('IoU.')
    }


# --------------------------------------------------------------------------------------- pictures


def draw(root: Path, records: Records, count: int, given: list[str]) -> None:
    """Step 5: draws the models' predictions on an unseen drive; video and picture."""
    video, picture = root / 'video.mp4', root / 'picture.png'
    shown = {step.title: step for step in (TRAININGS[0], TRAININGS[-1])}
    settings = dict(
        frames=count,
        models={
            title: digest(records.steps[step.name]['checkpoint']) for title, step in shown.items()
        },
    )
    done = records.steps.get('video')
    if done and done['settings'] == settings and video.is_file() and picture.is_file():
        announce(5, 'video and picture: done before')
        return
    announce(5, f'video and picture: {count} frames of a drive that is in neither train nor val')
    began = time.monotonic()
    world = World.create(DRIVE_SEED, OLD_TOWN, camera_look, count, True, rate=RATE)
    scenes, truths = [], []
    for number in range(count):
        frame = world.render(number, PANEL)
        scenes.append(frame.rgb)
        truths.append(CITYSCAPES_15.to_train_ids(CITYSCAPES_IDS[frame.labels], 'MiniDrive'))
        if (number + 1) % 20 == 0 or number + 1 == count:
            say(f'      rendered {number + 1}/{count}')
    predictions = [predict(step, root, records, given, scenes) for step in shown.values()]
    palette = CITYSCAPES_15.palette
    titles = ['input', *shown, 'truth']
    kept = {(2 * k + 1) * count // 6 for k in range(3)}
    rows: list[np.ndarray] = []
    with VideoWriter(video, FPS) as writer:
        for number, (rgb, truth, *maps) in enumerate(
            zip(scenes, truths, *predictions, strict=True)
        ):
            panels = [rgb, *(overlay(rgb, labels, palette, 0.75) for labels in (*maps, truth))]
            writer.write(with_legend(draw_grid(panels, titles, 2, PANEL), *LEGEND, 15))
            if number in kept:
                rows += panels
            if (number + 1) % 20 == 0 or number + 1 == count:
                say(f'      segmented {number + 1}/{count}')
    image = with_legend(draw_grid(rows, titles, 4, PANEL), *LEGEND, 20)
    coded = cv2.imencode('.png', image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    picture.write_bytes(coded.tobytes())
    records.set('video', dict(settings=settings, seconds=time.monotonic() - began))


def predict(
    step: Training, root: Path, records: Records, given: list[str], scenes: list[np.ndarray]
) -> Iterator[np.ndarray]:
    """Label maps of RGB frames, by the model of a step."""
    _, _, cfg = configure(step, root, records, given)
    with contextlib.redirect_stdout(io.StringIO()):  # mmengine prints what it loads
        segment = VideoSegmenter(cfg, records.steps[step.name]['checkpoint'])
    return segment(np.ascontiguousarray(rgb[..., ::-1]) for rgb in scenes)


# ----------------------------------------------------------------------------------------- report


def clock(seconds: float | None) -> str:
    """Minutes and seconds."""
    return '–' if seconds is None else f'{int(seconds // 60)}:{int(seconds % 60):02d}'


def percent(value: float, sign: str = '') -> str:
    """One decimal; a dash for a class that does not occur."""
    return '–' if math.isnan(value) else f'{value:{sign}.1f}'


def table(scores: Mapping[str, Mapping[str, float]]) -> str:
    """IoU of each class and their mean, as markdown; the last column is last minus first."""
    titles = list(scores)
    lines = [
        '| class | ' + ' | '.join(titles) + f' | {titles[-1]} − {titles[0]} |',
        '|---|' + '---:|' * (len(titles) + 1),
    ]
    names = [name for name in scores[titles[0]] if name.startswith('IoU.')]
    for name in [*names, 'mIoU']:
        values = [scores[title][name] for title in titles]
        cells = [percent(value) for value in values] + [percent(values[-1] - values[0], '+')]
        title = '**mean (mIoU)**' if name == 'mIoU' else name.removeprefix('IoU.')
        if name == 'mIoU':
            cells = [f'**{cell}**' for cell in cells]
        lines.append(f'| {title} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def report(path: Path, records: Records, seed: int) -> None:
    """Step 6: writes the steps and results as markdown."""
    steps = records.steps
    scores = {step.title: steps[step.name]['scores'] for step in TRAININGS}
    source, adabn, stpl = (scores[step.title]['mIoU'] for step in TRAININGS)
    times = [
        ('data', steps['data']['seconds']),
        *((step.title, steps[step.name]['seconds']) for step in TRAININGS),
        ('video and picture', steps['video']['seconds']),
    ]
    total = sum(seconds or 0.0 for _, seconds in times)
    commands = [steps['data']['command'], *(steps[step.name]['command'] for step in TRAININGS)]
    versions = dict(
        mmdavss=__version__,
        Python=platform.python_version(),
        PyTorch=torch.__version__,
        mmengine=mmengine.__version__,
        mmcv=mmcv.__version__,
        mmseg=mmseg.__version__,
        OpenCV=cv2.__version__,
        NumPy=np.__version__,
    )
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'
    path.write_text(
        f"""# From rendered to camera video: the demo on MiniDrive

MiniDrive is a small street world in two looks. The *source* is its rendered look, in place of
VIPER, with labels. The *target* is its camera look, in place of Cityscapes-Seq: other streets,
other colours, dusk, haze, noise, motion blur. The network, an Accel with a small ResNet-18, starts
from random weights.

1. **source-only** learns from the labelled source video.
2. **AdaBN** re-estimates that model's batch-norm statistics on the unlabelled target video and
   changes nothing else.
3. **STPL** adapts the model of step 2 to the unlabelled target video, without the
   source data.

No target label was used in training, nor to choose a checkpoint: each model is the one after its
last iteration, scored on the labelled frames of the target's validation drives.

![input, source-only, STPL and truth on an unseen drive](picture.png)

The same drive as a video: [video.mp4](video.mp4). It is in neither the training nor the validation
data. Black pixels belong to none of the {len(CITYSCAPES_15.classes)} classes.

## Scores

IoU in percent on the target's validation drives:

{table(scores)}

| | mIoU | to source-only |
|---|---:|---:|
| source-only | {source:.1f} | |
| AdaBN | {adabn:.1f} | {adabn - source:+.1f} |
| STPL | {stpl:.1f} | {stpl - source:+.1f} |

STPL is {abs(stpl - adabn):.1f} points {'above' if stpl >= adabn else 'below'} AdaBN, the floor of
source-free adaptation. docs/results.md has the oracle, which is trained with target labels, and
several seeds.

## Commands

```shell
{chr(10).join(commands)}
```

The video and the picture are drawn by `tools/demo.py` itself.

## Time

| step | min:s |
|---|---:|
{chr(10).join(f'| {name} | {clock(seconds)} |' for name, seconds in times)}
| together | {clock(total)} |

{device}, {os.cpu_count()} processor cores. Training times include start and evaluation; a dash
stands for data that were there already.

## Versions

{', '.join(f'{name} {version}' for name, version in versions.items())}; seed {seed}.
""",
        encoding='utf-8',
    )


# ------------------------------------------------------------------------------------------- main


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/demo'),
        help='folder for everything but the data (default: work_dirs/demo)',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='start again: delete what an earlier demo left in that folder',
    )
    parser.add_argument('--frames', type=int, default=60, metavar='N', help='length of the video')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='replace values of all three configs, for example randomness.seed=1',
    )
    parser.add_argument(
        '--data-options',
        default='',
        metavar='TEXT',
        help='options of tools/make_minidrive.py, for example "--size 512x256"',
    )
    args = parser.parse_args(argv)
    if args.frames < 3:
        parser.error(f'--frames: {args.frames} is less than 3')
    return args


def clean(root: Path, records: Records) -> None:
    """Deletes what the records name, and nothing else."""
    for step in TRAININGS:
        if step.name in records.steps:
            shutil.rmtree(root / step.name, ignore_errors=True)
    for name in ('video.mp4', 'picture.png', 'report.md', 'data.log', records.path.name):
        (root / name).unlink(missing_ok=True)
    records.steps = {name: record for name, record in records.steps.items() if name == 'data'}


def demo(args: argparse.Namespace) -> None:
    """All steps."""
    with WorkDirLock(args.work_dir):
        steps(args.work_dir, args)


def steps(root: Path, args: argparse.Namespace) -> None:
    """All steps, in a folder that no other demo writes into."""
    records = Records(root / 'demo.json')
    if args.overwrite:
        clean(root, records)
    generate_data(records, root / 'data.log', shlex.split(args.data_options))
    for number, step in enumerate(TRAININGS, start=2):
        train(number, step, root, records, args.cfg_options)
    draw(root, records, args.frames, args.cfg_options)
    path = root / 'report.md'
    if records.changed or not path.is_file():
        announce(6, f'report: {path}')
        settings = records.steps[TRAININGS[-1].name]['settings']
        report(path, records, settings['config']['randomness']['seed'])
    else:
        announce(6, 'report: done before')
    say('\nmIoU on the target:')
    for step in TRAININGS:
        say(f'  {step.title:12}{records.steps[step.name]["scores"]["mIoU"]:5.1f}')
    say(f'Look at {path}, {root / "video.mp4"} and {root / "picture.png"}.')


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: demo(args), 'interrupted: the same command continues from here')


if __name__ == '__main__':
    sys.exit(main())
