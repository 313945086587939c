"""Runs all steps on MiniDrive, in minutes and without a download: ``make demo``.

Generates the data, trains a network with ImageNet weights on the labelled source, adapts it to the
unlabelled target without the source (STPL) and with it (DACS), evaluates, and leaves in
work_dirs/demo a report, a video and a picture. With ``--camvid FOLDER`` (``make demo
CAMVID=FOLDER``) the target is real video: MiniDrive to CamVid, in work_dirs/demo_camvid.

Each step is a command that can be typed by hand; both adaptations, which start from the same
model, run at the same time. Finished steps are skipped, an interrupted one continues where it
stopped. Where the package with the ImageNet weights is missing, a smaller
network learns from random weights, and AdaBN takes the place of DACS.
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
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import mmcv
import mmengine
import mmseg
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmdavss import __version__
from mmdavss.analysis.results import read_validations
from mmdavss.cli.exits import exit_status
from mmdavss.cli.key_values import KeyValues, key_value
from mmdavss.datasets.label_maps import CAMVID_IDS, CITYSCAPES_15, LabelSet
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.launch.config_file import final_checkpoint, iterations_of, load_config
from mmdavss.minidrive.generate import ADDITIONS, ROOTS, read_marker
from mmdavss.minidrive.labels import CITYSCAPES_IDS
from mmdavss.minidrive.layouts import OLD_TOWN
from mmdavss.minidrive.looks import camera_look
from mmdavss.minidrive.world import World
from mmdavss.utils.errors import InputError, UserError
from mmdavss.utils.images import write_png
from mmdavss.utils.inputs import read_json
from mmdavss.utils.journal import as_json, differences, file_digest, write_json
from mmdavss.utils.package_files import package_file
from mmdavss.utils.processes import cores
from mmdavss.utils.work_dir_lock import WorkDirLock
from mmdavss.visualization import VideoWriter, draw_grid, draw_legend, overlay, with_legend

ROOT = Path(__file__).resolve().parents[1]
DATA = Path('data/minidrive')  # as in the configs
STEPS = 6
RATE = 17.0  # frames per second that MiniDrive's camera takes, as in the target data
#: Data sets split their drives into 0 (train) and 1 (val): this one is in neither.
DRIVE_SEED = (0, ROOTS.index('cityscapes'), 2, 0)


class DemoError(UserError):
    """A step failed or cannot be run; the message needs no traceback."""


@dataclass(frozen=True)
class Training:
    """A step that trains.

    Args:
        name: Name of its folder, and of the folder of its config.
        config: Name of its config, without the benchmark.
        title: Name in the table.
        text: What it does.
        start: Name of the step whose model it starts from.
    """

    name: str
    config: str
    title: str
    text: str
    start: str | None = None


SOURCE_ONLY = Training(
    'source_only', 'effnet-lite0', 'source-only', 'trains on the labelled source video'
)
STPL = Training(
    'stpl',
    'accel-effnet-lite0',
    'STPL',
    'adapts that model to the unlabelled target video, without the source data',
    'source_only',
)
#: A simple method that has the source data at hand: docs/results.md has some that gain more.
WITH_SOURCE = Training(
    'dacs',
    'effnet-lite0',
    'DACS',
    'adapts the source-only model to the unlabelled target video, with the source data at hand',
    'source_only',
)
FROM_SCRATCH = (
    replace(SOURCE_ONLY, config='accel-r18'),
    Training(
        'adabn',
        'accel-r18',
        'AdaBN',
        "re-estimates that model's batch-norm statistics on the unlabelled target video",
        'source_only',
    ),
    replace(STPL, config='accel-r18', start='adabn'),
)


@dataclass(frozen=True)
class Benchmark:
    """Two domains, and what is run and shown on them.

    Args:
        name: Name in the names of the configs.
        parts: Data sets of MiniDrive that it needs.
        trainings: The steps that train; the first one is source-only.
        labels: Classes and colours.
        panel: Width and height of a frame in the picture and the video.
        fps: Frames per second of the video.
        title: Heading of the report.
        domains: What source and target are, for the report.
        network: The network, for the report.
        shown: What the frames of the picture and the video are.
    """

    name: str
    parts: tuple[str, ...]
    trainings: tuple[Training, ...]
    labels: LabelSet
    panel: tuple[int, int]
    fps: float
    title: str
    domains: str
    network: str
    shown: str


MINI = Benchmark(
    name='mini',
    parts=('viper', 'cityscapes'),
    trainings=(SOURCE_ONLY, STPL, WITH_SOURCE),
    labels=CITYSCAPES_15,
    panel=(384, 192),
    fps=10.0,  # slowed down a little
    title='From rendered to camera video: the demo on MiniDrive',
    domains="""MiniDrive is a small street world in two looks. The *source* is its rendered look,
