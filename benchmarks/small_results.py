"""Trains what docs/results.md compares, writes docs/results.json and makes the pages from it.

    python tools/make_minidrive.py data/minidrive      # and the others: docs/results.md
    python benchmarks/small_results.py                 # all that is missing, in hours
    python benchmarks/small_results.py --methods stpl dacs --benchmarks mini --seeds 0
    python benchmarks/small_results.py --dry-run       # only prints the commands
    python benchmarks/small_results.py --tables        # docs/results.md and README.md

Each training runs on one thread, --jobs of them at a time: seed 0 of everything, then seed 1, and
so on, source models before what starts from them. After each method of a seed its object in
docs/results.json is written. The same call continues an interrupted one: finished trainings and
objects are not repeated. Several calls may share a work dir. A training that fails does not stop
the others and is reported at the end.

An object whose config, start model or data have changed since, or that lacks a score, is reported,
and replaced only with --again.
"""

from __future__ import annotations

import argparse
import copy
import functools
import hashlib
import json
import math
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmseg.registry import DATASETS
from small_methods import (
    ABLATIONS,
    BENCHMARKS,
    CONSECUTIVE,
    MAIN,
    METHODS,
    SFM,
    TARGET_BRANCHES,
    WAYS,
    changes_of,
    config_name,
    own_rows,
    start_of,
)
from small_tables import write_pages

import mmdavss  # noqa: F401
from mmdavss.analysis.results import last_validation, training_means
from mmdavss.cli.exits import one_line
from mmdavss.engine.hooks.run_report import fingerprint as data_fingerprint
from mmdavss.engine.hooks.run_report import revision_name
from mmdavss.launch.config_file import final_checkpoint
from mmdavss.launch.prepare import checkpoints_in
from mmdavss.minidrive.generate import MARKER, read_marker
from mmdavss.utils.errors import UserError
from mmdavss.utils.files import replace_file
from mmdavss.utils.work_dir_lock import WorkDirLock

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
RESULTS = ROOT / 'docs/results.json'
WORK_DIR = Path('work_dirs/small_results')
#: File in a run's folder that says what it was trained from.
ORIGIN = 'origin.json'
#: File in a run's folder with its temporal consistency, and the name of the flow in it.
TEMPORAL = 'temporal.json'
FLOW = 'DIS'
#: Field with the mIoU of the model that a training started from. On another machine the same seed
#: may give another one.
START = 'start_mIoU'
#: Keys of a config that decide a result.
DECISIVE = (
    'model',
    'train_dataloader',
    'val_dataloader',
    'val_evaluator',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'custom_hooks',
    'pseudo_label_generator',
    'rounds',
    'source_selection',
)
#: Keys below them that do not, or only name files, whose contents are compared otherwise.
INDIFFERENT = (
    'data_root',
    'pseudo_labels',
    'frame_list',
    'source_checkpoint',
    'sfm_checkpoint',
    'num_workers',
    'persistent_workers',
    'val_interval',
)
#: Iterations between two rows of the log, whose times are means over as many: they cover all.
LOGGED = 10
#: Seconds until a run that another call holds is tried again.
LATER = 20.0
#: Ways of a benchmark where a method is trained once.
ONE_WAY: dict[str, dict[str, str]] = {'': {}}


# ------------------------------------------------------------------------------------------ runs


@dataclass(frozen=True)
class Key:
    """What an object of docs/results.json is about."""

    benchmark: str
    method: str
    row: str
    seed: int

    def __str__(self) -> str:
        row = '' if self.row == MAIN else f' ({self.row})'
        return f'{self.benchmark}, {self.method}{row}, seed {self.seed}'

    @property
    def start(self) -> Key | None:
        """What it starts from."""
        start = start_of(self.method, self.row)
        return None if start is None else Key(self.benchmark, *start, self.seed)

    @property
    def config(self) -> str:
        """Its config below ``configs/``."""
        return config_name(self.benchmark, self.method)

    def folder(self, work_dir: Path, way: str = '') -> Path:
        """Work dir of its training; that of the first way has no suffix."""
        name = self.method.replace('*', '-source-free')
        name = name if self.row == MAIN else f'{name}_{self.row}'
        suffix = '' if way in ('', _first(self.benchmark)) else f'_{way}'
        return work_dir / self.benchmark / name / f'seed{self.seed}{suffix}'


@dataclass(frozen=True)
class Step:
    """A training or a test.

    Attributes:
        way: Way of the benchmark that it scores.
        folder: Its work dir.
        commands: Programs and arguments, from the repository's root.
        result: File that a finished step has; None for a test, which has scores.
        temporal: Program and arguments that write :data:`TEMPORAL`; None where frames do not allow.
    """

    way: str
    folder: Path
    commands: list[list[str]]
    result: Path | None
    temporal: list[str] | None = None

    @property
    def done(self) -> bool:
        """Whether all of its scores are there."""
        return self.scored and (self.temporal is None or (self.folder / TEMPORAL).is_file())

    @property
    def scored(self) -> bool:
        """Whether its commands are done."""
        if self.result is None:
            return test_log(self.folder) is not None
        try:
            validated = last_validation(self.folder)['step']
        except (FileNotFoundError, ValueError):
            return False
        return self.result.is_file() and validated == _iterations(self)


