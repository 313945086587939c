"""Compares training in two checkouts bit by bit, for changes that must not change any result.

    python benchmarks/compare_checkouts.py BASE NEW [--iters 20] [--configs 'stpl/*' ...] \
        [--data data] [--camvid data/camvid] [--jobs 1] [--out work_dirs/compare_checkouts]

BASE and NEW are clones or worktrees of this repository without uncommitted changes. Every small
config of each (MiniDrive; CamVid too with --camvid) is trained with tools/train.py of its checkout,
in a separate process, on one thread of the CPU, with the data, sizes, batch size and seed of the
config. Configs that start from a checkpoint get the same checkout's, and pseudo-labels, selections
of source frames and class statistics are made with its tools. If a hook of a config starts or
repeats an action after a number of iterations, that number is scaled down with the training, so
that the action happens.

Weights, buffers, optimisers, pseudo-labels and the losses of every iteration must be equal. The
exit status is 1 if anything differs or could not be trained.

Results for a commit are kept in --out and not trained again. Without NEW, BASE is only trained;
with the same commit twice it is trained twice, which checks that training is deterministic.
"""

from __future__ import annotations

import argparse
import fcntl
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config

#: Names of the small configs, with MiniDrive or CamVid, and of those with CamVid.
SMALL = re.compile(r'mini|-r18_camvid-day2dusk|effnet-lite0_.*day2dusk|_camvid-day$')
CAMVID = re.compile(r'camvid|day2dusk')
STATISTICS = 'train_dataloader.dataset.rare_class_sampling.statistics'
#: Parts of a checkpoint that hold times, paths and versions.
NOT_COMPARED = ('meta', 'message_hub')
#: Logged values that are not results.
TIMES = ('time', 'data_time', 'memory')
#: Files of a run.
LOG, DONE = 'compare.log', 'compare.json'


class Failure(Exception):
    """A config could not be trained; the message says why."""


@dataclass(frozen=True)
class Task:
    """A config of one checkout.

    Args:
        config: Path below ``configs/``.
        max_iters: Iterations of the whole training.
        result: Checkpoint of the whole training, relative to the folder of the run.
        needs: Checkpoints that it starts from.
        pseudo_labels: Folder of the pseudo-labels that it trains on, written beforehand.
        labeller: Checkpoint that predicts the pseudo-labels.
        source_frames: Folder of the source frames that are selected with these.
        statistics: Whether rare-class sampling needs class statistics.
        schedule: Hook arguments that count iterations, by their dotted keys.
    """

    config: str
    max_iters: int
    result: str
    needs: tuple[str, ...]
    pseudo_labels: str | None
    labeller: str | None
    source_frames: str | None
    statistics: bool
    schedule: dict[str, int]

    @property
    def folder(self) -> Path:
        return Path(self.result).parent


# ---------------------------------------------------------------------------------- comparison