in place of VIPER, with labels. The *target* is its camera look, in place of Cityscapes-Seq: other
streets, other colours, dusk, haze, noise, motion blur.""",
    network="""EfficientNet-Lite0 with SegFormer's head, which starts from ImageNet weights; STPL
has it in Accel, which propagates the scores of the previous frame""",
    shown='a drive that is neither in the training nor in the validation data',
)
SCRATCH = replace(
    MINI,
    name='miniviper2minicity',
    trainings=FROM_SCRATCH,
    network='an Accel with a small ResNet-18, which starts from random weights',
)
CAMVID = replace(
    MINI,
    name='mini2camvid',
    parts=('camvid',),
    labels=CAMVID_IDS,
    panel=(384, 288),
    fps=2.0,  # the frames are a second apart
    title='From simulation to reality: the demo on MiniDrive and CamVid',
    domains="""The *source* is MiniDrive: rendered drives with labels, each with a street, a weather
and a camera of its own. The *target* is CamVid, real video by day: the sequences 0016E5 and 0006R0
without labels; Seq05VD is scored.""",
    shown='the beginning of Seq05VD, which is not in the training data',
)


# ------------------------------------------------------------------------------------- commands


#: Those that run now, each in a thread of its own.
PROCESSES: set[subprocess.Popen] = set()


def run(
    command: list[str],
    log: Path,
    show: Callable[[str], str | None],
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs a command; all output goes to a file, and important lines to the screen.

    Args:
        command: Program and arguments.
        log: File that the whole output is added to.
        show: Maps a line of the output to the text to show, or None.
        environment: Further environment variables.

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
            env={**os.environ, 'PYTHONUNBUFFERED': '1', **(environment or {})},
        ) as process,
    ):
        PROCESSES.add(process)
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
        finally:
            PROCESSES.discard(process)
    if process.returncode:
        raise DemoError(
            f'this step failed (exit status {process.returncode}). The end of its '
            f'output:\n\n{"".join(tail)}\nThe whole output: {log}'
        )


def say(text: str) -> None:
    """Prints without buffering, also into a pipe; whole lines, whatever other threads print."""
    sys.stdout.write(f'{text}\n')
    sys.stdout.flush()


def announce(number: int, text: str, command: str | None = None) -> None:
    """Prints the next step and its command."""
    say(f'[{number}/{STEPS}] {text}')
    if command is not None:
        say(f'      $ {command}')


def typed(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    """A command as one would type it."""
    variables = [f'{name}={value}' for name, value in (environment or {}).items()]
    return shlex.join([*variables, 'python', *command[1:]])


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
        self.lock = threading.Lock()

    def set(self, name: str, record: dict) -> None:
        """Notes a step on disk."""
        with self.lock:
            self.steps[name] = record
            self.changed = True
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, self.steps)


def generate_data(parts: tuple[str, ...], records: Records, log: Path, options: list[str]) -> None:
    """Step 1: MiniDrive; the tool itself knows whether it is there."""
    tool = short(ROOT / 'tools/make_minidrive.py')
    command = [sys.executable, tool, str(DATA), '--only', *parts, *options]
    announce(1, 'data: generate MiniDrive', typed(command))
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


@dataclass(frozen=True)
class Plan:
    """What one call of the demo does, and where.

    Args:
        benchmark: What is run.
        root: Folder for everything but the data.
        records: What has been done there.
        given: Config options of the user.
        camvid: Folder of CamVid, where it is the target.
    """

    benchmark: Benchmark
    root: Path
    records: Records
    given: list[str]
    camvid: Path | None = None

    def configure(self, step: Training) -> tuple[str, list[str], Config]:
        """Config file of a training step, its ``--cfg-options``, and the resulting config."""
        name = f'{step.config}_{self.benchmark.name}.py'
        config, folder = short(ROOT / 'configs' / step.name / name), str(self.root / step.name)
        cfg = load_config(config, parse_options(self.given), folder)
        # Checkpoints on the way, for --resume, and the score of each class.
        interval = max(1, iterations_of(cfg) // 4)
        options = [f'default_hooks.checkpoint.interval={interval}', 'val_evaluator.per_class=True']
        if self.camvid is not None:
            options += [
                key_value(f'{part}_dataloader.dataset.data_root', str(self.camvid))
                for part in ('val', 'test')
            ]
            if cfg.train_dataloader.dataset.target is not None:
                options.append(
                    key_value('train_dataloader.dataset.target.data_root', str(self.camvid))
                )
        if step.start is not None:
            checkpoint = self.record(step.start).get('checkpoint')
            options.append(key_value('model.source_checkpoint', checkpoint))
        options += self.given
        return config, options, load_config(config, parse_options(options), folder)

    def record(self, step: Training | str) -> dict:
        """What is known of a training step; nothing before it began."""
        return self.records.steps.get(step if isinstance(step, str) else step.name, {})

    def scores(self) -> dict[str, Mapping[str, float]]:
        """Title and scores of each training step."""
        return {step.title: self.record(step)['scores'] for step in self.benchmark.trainings}


def parse_options(options: list[str]) -> dict[str, Any]:
    """KEY=VALUE texts, read as tools/train.py reads them."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='*', action=KeyValues)
    return parser.parse_args(['--cfg-options', *options]).cfg_options