def _first(benchmark: str) -> str:
    return next(iter(WAYS.get(benchmark, ONE_WAY)))


@functools.cache
def load(name: str) -> Config:
    """A config below ``configs/``; not to be changed."""
    return Config.fromfile(CONFIGS / name)


def overrides(key: Key, way: str) -> dict[str, str]:
    """How a row and a way of a benchmark differ from the config."""
    found = changes_of(key.method, key.row)
    for name, value in WAYS.get(key.benchmark, ONE_WAY)[way].items():
        if name.startswith('train_dataloader.'):
            for branch in target_branches(key.method):
                found[name.replace('.target.', f'.{branch}.')] = value
        else:
            found[name] = value
    return found


def result_of(key: Key, folder: Path) -> Path:
    """The last checkpoint of a training in a folder: a row may change how long that is."""
    cfg = copy.deepcopy(load(key.config))
    cfg.merge_from_dict(changes_of(key.method, key.row))
    return final_checkpoint(cfg, folder)


def target_branches(method: str) -> tuple[str, ...]:
    """The branches of a method's training data with the target's frames."""
    return TARGET_BRANCHES.get(method, ('target',))


def labels_in(cfg: Config, folder: Path) -> dict[str, str]:
    """Options that take the pseudo-labels of a config, and lists beside them, from a folder."""
    found = {}
    for branch in ('source', 'target'):
        dataset = cfg.train_dataloader.dataset.get(branch) or {}
        if branch == 'target' or dataset.get('pseudo_labels'):
            found[f'train_dataloader.dataset.{branch}.pseudo_labels'] = str(folder)
        if dataset.get('frame_list'):
            name = folder / Path(dataset['frame_list']).name
            found[f'train_dataloader.dataset.{branch}.frame_list'] = str(name)
    return found


def steps(key: Key, work_dir: Path = WORK_DIR, data_root: Path | None = None) -> list[Step]:
    """The trainings and tests of an object, in order.

    Args:
        key: The object.
        work_dir: Folder of all runs.
        data_root: Folder of the data sets instead of ``data``.
    """
    cfg, name = load(key.config), f'configs/{key.config}'
    found = []
    for way in WAYS.get(key.benchmark, ONE_WAY):
        changed = overrides(key, way)
        folder = key.folder(work_dir, way)
        checkpoint = result_of(key, folder)
        options = moved_data(cfg, data_root) | changed
        if found and not target_branches(key.method):
            # One training for all ways.
            tested = result_of(key, found[0].folder)
            arguments = ['tools/test.py', name, str(tested), '--work-dir', str(folder)]
            options = {k: v for k, v in options.items() if k.startswith('test_')}
            options |= {f'{evaluator(cfg, "test")}.per_class': 'True'}
            found.append(Step(way, folder, [[*arguments, *as_options(options)]], None))
            continue
        options |= {
            'randomness.seed': str(key.seed),
            f'{evaluator(cfg, "val")}.per_class': 'True',
            'default_hooks.logger.interval': str(LOGGED),
        }
        commands = []
        temporal = None
        if key.benchmark in CONSECUTIVE:
            temporal = temporal_command(name, checkpoint, folder, options)
        start = key.start
        if start is not None:
            own = way if target_branches(start.method) else ''
            source = result_of(start, start.folder(work_dir, own))
            options['model.source_checkpoint'] = str(source)
            if 'rounds' in cfg:
                commands.append(rounds_command(key, cfg, folder, options))
                found.append(Step(way, folder, commands, checkpoint, temporal))
                continue
            if 'pseudo_label_generator' in cfg:
                labels = folder.with_name(f'{folder.name}_pseudo_labels')
                read = ('train_dataloader.', 'pseudo_label_generator.')
                target = {k: v for k, v in options.items() if k.startswith(read)}
                commands.append(
                    [
                        'tools/generate_pseudo_labels.py',
                        name,
                        str(source),
                        '--out',
                        str(labels),
                        *as_options(target),
                    ]
                )
                options |= labels_in(cfg, labels)
        commands.append(['tools/train.py', name, '--work-dir', str(folder), *as_options(options)])
        found.append(Step(way, folder, commands, checkpoint, temporal))
    return found


def rounds_command(key: Key, cfg: Config, folder: Path, options: Mapping[str, str]) -> list[str]:
    """What trains a method in rounds, each with its labels, the last one in `folder`."""
    own = {'work_dir': str(folder)}
    for branch in ('source', 'target'):
        if (cfg.train_dataloader.dataset.get(branch) or {}).get('pseudo_labels'):
            labels = folder.with_name(f'{folder.name}_{branch}_labels')
            own[f'train_dataloader.dataset.{branch}.pseudo_labels'] = str(labels)
    return ['tools/run_phases.py', f'configs/{key.config}', *as_options({**options, **own})]