def flatten(value: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings and sequences, with dotted names."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from flatten(part, f'{name}.{key}' if name else str(key))
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from flatten(part, f'{name}.{index}')
    else:
        yield name, value


def difference(base: Any, new: Any) -> str | None:
    """How two values differ; tensors are compared bit by bit, so NaN equals NaN and 0 is not -0."""
    if not (isinstance(base, torch.Tensor) and isinstance(new, torch.Tensor)):
        same = type(base) is type(new) and base == new
        return None if same else f'{base!r:.40} and {new!r:.40}'
    if base.dtype != new.dtype:
        return f'{base.dtype} and {new.dtype}'
    if base.shape != new.shape:
        return f'shapes {tuple(base.shape)} and {tuple(new.shape)}'
    bits = [t.contiguous().reshape(-1, 1).view(torch.uint8) for t in (base, new)]
    count = int((bits[0] != bits[1]).any(1).sum())
    if not count:
        return None
    most = (base.double() - new.double()).abs().max().item()
    return f'{count} of {base.numel()} values, by up to {most:.3g}'


def differences(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Names of entries that differ between two mappings, and how."""
    found = {}
    for name in [*base, *(name for name in new if name not in base)]:
        if name not in new or name not in base:
            found[name] = f'missing in {"NEW" if name in base else "BASE"}'
        elif how := difference(base[name], new[name]):
            found[name] = how
    return found


def weights(checkpoint: Path) -> dict[str, Any]:
    """Tensors and numbers of a checkpoint, by dotted name."""
    content = torch.load(checkpoint, map_location='cpu', weights_only=False)
    return dict(flatten({k: v for k, v in content.items() if k not in NOT_COMPARED}))


def labels(folder: Path) -> dict[str, torch.Tensor]:
    """Pseudo-labels of a folder, by file."""
    return {
        path.relative_to(folder).as_posix(): torch.from_numpy(
            cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        )
        for path in sorted(folder.rglob('*.png'))
    }


def losses(work_dir: Path) -> dict[str, float]:
    """Logged values of every iteration."""
    (file,) = work_dir.glob('*/vis_data/scalars.json')
    rows = map(json.loads, file.read_text().splitlines())
    return {
        f'iteration {row["step"]} {key}': value
        for row in rows
        for key, value in row.items()
        if key not in TIMES
    }


# ------------------------------------------------------------------------------------- configs


def iteration_counts(hooks: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {
        f'custom_hooks.{index}.{key}': value
        for index, hook in enumerate(hooks)
        for key, value in hook.items()
        if type(value) is int and value > 1
    }


def describe(config: str, cfg: Config) -> Task:
    parts = Path(config).with_suffix('')
    needs = {
        value
        for _, value in flatten(cfg.to_dict())
        if isinstance(value, str) and re.fullmatch(r'work_dirs/\S+\.pth', value)
    }
    dataset = cfg.train_dataloader.dataset
    labelled = 'pseudo_label_generator' in cfg
    return Task(
        config=config,
        max_iters=cfg.train_cfg.max_iters,
        result=f'work_dirs/{parts.as_posix()}/iter_{cfg.train_cfg.max_iters}.pth',
        needs=tuple(sorted(needs)),
        pseudo_labels=dataset.target.pseudo_labels if labelled else None,
        labeller=cfg.model.source_checkpoint if labelled else None,
        source_frames=dataset.source.pseudo_labels if 'source_selection' in cfg else None,
        statistics=bool(dataset.get('rare_class_sampling')),
        schedule=iteration_counts(cfg.get('custom_hooks') or []),
    )


def print_tasks(checkout: Path) -> None:
    """Prints the small configs as JSON, in a process that imports the package of the checkout."""
    package = find_spec('mmdavss')
    if package is None or not Path(package.origin).is_relative_to(checkout):
        raise SystemExit(f'mmdavss is imported from {package and package.origin}, not {checkout}')
    root = checkout / 'configs'
    tasks = []
    for path in sorted(root.glob('[!_]*/*.py')):
        if SMALL.search(path.stem):
            config = path.relative_to(root).as_posix()
            tasks.append(asdict(describe(config, Config.fromfile(path))))
    print(json.dumps(tasks))


def environment(checkout: Path) -> dict[str, str]:
    """Environment of a checkout's processes: its package, one thread, the CPU."""
    return dict(os.environ, PYTHONPATH=str(checkout), OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')


@functools.cache
def read_tasks(checkout: Path) -> dict[str, Task]:
    """The small configs of a checkout, by their paths."""
    output = subprocess.run(
        [sys.executable, '-W', 'ignore', __file__, str(checkout), '--describe'],
        cwd=checkout,
        env=environment(checkout),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    tasks = [Task(**values) for values in json.loads(output.splitlines()[-1])]
    return {task.config: task for task in tasks}


def in_order(tasks: Mapping[str, Task], wanted: Iterable[str]) -> list[Task]:
    """Wanted configs and those that they start from, in order of dependency."""
    makers = {task.result: task for task in tasks.values()}
    order: dict[str, Task] = {}

    def add(task: Task) -> None:
        for need in task.needs:
            if need in makers and makers[need].config not in order:
                add(makers[need])
        order.setdefault(task.config, task)

    for config in wanted:
        add(tasks[config])
    return list(order.values())


# ------------------------------------------------------------------------------------ training


class Progress:
    """One line for each config that was trained, with an estimate of the time left."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.trained = total, 0, 0
        self.start, self.lock = time.monotonic(), threading.Lock()

    def report(self, text: str, trained: bool) -> None:
        with self.lock:
            self.done += 1
            self.trained += trained
            left = ''
            if self.trained:
                passed = time.monotonic() - self.start
                left = f', {(self.total - self.done) * passed / self.trained / 60:.0f} min left'
            print(f'[{self.done}/{self.total}] {text}{left}', flush=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Waits until no other run of this script uses a folder, and locks it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f'{folder.name}.lock'), 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Trainings:
    """Trains the small configs of one checkout.

    Args:
        checkout: The clone or worktree.
        folder: Output; ``work_dirs/`` and a link to the data are made in it.
        iters: Length of every training.
        data: Folder of MiniDrive.
        camvid: Folder of CamVid.
    """

    def __init__(
        self, checkout: Path, folder: Path, iters: int, data: Path, camvid: Path | None
    ) -> None:
        self.checkout, self.folder, self.iters = checkout, folder, iters
        self.tasks = read_tasks(checkout)
        self.name = folder.name
        (folder / 'data').mkdir(parents=True, exist_ok=True)
        for link, target in (('minidrive', data / 'minidrive'), ('camvid', camvid)):
            path = folder / 'data' / link
            if target is not None and not (path.is_symlink() and path.samefile(target)):
                path.unlink(missing_ok=True)
                path.symlink_to(target.resolve())
        self._check_machine()

    def _check_machine(self) -> None:
        here = dict(
            torch=torch.__version__,
            numpy=np.__version__,
            opencv=cv2.__version__,
            cpu=torch.backends.cpu.get_cpu_capability(),
        )
        note = self.folder / 'machine.json'
        if note.is_file() and json.loads(note.read_text()) != here:
            raise SystemExit(
                f'{self.folder} was trained with {note.read_text()}, here is {json.dumps(here)}: '
                'delete it or name another folder with --out'
            )
        note.write_text(json.dumps(here))

    def submit(
        self, pool: ThreadPoolExecutor, wanted: Iterable[str], progress: Progress
    ) -> dict[str, Future]:
        """Starts trainings; each waits for those submitted before it that it starts from."""
        jobs: dict[str, Future] = {}
        results: dict[str, Future] = {}
        for task in in_order(self.tasks, wanted):
            needs = {need: results.get(need) for need in task.needs}
            job = pool.submit(self._train, task, needs, progress)
            jobs[task.config] = results[task.result] = job
        return jobs

    def _train(self, task: Task, needs: Mapping[str, Future | None], progress: Progress) -> None:
        title = f'{self.name} {task.config}'
        try:
            for need, job in needs.items():
                if job is None:
                    raise Failure(f'no small config trains {need}')
                if job.exception() is not None:
                    raise Failure(f'needs {need}, which could not be trained')
            with locked(self.folder / task.folder):
                done = self.folder / task.folder / DONE
                kept, start = done.is_file(), time.monotonic()
                if not kept:
                    self._run_tools(task)
                    seconds = time.monotonic() - start
                    done.write_text(json.dumps(dict(seconds=round(seconds, 1))))
        except Failure as failure:
            progress.report(f'{title}: {failure}', trained=True)
            raise
        progress.report(f'{title}: {"kept" if kept else f"{seconds:.0f} s"}', trained=not kept)

    def _run_tools(self, task: Task) -> None:
        work_dir = self.folder / task.folder
        shutil.rmtree(work_dir, ignore_errors=True)  # of an interrupted run
        work_dir.mkdir(parents=True)
        log = work_dir / LOG
        options = {
            'rounds': None,  # one training
            'train_cfg.max_iters': self.iters,
            'train_cfg.val_begin': self.iters + 1,
            'default_hooks.logger.interval': 1,
            'log_processor.window_size': 1,
            # The data of a training do not depend on the number of workers.
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
        }
        for key, value in task.schedule.items():
            options[key] = max(1, round(value * self.iters / task.max_iters))
        if task.statistics:
            options[STATISTICS] = work_dir / 'class_statistics.json'
            self._call('class_statistics', task, '--workers', '1', '--out', options[STATISTICS])
        if task.pseudo_labels:
            with locked(self.folder / task.pseudo_labels):  # several configs share them
                self._call('generate_pseudo_labels', task, task.labeller, '--workers', '1')
        if task.source_frames:
            with locked(self.folder / task.source_frames):
                self._call('select_source', task, '--workers', '1')
        given = [f'{key}={value}' for key, value in options.items()]
        self._call('train', task, '--cfg-options', *given)
        if not (work_dir / f'iter_{self.iters}.pth').is_file():
            raise Failure(f'no checkpoint, see {log}')
        if task.max_iters != self.iters:
            (self.folder / task.result).symlink_to(f'iter_{self.iters}.pth')

    def _call(self, tool: str, task: Task, *arguments: object) -> None:
        log = self.folder / task.folder / LOG
        config = self.checkout / 'configs' / task.config
        command = [sys.executable, self.checkout / f'tools/{tool}.py', config, *arguments]
        with open(log, 'a') as file:
            code = subprocess.run(
                list(map(str, command)),
                cwd=self.folder,
                env=environment(self.checkout),
                stdout=file,
                stderr=subprocess.STDOUT,
            ).returncode
        if code:
            raise Failure(f'tools/{tool}.py failed with exit status {code}, see {log}')

    def results(self, task: Task) -> tuple[dict[str, Any], dict[str, float]]:
        """A config's weights (and the masks it trained on), and its logged values."""
        work_dir = self.folder / task.folder
        trained = weights(work_dir / f'iter_{self.iters}.pth')
        for folder in filter(None, (task.pseudo_labels, task.source_frames)):
            trained |= {f'{folder}/{n}': mask for n, mask in labels(self.folder / folder).items()}
        return trained, losses(work_dir)


# -------------------------------------------------------------------------------------- script


def commit_of(checkout: Path) -> str:
    """Short hash of a checkout that has no uncommitted changes."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ['git', '-C', checkout, *arguments], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    changed = git('status', '--porcelain', '--', 'mmdavss', 'configs', 'tools')
    if changed:
        raise SystemExit(f'{checkout} has uncommitted changes, commit them first:\n{changed}')
    return git('rev-parse', '--short=12', 'HEAD')


def choose(tasks: Mapping[str, Task], patterns: Sequence[str], camvid: bool) -> list[str]:
    """Paths of the configs to compare."""
    return [
        config
        for config in tasks
        if (camvid or not CAMVID.search(config))
        and any(fnmatch(config, p) or fnmatch(config, f'{p}.py') for p in patterns)
    ]


def print_table(rows: Sequence[tuple[str, str, dict[str, str]]]) -> None:
    width = max(len(config) for config, _, _ in rows)
    for config, verdict, found in rows:
        print(f'{config:{width}}  {verdict}')
        for name, how in list(found.items())[:3]:
            print(f'{"":{width}}    {name}: {how}')


def compare(base: Trainings, new: Trainings, config: str) -> tuple[str, dict[str, str]]:
    """Verdict on a config that both checkouts have trained, and the differences."""
    (weights_base, losses_base), (weights_new, losses_new) = (
        side.results(side.tasks[config]) for side in (base, new)
    )
    found = differences(weights_base, weights_new)
    found_losses = differences(losses_base, losses_new)
    if not found and not found_losses:
        return f'equal: {len(weights_base)} tensors and numbers, {len(losses_base)} logged', {}
    verdict = (
        f'DIFFERENT: {len(found)} of {len(weights_base)} tensors and numbers, '
        f'{len(found_losses)} of {len(losses_base)} logged'
    )
    return verdict, dict(list(found_losses.items())[:1]) | found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('base', type=Path, metavar='BASE', help='checkout')
    parser.add_argument('new', type=Path, nargs='?', metavar='NEW', help='checkout')
    parser.add_argument('--iters', type=int, default=20, help='iterations of every config')
    parser.add_argument(
        '--configs',
        nargs='+',
        default=['*'],
        metavar='GLOB',
        help="paths below configs/, such as 'stpl/*'; configs that they start from are trained too",
    )
    parser.add_argument('--data', type=Path, default=Path('data'), help='folder with minidrive/')
    parser.add_argument('--camvid', type=Path, help='folder of CamVid; its configs are compared')
    parser.add_argument('--jobs', type=int, default=1, help='trainings at a time')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/compare_checkouts'))
    parser.add_argument('--describe', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    base = args.base.resolve()
    if args.describe:
        print_tasks(base)
        return
    if not (args.data / 'minidrive').is_dir():
        parser.error(f'no {args.data / "minidrive"}: tools/make_minidrive.py makes it')
    if args.camvid is not None and not args.camvid.is_dir():
        parser.error(f'no folder {args.camvid}')

    sides: list[Trainings] = []
    for checkout in [base] if args.new is None else [base, args.new.resolve()]:
        folder = args.out.resolve() / f'{commit_of(checkout)}_{args.iters}-iters'
        if sides and folder == sides[0].folder:
            folder = folder.with_name(f'{folder.name}_again')
        sides.append(Trainings(checkout, folder, args.iters, args.data, args.camvid))
    wanted = [choose(side.tasks, args.configs, args.camvid is not None) for side in sides]
    if not wanted[0]:
        parser.error(f'no small config of BASE fits --configs {" ".join(args.configs)}')
    progress = Progress(
        sum(len(in_order(side.tasks, names)) for side, names in zip(sides, wanted, strict=True))
    )
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = [
            side.submit(pool, names, progress) for side, names in zip(sides, wanted, strict=True)
        ]

    rows, equal = [], 0
    for config in dict.fromkeys(name for submitted in jobs for name in submitted):
        absent = [
            side
            for side, submitted in zip(('BASE', 'NEW'), jobs, strict=False)
            if config not in submitted
        ]
        failed = [job[config].exception() for job in jobs if config in job]
        found: dict[str, str] = {}
        if absent:
            verdict = f'NOT COMPARED: missing in {absent[0]}'
        elif any(failed):
            verdict = f'NOT COMPARED: {next(filter(None, failed))}'
        elif len(sides) == 1:
            verdict = 'trained'
        else:
            verdict, found = compare(*sides, config)
        equal += verdict.startswith(('equal', 'trained'))
        rows.append((config, verdict, found))
    print()
    print_table(rows)
    print(
        f'\n{" and ".join(side.name for side in sides)}: {equal} of {len(rows)} configs '
        + ('bit-equal' if len(sides) == 2 else 'trained')
    )
    raise SystemExit(equal < len(rows))


if __name__ == '__main__':
    main()