@dataclass(frozen=True)
class Job:
    """A training step that is not finished.

    Args:
        step: The step.
        command: Its command.
        environment: Environment variables besides those of this process.
        folder: Its work dir.
        iterations: Their number when it is finished.
        record: What is noted of it; changed when it ends.
    """

    step: Training
    command: list[str]
    environment: Mapping[str, str]
    folder: Path
    iterations: int
    record: dict[str, Any]

    @property
    def log(self) -> Path:
        """File with its whole output."""
        return self.folder / 'output.log'

    def work(self, records: Records, beside: bool) -> None:
        """Trains, validates and notes the result.

        Args:
            records: What has been done.
            beside: Whether another step runs meanwhile.

        Raises:
            DemoError: If it fails.
        """
        title = self.step.title
        name = f'{title}: ' if beside else ''

        def show(line: str) -> str | None:
            text = training_line(line)
            return text and name + text

        record, began = self.record, time.monotonic()
        record['beside'] = beside
        try:
            run(self.command, self.log, show, self.environment)
            record['scores'] = read_scores(self.folder, self.iterations)
        except DemoError as error:
            say(f'      {title}: failed')
            raise DemoError(f'{title}: {error}') from error
        finally:
            record['seconds'] += time.monotonic() - began
            records.set(self.step.name, record)
        say(f'      {name}done in {clock(record["seconds"])}, {summary(record["scores"])}')