def temporal_command(
    config: str, checkpoint: Path, folder: Path, options: Mapping[str, str]
) -> list[str]:
    """What measures the temporal consistency of a finished training."""
    return [
        'tools/analysis/temporal_consistency.py',
        config,
        str(checkpoint),
        '--flow-name',
        FLOW,
        '--json',
        str(folder / TEMPORAL),
        *as_options({k: v for k, v in options.items() if k.startswith('test_')}),
    ]


def as_options(options: Mapping[str, str]) -> list[str]:
    """The arguments ``--cfg-options KEY=VALUE ...``."""
    return ['--cfg-options', *(f'{k}={v}' for k, v in options.items())] if options else []


def evaluator(cfg: Config, mode: str) -> str:
    """Key of a config's mIoU."""
    name = f'{mode}_evaluator'
    return f'{name}.0' if isinstance(cfg[name], list) else name


def moved_data(cfg: Config, data_root: Path | None) -> dict[str, str]:
    """Options that take the data of a config from another folder than ``data``."""

    def walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, Mapping):
            for key, part in value.items():
                yield from walk(part, f'{path}.{key}')
        elif isinstance(value, (list, tuple)):
            for index, part in enumerate(value):
                yield from walk(part, f'{path}.{index}')
        elif isinstance(value, str) and value.startswith('data/'):
            yield path, value

    if data_root is None:
        return {}
    return {
        path: str(data_root / value.removeprefix('data/'))
        for mode in ('train', 'val', 'test')
        for path, value in walk(cfg.get(f'{mode}_dataloader'), f'{mode}_dataloader')
    }


def configs_of(key: Key) -> list[str]:
    """Names of the configs that an object needs, without those of its start model."""
    return [key.config, *(SFM[key.benchmark] if needs_sfm(key.method) else ())]


def sfm_commands(benchmark: str, data_root: Path | None = None) -> list[list[str]]:
    """What trains the SFM of a benchmark, one for all seeds: a command for each phase."""
    # tools/run_phases.py gives its options to all configs, and each has its own data.
    return [
        [
            'tools/run_phases.py',
            f'configs/{name}',
            *as_options(moved_data(load(name), data_root)),
        ]
        for name in SFM[benchmark]
    ]


def needs_sfm(method: str) -> bool:
    """Whether a method needs an SFM."""
    return method.startswith('sfc')


def command_line(key: Key) -> str:
    """What trains and scores an object, as a user types it."""
    commands = sfm_commands(key.benchmark) if needs_sfm(key.method) else []
    for step in steps(key):
        commands += [*step.commands, *([] if step.temporal is None else [step.temporal])]
    return ' && '.join(shlex.join(['python', *command]) for command in commands)


# ----------------------------------------------------------------------------------------- origin


def _decisive(value: Any) -> Any:
    """A part of a config without what does not decide a result."""
    if isinstance(value, Mapping):
        return {k: _decisive(v) for k, v in value.items() if k not in INDIFFERENT}
    if isinstance(value, (list, tuple)):
        return [_decisive(part) for part in value]
    return value if isinstance(value, (int, float, str, type(None))) else str(value)


@functools.cache
def _config_digest(name: str) -> str:
    cfg = load(name)
    content = {key: _decisive(cfg[key]) for key in DECISIVE if cfg.get(key) is not None}
    return _digest(content)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def fingerprint(benchmark: str, method: str, row: str) -> str:
    """Hash of the config without paths, and of those of the models that it starts from."""
    chain = [_config_digest(config_name(benchmark, method)), WAYS.get(benchmark)]
    if changes := changes_of(method, row):
        chain.append(changes)
    if needs_sfm(method):
        chain.append(sfm_digest(benchmark))
    start = start_of(method, row)
    if start is not None:
        chain.append(fingerprint(benchmark, *start))
    return _digest(chain)


def sfm_digest(benchmark: str) -> str:
    """Hash of the configs that the SFM of a benchmark is trained with."""
    return _configs_digest(SFM[benchmark])


def _configs_digest(names: Sequence[str]) -> str:
    return _digest([_config_digest(name) for name in names])


def sfm_origin(names: Sequence[str], data_root: Path | None) -> dict[str, str]:
    """Content of :data:`ORIGIN` of a phase of an SFM.

    Args:
        names: Its config, after those of the phases before it.
        data_root: Folder of the data sets instead of ``data``.
    """
    try:
        data = _digest([files_digest(load(name), data_root) for name in names])
    except (OSError, UserError, ValueError):
        # A finished SFM does not need its data any more; of one to be trained the tool reports it.
        data = ''
    return dict(fingerprint=_configs_digest(names), data=data)


def outdated_sfm(benchmark: str, data_root: Path | None) -> list[Path]:
    """Folders of the phases of an SFM that were begun from other configs or data than today's.

    Those without :data:`ORIGIN` were trained by other calls. Nothing is known about them, unless a
    later phase is outdated: then they count as outdated too.
    """
    names = SFM[benchmark]
    found: list[Path] = []
    unknown: list[Path] = []
    for count in range(1, len(names) + 1):
        folder = sfm_folder(names[count - 1])
        if not folder.is_dir():
            continue
        path, today = folder / ORIGIN, sfm_origin(names[:count], data_root)
        if not path.is_file():
            unknown.append(folder)
            continue
        saved = json.loads(path.read_text(encoding='utf-8'))
        if isinstance(saved, str):  # of before there was more than the hash of the configs
            saved = dict(fingerprint=saved, data='')
        if saved['fingerprint'] != today['fingerprint'] or (
            '' not in (saved['data'], today['data']) and saved['data'] != today['data']
        ):
            found += [*unknown, folder]
            unknown = []
    return found


def sfm_folder(name: str) -> Path:
    """Work dir of a phase of an SFM, where the configs expect it."""
    return ROOT / 'work_dirs' / name.removesuffix('.py')


def data_digest(key: Key, data_root: Path | None) -> str:
    """Hash of the files that an object's config trains on and is scored on.

    Raises:
        OSError, UserError: If the data are not there.
    """
    return files_digest(load(key.config), data_root)


def files_digest(cfg: Config, data_root: Path | None) -> str:
    """Hash of the files that a config trains on and is scored on.

    Of files on disk it is that of their names and sizes. Of MiniDrive it is that of how it was
    made: between CPUs a few pixels differ by one grey level, and so the sizes of some images.

    Raises:
        OSError, UserError: If the data are not there.
    """
    pair = cfg.train_dataloader.dataset
    parts = {
        'source': pair.get('source'),
        'target': pair.get('target'),
        'val': (cfg.val_dataloader or {}).get('dataset'),
    }
    found = {}
    for name, part in parts.items():
        if part:
            # Pseudo-labels do not exist yet.
            unlabelled = ('pseudo_labels', 'label_clips', 'frame_list')
            options = {k: v for k, v in part.to_dict().items() if k not in unlabelled}
            root = options.get('data_root') or ''
            if data_root is not None and root.startswith('data/'):
                options['data_root'] = str(data_root / root.removeprefix('data/'))
            found[name] = _dataset_digest(json.dumps(options | {'pipeline': []}, sort_keys=True))
    return _digest(found)


@functools.cache
def _dataset_digest(options: str) -> str:
    dataset = DATASETS.build(json.loads(options))
    found = data_fingerprint(dataset)
    assert found is not None
    root = Path(dataset.data_root)
    if not (root.parent / MARKER).is_file():
        return found['hash']
    made = read_marker(root.parent)
    decisive = [made['settings'].get(key) for key in ('seed', 'size', 'camvid_size')]
    return _digest([root.name, made['version'], *decisive, found['items'], found['files']])


@functools.cache
def machine() -> str:
    """CPU with its generation, which decides on the last digits and by them on a training; number
    of cores and version of PyTorch."""
    cpu = platform.processor() or platform.machine()
    if Path('/proc/cpuinfo').is_file():
        # The first block is the first core.
        core = Path('/proc/cpuinfo').read_text(encoding='utf-8').partition('\n\n')[0]
        parts = (line.partition(':') for line in core.splitlines())
        fields = {name.strip(): value.strip() for name, _, value in parts}
        cpu = fields.get('model name', cpu)
        if 'cpu family' in fields:
            cpu += f' (family {fields["cpu family"]}, model {fields["model"]})'
    return f'{cpu}, {os.cpu_count()} cores, torch {torch.__version__}'


@functools.cache
def git_revision() -> str:
    """The commit of this script."""
    return revision_name(Path(__file__).parent, Path(__file__).name)


# ---------------------------------------------------------------------------------------- results


def test_log(folder: Path) -> Path | None:
    """The newest scores that tools/test.py has written into its work dir."""
    logs = sorted(path for path in folder.glob('*/*.json') if path.stem == path.parent.name)
    return logs[-1] if logs else None


def scores(step: Step) -> dict[str, float]:
    """Scores of the last checkpoint of a finished step."""
    if step.result is None:
        log = test_log(step.folder)
        assert log is not None
        return json.loads(log.read_text(encoding='utf-8'))
    return last_validation(step.folder)


def temporal_consistency(step: Step) -> float:
    """TC of a finished step."""
    (found,) = json.loads((step.folder / TEMPORAL).read_text(encoding='utf-8')).values()
    return found[f'TC.{FLOW}']


def _iterations(step: Step) -> int:
    assert step.result is not None
    return int(step.result.stem.removeprefix('iter_'))


def rounds_before(folder: Path) -> list[Path]:
    """Folders of the rounds before the last one, which `folder` is of."""
    return sorted(folder.parent.glob(f'{folder.name}_round*'))


def labels_of(folder: Path) -> list[Path]:
    """Folders of the labels that a training has made, in rounds or not."""
    kinds = ('pseudo', 'source', 'target')
    return [path for kind in kinds for path in folder.parent.glob(f'{folder.name}_{kind}_labels*')]