def prepare(number: int, step: Training, plan: Plan, environment: Mapping[str, str]) -> Job | None:
    """What is left of a training step; None if it is done already.

    Args:
        number: Number of the step.
        step: The step.
        plan: Where.
        environment: Environment variables besides those of this process.

    Raises:
        DemoError: If it was done with other settings.
    """
    records, folder = plan.records, plan.root / step.name
    config, options, cfg = plan.configure(step)
    checkpoint = final_checkpoint(cfg, folder)
    settings = settings_of(cfg, step, plan)
    command = [
        sys.executable,
        short(ROOT / 'tools/train.py'),
        config,
        '--work-dir',
        str(folder),
        *([] if torch.cuda.is_available() else ['--channels-last']),
        '--cfg-options',
        *options,
    ]
    record = dict(
        settings=settings,
        command=typed(command, environment),
        checkpoint=str(checkpoint),
        seconds=0.0,
        scores=None,
    )
    done = records.steps.get(step.name)
    mode = []
    if done is not None:
        parts = plan.benchmark.parts
        changed = differences(*(_of_parts(one, parts) for one in (done['settings'], settings)))
        if changed:
            raise DemoError(
                f'{folder} was made with other settings ({"; ".join(changed[:3])}'
                f'{" ..." if len(changed) > 3 else ""}): start again with make demo '
                'ARGS=--overwrite, or write elsewhere with ARGS="--work-dir FOLDER"'
            )
        if done['scores'] and checkpoint.is_file():
            announce(number, f'{step.title}: done before, {summary(done["scores"])}')
            return None
        # A last checkpoint without scores was cut off in its validation, which a resumed run
        # would not do again.
        mode = ['--overwrite' if done['scores'] or checkpoint.is_file() else '--resume']
    if mode == ['--resume']:
        record['seconds'] = done['seconds']
    command[3:3] = mode
    announce(number, f'{step.title}: {step.text}', typed(command, environment))
    job = Job(step, command, environment, folder, iterations_of(cfg), record)
    say(f'      the whole log: {job.log}')
    records.set(step.name, record)
    return job