def training_minutes(folder: Path) -> float:
    """Minutes of a finished training, without its validation."""
    last = max(int(path.stem.removeprefix('iter_')) for path in folder.glob('iter_*.pth'))
    return training_means(folder, 'time', [last])[last] * last / 60


def make_object(key: Key, work_dir: Path, origin: Mapping[str, Any]) -> dict[str, Any]:
    """The object of finished steps.

    Args:
        key: What it is about.
        work_dir: Folder of all runs.
        origin: Content of :data:`ORIGIN`.
    """
    done = steps(key, work_dir)
    found = {step.way: scores(step) for step in done}
    minutes = [
        sum(training_minutes(folder) for folder in (step.folder, *rounds_before(step.folder)))
        for step in done
        if step.result is not None
    ]
    names = [name for name in next(iter(found.values())) if name.startswith('IoU.')]
    metrics = [name for name in ('mIoU', 'aAcc', 'VPQ') if all(name in v for v in found.values())]
    entry: dict[str, Any] = dict(
        benchmark=key.benchmark, method=key.method, row=key.row, seed=key.seed
    )
    entry |= {name: _mean(row[name] for row in found.values()) for name in metrics}
    entry['classes'] = {
        name.removeprefix('IoU.'): _mean(row[name] for row in found.values()) for name in names
    }
    if key.benchmark in WAYS:
        entry['ways'] = {
            way: {name: _mean([row[name]]) for name in metrics} for way, row in found.items()
        }
    if key.benchmark in CONSECUTIVE:
        entry['TC'] = _mean(temporal_consistency(step) for step in done)
    entry |= dict(
        minutes=round(statistics.mean(minutes), 2),
        command=command_line(key),
        config=f'configs/{key.config}',
        **origin,
    )
    return entry


def _mean(values: Iterable[float]) -> float | None:
    """Mean of those that are numbers: a class that a way does not have has none."""
    finite = [value for value in values if not math.isnan(value)]
    return round(statistics.mean(finite), 2) if finite else None


def read_results(path: Path) -> list[dict[str, Any]]:
    """The objects of a file; none if it does not exist."""
    return json.loads(path.read_text(encoding='utf-8')) if path.is_file() else []


def key_of(entry: Mapping[str, Any]) -> Key:
    """What an object is about."""
    return Key(entry['benchmark'], entry['method'], entry['row'], entry['seed'])


def by_key(entries: Iterable[Mapping[str, Any]]) -> dict[Key, Mapping[str, Any]]:
    """Objects by what they are about."""
    return {key_of(entry): entry for entry in entries}


def order(key: Key) -> tuple[int, int, int, int]:
    """Place of an object in the file."""
    return (
        list(BENCHMARKS).index(key.benchmark),
        list(METHODS).index(key.method),
        own_rows(key.method).index(key.row),
        key.seed,
    )


def write_results(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Writes objects, sorted, one a line."""
    ordered = sorted(entries, key=lambda entry: order(key_of(entry)))
    lines = ',\n'.join(json.dumps(entry, allow_nan=False) for entry in ordered)
    replace_file(path, f'[\n{lines}\n]\n'.encode())


def put(path: Path, entry: Mapping[str, Any]) -> None:
    """Adds an object to a file, or replaces the one about the same; for several processes."""
    with waiting_lock(path.with_name(f'{path.name}.lock')):
        others = [old for old in read_results(path) if key_of(old) != key_of(entry)]
        write_results(path, [*others, entry])


@contextmanager
def waiting_lock(folder: Path) -> Iterator[None]:
    """Context manager: waits until no other process or thread holds a folder."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(WorkDirLock(folder))
                break
            except UserError:
                time.sleep(0.2)
        yield


def changes(
    entry: Mapping[str, Any], entries: Mapping[Key, Mapping[str, Any]], data: str | None
) -> list[str]:
    """What of an object's origin is of another time.

    Args:
        entry: The object.
        entries: All objects.
        data: Hash of today's data; None does not compare them.
    """
    key = key_of(entry)
    if not all((CONFIGS / name).is_file() for name in configs_of(key)):
        return ['its config is gone']
    found = []
    if entry['config'] != f'configs/{key.config}':
        found.append(f'its config was {entry["config"]}')
    if entry['fingerprint'] != fingerprint(key.benchmark, key.method, key.row):
        found.append('its config or that of a model that it starts from has changed')
    if data is not None and entry['data'] != data:
        found.append('the data have changed')
    if key.start in entries and entry.get(START) != entries[key.start]['mIoU']:
        found.append('the model that it starts from was trained anew')
    return found


# --------------------------------------------------------------------------------------- training


class Failed(Exception):
    """A command failed; the text says where its output is."""


class Work:
    """Runs that are to be trained, by several threads.

    Args:
        keys: What to train, in order; what starts from others comes after them.
        origins: Content of each one's :data:`ORIGIN`.
        work_dir: Folder of all runs.
        results: The file of objects.
        data_root: Folder of the data sets instead of ``data``.
    """

    def __init__(
        self,
        keys: Sequence[Key],
        origins: Mapping[Key, Mapping[str, str]],
        work_dir: Path,
        results: Path,
        data_root: Path | None = None,
    ) -> None:
        self.waiting = list(keys)
        self.total = len(self.waiting)
        self.origins = origins
        self.work_dir, self.data_root, self.results = work_dir, data_root, results
        self.jobs = 1
        self.running: set[Key] = set()
        self.failed: dict[Key, str] = {}
        self.seconds: dict[Key, float] = {}
        self._later: dict[Key, float] = {}
        self._changed = threading.Condition()
        self._processes: set[subprocess.Popen] = set()
        self._ended = False

    def run(self, jobs: int) -> None:
        """Trains everything.

        Args:
            jobs: Number of trainings at a time.
        """
        self.jobs = jobs
        threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                # With a timeout, so that signals are handled.
                while thread.is_alive():
                    thread.join(0.5)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
                for process in self._processes:
                    process.terminate()
            for thread in threads:
                thread.join(30)

    def _serve(self) -> None:
        while True:
            with self._changed:
                key = self._next()
                while key is None:
                    if self._ended or not self.waiting:
                        return
                    self._changed.wait(1.0)
                    key = self._next()
                self.waiting.remove(key)
                self.running.add(key)
            began, error, entry = time.monotonic(), None, None
            try:
                entry = self._train(key)
            except Exception as fault:  # the others go on
                error = str(fault) if isinstance(fault, Failed) else repr(fault)
            with self._changed:
                self.running.remove(key)
                if entry is not None:
                    self.seconds[key] = time.monotonic() - began
                    self._say(key, f'{entry["mIoU"]:.1f} mIoU, {entry["minutes"]:.1f} min')
                elif self._ended:
                    pass
                elif error is not None:
                    self.failed[key] = error
                    self._say(key, 'FAILED')
                else:
                    # Its place: before what comes after it in the order.
                    self.waiting.insert(0, key)
                    self._later[key] = time.monotonic() + LATER
                self._changed.notify_all()

    def _next(self) -> Key | None:
        """The first run that can start; those whose start model failed fail."""
        if self._ended:
            return None
        for key in list(self.waiting):
            if key.start in self.failed:
                self.waiting.remove(key)
                self.failed[key] = f'starts from {key.start}, which failed'
                return self._next()
            if (
                key.start not in self.waiting
                and key.start not in self.running
                and self._later.get(key, 0.0) <= time.monotonic()
            ):
                return key
        return None

    def _train(self, key: Key) -> dict[str, Any] | None:
        """Trains a run unless that is done, and writes its object.

        Returns:
            The object; None if another call holds the run.
        """
        folder = key.folder(self.work_dir)
        with ExitStack() as stack:
            try:
                # Not the folder itself: tools/train.py locks that.
                stack.enter_context(WorkDirLock(folder.with_name(f'{folder.name}.lock')))
            except UserError:
                return None
            origin: dict[str, Any] = dict(self.origins[key])
            if key.start is not None:
                origin[START] = by_key(read_results(self.results))[key.start]['mIoU']
            for step in steps(key, self.work_dir, self.data_root):
                if not is_done(step, origin):
                    self._step(key, step, origin)
            # Of the time of the training, not of today.
            saved = json.loads((folder / ORIGIN).read_text(encoding='utf-8'))
            entry = make_object(key, self.work_dir, saved)
            put(self.results, entry)
        return entry

    def _step(self, key: Key, step: Step, origin: Mapping[str, Any]) -> None:
        if not (same_origin(step.folder, origin) and step.scored):
            self._commands(key, step, origin)
        if step.temporal is not None:
            self._call(step.temporal, step.folder / 'temporal.log')

    def _commands(self, key: Key, step: Step, origin: Mapping[str, Any]) -> None:
        resume = ['--resume']
        # The weights will be others.
        (step.folder / TEMPORAL).unlink(missing_ok=True)
        if not same_origin(step.folder, origin):
            resume = ['--overwrite']
            # What another run has left must not count as the result of this one.
            for left in (*checkpoints_in(step.folder), step.folder / 'last_checkpoint'):
                left.unlink(missing_ok=True)
            while (log := test_log(step.folder)) is not None:
                log.unlink()
            for left in (*rounds_before(step.folder), *labels_of(step.folder)):
                shutil.rmtree(left)
        step.folder.mkdir(parents=True, exist_ok=True)
        replace_file(step.folder / ORIGIN, json.dumps(origin).encode())
        if needs_sfm(key.method):
            self._train_sfm(key.benchmark)
        for command in step.commands:
            if command[0] == 'tools/generate_pseudo_labels.py':
                command = [*command, '--overwrite']
            elif command[0] == 'tools/train.py':
                command = [*command, *resume]
            self._call(command, step.folder / f'{Path(command[0]).stem}.log')

    def _train_sfm(self, benchmark: str) -> None:
        """Trains the SFM of a benchmark, where the configs expect it.

        Raises:
            Failed: If that fails, or the one that is there is of other configs.
        """
        names = SFM[benchmark]
        # Benchmarks share the first phase.
        first = sfm_folder(names[0])
        with waiting_lock(first.with_name(f'{first.name}.lock')):
            if outdated := outdated_sfm(benchmark, self.data_root):
                listed = ' and '.join(map(str, outdated))
                raise Failed(f'{listed}: of other configs or data than today, delete it')
            if final_checkpoint(load(names[-1]), sfm_folder(names[-1])).is_file():
                return
            for count, command in enumerate(sfm_commands(benchmark, self.data_root), 1):
                folder = sfm_folder(names[count - 1])
                if not final_checkpoint(load(names[count - 1]), folder).is_file():
                    folder.mkdir(parents=True, exist_ok=True)
                    origin = sfm_origin(names[:count], self.data_root)
                    replace_file(folder / ORIGIN, json.dumps(origin).encode())
                    self._call(command, self.work_dir / benchmark / f'{folder.name}.log')

    def _call(self, command: list[str], log: Path) -> None:
        """Runs a tool on one thread, its output in a file.

        Raises:
            Failed: If it fails.
        """
        with open(log, 'wb') as file:
            with self._changed:
                if self._ended:
                    raise Failed('interrupted')
                process = subprocess.Popen(
                    [sys.executable, *command],
                    cwd=ROOT,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=dict(os.environ, OMP_NUM_THREADS='1'),
                )
                self._processes.add(process)
            code = process.wait()
            with self._changed:
                self._processes.remove(process)
        if code:
            lines = log.read_text(encoding='utf-8', errors='replace').split('\n')
            last = next((line.strip() for line in reversed(lines) if line.strip()), '')
            raise Failed(f'{command[0]} ended with status {code}, see {log}: {last[:200]}')

    def _say(self, key: Key, text: str) -> None:
        done = self.total - len(self.waiting) - len(self.running)
        left = self.seconds_left()
        print(
            f'[{done}/{self.total}] {key}: {text}'
            + ('' if left is None else f'; about {duration(left)} left'),
            flush=True,
        )

    def seconds_left(self) -> float | None:
        """Estimate for what is waiting and running, from runs of the same method; None without."""
        if not self.seconds:
            return None
        known: dict[tuple[str, ...], list[float]] = {}
        for key, value in self.seconds.items():
            for group in ((), (key.method,), (key.benchmark, key.method, key.row)):
                known.setdefault(group, []).append(value)

        def expected(key: Key) -> float:
            groups = ((key.benchmark, key.method, key.row), (key.method,), ())
            return statistics.mean(next(known[group] for group in groups if group in known))

        return sum(map(expected, [*self.waiting, *self.running])) / self.jobs


def same_origin(folder: Path, origin: Mapping[str, Any]) -> bool:
    """Whether a folder's run was begun from today's configs and data."""
    path = folder / ORIGIN
    if not path.is_file():
        return False
    saved = json.loads(path.read_text(encoding='utf-8'))
    # Nothing is known about the data in a dry run, and about the start model in a plan.
    return (
        saved['fingerprint'] == origin['fingerprint']
        and origin['data'] in ('', saved['data'])
        and origin.get(START) in (None, saved.get(START))
    )


def is_done(step: Step, origin: Mapping[str, Any]) -> bool:
    """Whether a step is finished and from today's configs and data."""
    return same_origin(step.folder, origin) and step.done


def duration(seconds: float) -> str:
    """Hours and minutes."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f'{hours} h {minutes} min' if hours else f'{minutes} min'


# --------------------------------------------------------------------------------------- command


def wanted(
    benchmarks: Sequence[str],
    methods: Sequence[str],
    rows: Sequence[str] | None,
    seeds: Sequence[int],
) -> list[Key]:
    """Objects that were asked for, in the order of training; `rows` is None for all."""
    found = [
        Key(benchmark, method, row, seed)
        for benchmark in benchmarks
        for method in methods
        for row in own_rows(method, benchmark)
        if rows is None or row in rows
        for seed in seeds
    ]
    return sorted(found, key=training_order)


def training_order(key: Key) -> tuple:
    """Seeds outermost, then methods before rows, and source models before what needs them."""
    return key.seed, key.row != MAIN, depth(key), *order(key)


def depth(key: Key) -> int:
    """Number of models in a row that it starts from."""
    return 0 if key.start is None else 1 + depth(key.start)


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        train: Objects to train, in order.
        origins: Their configs and data.
        notes: What is left out, and why.
    """

    train: list[Key]
    origins: dict[Key, dict[str, str]]
    notes: list[str]


def make_plan(
    keys: Sequence[Key],
    entries: Sequence[Mapping[str, Any]],
    work_dir: Path,
    data_root: Path | None = None,
    again: bool = False,
    compare_data: bool = True,
) -> Plan:
    """Decides what to train.

    Args:
        keys: The objects that were asked for.
        entries: The objects that exist.
        work_dir: Folder of all runs.
        data_root: Folder of the data sets instead of ``data``.
        again: Whether objects of other configs or data are replaced.
        compare_data: Whether the data are looked at; if not, they count as unchanged.
    """
    existing = by_key(entries)
    origins: dict[Key, dict[str, str]] = {}
    notes: list[str] = []
    blocked: dict[Key, str] = {}
    train: dict[Key, None] = {}

    def visit(key: Key, as_start: bool) -> bool:
        """Whether a run can be trained or started from; plans it where necessary."""
        if key in train:
            return True
        if key in blocked:
            return False
        if missing := [name for name in configs_of(key) if not (CONFIGS / name).is_file()]:
            blocked[key] = f'there is no configs/{missing[0]}'
            notes.append(f'{key}: {blocked[key]}')
            return False
        if key not in origins:
            try:
                data = data_digest(key, data_root) if compare_data else ''
            except (OSError, UserError, ValueError) as error:
                blocked[key] = str(error)
                notes.append(f'{key}: {str(error).splitlines()[0]}')
                return False
            origins[key] = dict(
                fingerprint=fingerprint(key.benchmark, key.method, key.row),
                data=data,
                revision=git_revision(),
                machine=machine(),
            )
        entry, replaced = existing.get(key), False
        if entry is not None:
            changed = changes(entry, existing, origins[key]['data'] if compare_data else None)
            if changed and not again:
                blocked[key] = f'{", ".join(changed)}: --again trains it anew'
                notes.append(f'{key}: {blocked[key]}')
                return False
            lacking = key.benchmark in CONSECUTIVE and 'TC' not in entry
            if lacking and not again and not as_start:
                notes.append(f'{key}: it has no TC: --again measures it')
            replaced = bool(changed) or (lacking and again)
            ready = all(is_done(step, origins[key]) for step in steps(key, work_dir, data_root))
            if not replaced and (ready or not as_start):
                return True
        if key.start is not None and not visit(key.start, True):
            notes.append(f'{key}: starts from {key.start}')
            blocked[key] = 'no start'
            return False
        train[key] = None
        return True

    for key in keys:
        visit(key, False)
    return Plan(sorted(train, key=training_order), origins, notes)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--benchmarks', nargs='+', choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument(
        '--methods',
        nargs='+',
        choices=METHODS,
        default=list(METHODS),
        help='those that they start from are trained too',
    )
    rows = sorted({row for method in METHODS for row in own_rows(method)})
    parser.add_argument(
        '--rows',
        nargs='+',
        choices=rows,
        help=f'{MAIN}: the method itself; others: rows of its ablation on {ABLATIONS}; default all',
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--jobs', type=int, default=2, help='trainings at a time')
    parser.add_argument('--work-dir', type=Path, default=WORK_DIR, help='folder of all runs')
    parser.add_argument('--data-root', type=Path, help='folder of the data sets; default data')
    parser.add_argument(
        '--again',
        action='store_true',
        help='replace results of other configs or data, and those without TC',
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='print the commands that are missing'
    )
    parser.add_argument(
        '--tables', action='store_true', help='only write the tables of docs/results.md, README.md'
    )
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error('--jobs must be 1 or more')
    # The commands run in the root of the repository.
    args.work_dir = from_root(args.work_dir)
    if args.data_root is not None:
        args.data_root = args.data_root.absolute()
    return args


def from_root(path: Path) -> Path:
    """A path from the repository's root, absolute if it is outside."""
    path = path if path == WORK_DIR else path.absolute()
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def main() -> None:
    args = parse_args()
    os.chdir(ROOT)
    with one_line('interrupted: the same call continues from here'):
        if args.tables:
            entries = read_results(RESULTS)
            existing = by_key(entries)
            for entry in entries:
                for text in changes(entry, existing, None):
                    print(f'{key_of(entry)}: {text}', file=sys.stderr)
            write_pages(entries)
            return
        keys = wanted(args.benchmarks, args.methods, args.rows, args.seeds)
        plan = make_plan(
            keys,
            read_results(RESULTS),
            args.work_dir,
            args.data_root,
            args.again,
            compare_data=not args.dry_run,
        )
        for note in plan.notes:
            print(f'left out: {note}', file=sys.stderr)
        if args.dry_run:
            commands = []
            for key in plan.train:
                if needs_sfm(key.method):
                    commands += sfm_commands(key.benchmark, args.data_root)
                for step in steps(key, args.work_dir, args.data_root):
                    commands += step.commands
            for line in dict.fromkeys(shlex.join(['python', *command]) for command in commands):
                print(line)
            return
        print(f'{len(plan.train)} to train, {args.jobs} at a time', flush=True)
        work = Work(plan.train, plan.origins, args.work_dir, RESULTS, args.data_root)
        work.run(args.jobs)
        if work.failed:
            lines = '\n'.join(f'{key}: {error}' for key, error in work.failed.items())
            raise SystemExit(f'{len(work.failed)} failed:\n{lines}')
        print('python benchmarks/small_results.py --tables writes the pages')


if __name__ == '__main__':
    main()