def train(steps: Sequence[tuple[int, Training]], plan: Plan) -> None:
    """Trains and validates at the same time what is not done already.

    Args:
        steps: The steps and their numbers.
        plan: Where.

    Raises:
        DemoError: If one was done with other settings, or fails; the others end before.
    """
    environment = {}
    # A resumed step needs the number that it began with, even if it runs alone now.
    if len(steps) > 1 and 'OMP_NUM_THREADS' not in os.environ:
        environment['OMP_NUM_THREADS'] = str(max(1, cores() // len(steps)))
    jobs = [job for step in steps if (job := prepare(*step, plan, environment)) is not None]
    if not jobs:
        return
    with ThreadPoolExecutor(len(jobs)) as pool:
        tasks = [pool.submit(job.work, plan.records, len(jobs) > 1) for job in jobs]
        try:
            wait(tasks)
        except BaseException:
            # A terminal signals them too, but not every way to end this process does.
            ended: set[subprocess.Popen] = set()
            while wait(tasks, timeout=0.1).not_done:
                for process in PROCESSES - ended:  # once each, also one that has just begun
                    process.terminate()
                    ended.add(process)
            raise
    errors = [error for task in tasks if (error := task.exception()) is not None]
    for error in errors:
        if not isinstance(error, DemoError):
            raise error
    if errors:
        raise DemoError('\n\n'.join(map(str, errors)))


def at_the_same_time(trainings: Sequence[Training]) -> list[list[tuple[int, Training]]]:
    """Steps 2 to 4 with their numbers; those of a list start from the same model."""
    numbered = list(enumerate(trainings, start=2))
    if cores() == 1:
        return [[step] for step in numbered]
    return [list(group) for _, group in groupby(numbered, key=lambda step: step[1].start)]


def settings_of(cfg: Config, step: Training, plan: Plan) -> dict:
    """The settings that the result of a training step depends on, as json values."""
    start = None if step.start is None else digest(plan.record(step.start)['checkpoint'])
    data = read_marker(DATA)
    config = cfg.to_dict()
    del config['work_dir']
    settings = dict(
        config=config,
        # Not which parts are there: others may be added.
        data=dict(version=data['version'], settings=data['settings']),
        start=start,
    )
    return as_json(settings)


def _of_parts(settings: dict, parts: Sequence[str]) -> dict:
    """Settings without those of other data sets, which may have been added to the MiniDrive."""
    others = {key for name, own in ADDITIONS.items() if name not in parts for key in own}
    data = settings['data']
    own = {key: value for key, value in data['settings'].items() if key not in others}
    return dict(settings, data=dict(data, settings=own))


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


def draw(plan: Plan, count: int) -> None:
    """Step 5: draws the models' predictions on unseen frames; video and picture."""
    video, picture = plan.root / 'video.mp4', plan.root / 'picture.png'
    records, benchmark = plan.records, plan.benchmark
    settings = dict(
        frames=count,
        models={
            step.title: digest(plan.record(step)['checkpoint']) for step in benchmark.trainings
        },
    )
    done = records.steps.get('video')
    if done and done['settings'] == settings and video.is_file() and picture.is_file():
        announce(5, 'video and picture: done before')
        return
    announce(5, f'video and picture: {count} frames of {benchmark.shown}')
    began = time.monotonic()
    frames = rendered_drive(count) if plan.camvid is None else real_frames(plan, count)
    scenes = [rgb for rgb, _ in frames]
    predictions = [predict(step, plan, scenes) for step in benchmark.trainings]
    scores = {title: summary(values) for title, values in plan.scores().items()}
    legend = benchmark.labels.classes, benchmark.labels.palette
    key = draw_legend(*legend, benchmark.panel[0], 15)
    kept = {(2 * k + 1) * len(frames) // 6 for k in range(3)}
    columns: list[list[np.ndarray]] = []
    with VideoWriter(video, benchmark.fps) as writer:
        for number, ((rgb, truth), *maps) in enumerate(zip(frames, *predictions, strict=True)):
            panels = [rgb] + [overlay(rgb, labels, legend[1], 0.75) for labels in (truth, *maps)]
            titles = ['frame', 'labels', '', *scores]
            grid = [*panels[:2], key, *panels[2:]]
            writer.write(draw_grid(grid, titles, 3, benchmark.panel))
            if number in kept:
                columns.append(panels)
            if (number + 1) % 20 == 0 or number + 1 == len(frames):
                say(f'      segmented {number + 1}/{len(frames)}')
    # A row for each model, its name above the middle.
    rows = [image for row in zip(*columns, strict=True) for image in row]
    names = ['frames', 'labels', *(f'{title}: {text}' for title, text in scores.items())]
    titles = [text for name in names for text in ('', name, '')]
    image = with_legend(draw_grid(rows, titles, 3, benchmark.panel), *legend, 20)
    write_png(picture, image[..., ::-1], level=9)
    records.set('video', dict(settings=settings, seconds=time.monotonic() - began))


def rendered_drive(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """RGB frames and label maps of a drive of MiniDrive that is in none of its data sets."""
    world = World.create(DRIVE_SEED, OLD_TOWN, camera_look, count, True, rate=RATE)
    frames = []
    for number in range(count):
        frame = world.render(number, MINI.panel)
        truth = CITYSCAPES_15.to_train_ids(CITYSCAPES_IDS[frame.labels], 'MiniDrive')
        frames.append((frame.rgb, truth))
        if (number + 1) % 20 == 0 or number + 1 == count:
            say(f'      rendered {number + 1}/{count}')
    return frames


def real_frames(plan: Plan, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """RGB frames and label maps of the first `count` frames that are scored."""
    _, _, cfg = plan.configure(SOURCE_ONLY)
    pipeline = [dict(type='LoadClip'), dict(type='LoadClipAnnotations')]
    # The trainings, which do so too, run in processes of their own.
    init_default_scope(cfg.default_scope)
    data = DATASETS.build(dict(cfg.val_dataloader.dataset, pipeline=pipeline))
    clips = (data[number] for number in range(min(count, len(data))))
    return [(clip['imgs'][-1][..., ::-1], clip['gt_seg_map']) for clip in clips]


def predict(step: Training, plan: Plan, scenes: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Label maps of RGB frames, by the model of a step."""
    _, _, cfg = plan.configure(step)
    with contextlib.redirect_stdout(io.StringIO()):  # mmengine prints what it loads
        segment = VideoSegmenter(cfg, plan.record(step)['checkpoint'])
    return segment(np.ascontiguousarray(rgb[..., ::-1]) for rgb in scenes)


# ----------------------------------------------------------------------------------------- report


def clock(seconds: float | None) -> str:
    """Minutes and seconds."""
    return '–' if seconds is None else f'{int(seconds // 60)}:{int(seconds % 60):02d}'


def percent(value: float, sign: str = '') -> str:
    """One decimal; a dash for a class that does not occur."""
    return '–' if math.isnan(value) else f'{value:{sign}.1f}'


def summary(scores: Mapping[str, float]) -> str:
    """The two figures that stand for all."""
    return f'{percent(scores["mIoU"])} mIoU, {percent(scores["aAcc"])} % of pixels right'


def table(scores: Mapping[str, Mapping[str, float]]) -> str:
    """IoU of each class, their mean and the share of right pixels, as markdown."""
    names = [name for name in next(iter(scores.values())) if name.startswith('IoU.')]
    titles = {name: name.removeprefix('IoU.') for name in names}
    titles.update(mIoU='**mean (mIoU)**', aAcc='**right pixels**')
    lines = ['| class | ' + ' | '.join(scores) + ' |', '|---|' + '---:|' * len(scores)]
    for name, title in titles.items():
        cells = [percent(values[name]) for values in scores.values()]
        if name not in names:
            cells = [f'**{cell}**' for cell in cells]
        lines.append(f'| {title} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def changes(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Both scores and their changes from the first column of :func:`table`, as markdown."""
    origin, *others = scores
    first = scores[origin]
    lines = [
        f'| | mIoU | to {origin} | right pixels | to {origin} |',
        '|---|' + '---:|' * 4,
        f'| {origin} | {percent(first["mIoU"])} | | {percent(first["aAcc"])} | |',
    ]
    for title in others:
        cells = [
            text
            for name in ('mIoU', 'aAcc')
            for text in (
                percent(scores[title][name]),
                percent(scores[title][name] - first[name], '+'),
            )
        ]
        lines.append(f'| {title} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def report(path: Path, plan: Plan, seed: int) -> None:
    """Step 6: writes the steps and results as markdown."""
    benchmark, steps, scores = plan.benchmark, plan.records.steps, plan.scores()
    trainings = benchmark.trainings
    times = [
        ('data', steps['data']['seconds']),
        *((step.title, plan.record(step)['seconds']) for step in trainings),
        ('video and picture', steps['video']['seconds']),
    ]
    beside = {
        step.title: plan.record(step)['seconds']
        for step in trainings
        if plan.record(step).get('beside')
    }
    total = sum(seconds or 0.0 for name, seconds in times if name not in beside)
    total += max(beside.values(), default=0.0)
    parallel = f' {" and ".join(beside)} ran at the same time.' if beside else ''
    commands = [steps['data']['command'], *(plan.record(step)['command'] for step in trainings)]
    list_of_steps = '\n'.join(
        f'{number}. **{step.title}** {step.text}.' for number, step in enumerate(trainings, 1)
    )
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
        f"""# {benchmark.title}

{benchmark.domains}
The network is {benchmark.network}.

{list_of_steps}

No target label was used in training, nor to choose a checkpoint: each model is the one after its
last iteration, scored on labelled frames of the target that none was trained on.

![Frames, labels and the predictions of {', '.join(scores)}](picture.png)

Three frames of {benchmark.shown}.
The others are in the video: [video.mp4](video.mp4). Black pixels belong to none of the
{len(benchmark.labels.classes)} classes.

## Scores

In percent, on the frames of the target that are kept for scoring:

{changes(scores)}

IoU of each class:

{table(scores)}

docs/results.md has more methods, the oracle, which is trained with target labels, and several
seeds.

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

{device}, {cores()} processor cores. Training times include start and evaluation; a dash
stands for data that were there already.{parallel}

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
        '--camvid',
        type=Path,
        metavar='FOLDER',
        help='folder of CamVid: adapt from MiniDrive to this real video (docs/datasets.md)',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='folder for everything but the data (default: work_dirs/demo, with --camvid '
        'work_dirs/demo_camvid)',
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
        action='extend',
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
    if args.work_dir is None:
        args.work_dir = Path('work_dirs', 'demo' if args.camvid is None else 'demo_camvid')
    return args


def clean(root: Path, records: Records) -> None:
    """Deletes what the records name, and nothing else."""
    for name, record in records.steps.items():
        if 'checkpoint' in record:
            shutil.rmtree(root / name, ignore_errors=True)
    for name in ('video.mp4', 'picture.png', 'report.md', 'data.log', records.path.name):
        (root / name).unlink(missing_ok=True)
    records.steps = {name: record for name, record in records.steps.items() if name == 'data'}


def choose(camvid: Path | None) -> Benchmark:
    """What can be run here.

    Raises:
        UserError: If the weights are missing and CamVid is given, for which there is no config
            without them.
    """
    benchmark = MINI if camvid is None else CAMVID
    config = str(ROOT / 'configs' / SOURCE_ONLY.name / f'{SOURCE_ONLY.config}_{benchmark.name}.py')
    net = load_config(config, None, None).model.student.segmentor
    try:
        package_file(net.backbone.init_cfg.checkpoint)
    except UserError as error:
        if camvid is not None:
            raise
        say(f'From random weights, with a smaller network: {error}')
        return SCRATCH
    return benchmark


def check_camvid(plan: Plan) -> None:
    """Finds a missing or wrong folder of CamVid before minutes of training."""
    _, _, cfg = plan.configure(STPL)
    for data in (cfg.train_dataloader.dataset.target, cfg.val_dataloader.dataset):
        DATASETS.build(dict(data, pipeline=[]))


def demo(args: argparse.Namespace) -> None:
    """All steps."""
    with WorkDirLock(args.work_dir):
        steps(args.work_dir, args)


def steps(root: Path, args: argparse.Namespace) -> None:
    """All steps, in a folder that no other demo writes into."""
    records = Records(root / 'demo.json')
    plan = Plan(choose(args.camvid), root, records, args.cfg_options, args.camvid)
    if args.camvid is not None:
        check_camvid(plan)
    if args.overwrite:
        clean(root, records)
    trainings = plan.benchmark.trainings
    generate_data(plan.benchmark.parts, records, root / 'data.log', shlex.split(args.data_options))
    for group in at_the_same_time(trainings):
        train(group, plan)
    draw(plan, args.frames)
    path = root / 'report.md'
    if records.changed or not path.is_file():
        announce(6, f'report: {path}')
        report(path, plan, plan.record(trainings[-1])['settings']['config']['randomness']['seed'])
    else:
        announce(6, 'report: done before')
    say('\nOn the target:')
    for title, scores in plan.scores().items():
        say(f'  {title:12}{summary(scores)}')
    say(f'Look at {path}, {root / "video.mp4"} and {root / "picture.png"}.')


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: demo(args), 'interrupted: the same command continues from here')


if __name__ == '__main__':
    sys.exit(main())
