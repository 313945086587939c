"""Kills runs of every method at random points, resumes them and compares how they end.

    python benchmarks/kill_and_resume.py [--methods stpl i2vda ...] [--kills 20] [--seed 0] \
        [--out work_dirs/kill_and_resume]

Every run is tools/train.py in a separate process, with the method's MiniDrive config, frames of 64
x 32 and a few channels. Each is killed repeatedly: in an iteration or a validation, with SIGKILL,
or stopped with SIGTERM or SIGUSR1, alone or with its workers, and in the middle of writing a file.
Then it is resumed until it is done and compared with an uninterrupted run: weights, optimisers,
schedules, scores, remaining files.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import os
import random
import runpy
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import matplotlib.backends.backend_agg  # noqa: F401, so that not every process imports it
import matplotlib.figure  # noqa: F401, the same
import mmengine.runner.runner
import torch
import torch._dynamo  # noqa: F401, the same
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import IterBasedTrainLoop, ValLoop
from mmseg.registry import MODELS

from mmdavss.engine.hooks.stop_signal import EXIT_CODE
from mmdavss.minidrive.generate import Settings, generate
from mmdavss.utils import atomic_backend, files
from mmdavss.utils.atomic_backend import AtomicBackend
from mmdavss.utils.inputs import natural

ROOT = Path(__file__).resolve().parents[1]
#: Config of each method, below configs/. SFC comes after the runs that it needs.
METHODS = {
    'source_only': 'source_only/accel-r18_miniviper2minicity.py',
    'adabn': 'adabn/accel-r18_miniviper2minicity.py',
    'self_training': 'stpl/accel-r18_miniviper2minicity_self-training.py',
    'stpl': 'stpl/accel-r18_miniviper2minicity.py',
    'vat': 'vat_vst/vat_deeplabv2-r18_miniviper2minivps.py',
    'vst': 'vat_vst/vst_deeplabv2-r18_miniviper2minivps.py',
    'i2vda': 'i2vda/deeplabv2-r18_miniviper2minivps.py',
    'dacs': 'dacs/accel-r18_miniviper2minicity.py',
    'daformer': 'daformer/effnet-lite0_mini.py',
    'hrda': 'hrda/effnet-lite0_mini.py',
    'mic': 'mic/effnet-lite0_mini.py',
    'vfmuda': 'mic/dinov2-tiny_mini.py',
    'adaptsegnet': 'adaptsegnet/effnet-lite0_mini.py',
    'advent': 'advent/advent_effnet-lite0_mini.py',
    'minent': 'advent/minent_effnet-lite0_mini.py',
    'rda': 'rda/effnet-lite0_mini.py',
    'fda': 'fda/effnet-lite0_mini.py',
    'pixmatch': 'pixmatch/effnet-lite0_mini.py',
    'quadmix': 'quadmix/accel-effnet-lite0_mini.py',
    'cbst': 'cbst/effnet-lite0_mini.py',
    'crst_lrent': 'crst/lrent_effnet-lite0_mini.py',
    'crst_mrkld': 'crst/mrkld_effnet-lite0_mini.py',
    'iast_warmup': 'iast/warmup_effnet-lite0_mini.py',
    'tent': 'tent/effnet-lite0_mini.py',
    'ur': 'ur/effnet-lite0_mini.py',
    'hcl': 'hcl/effnet-lite0_mini.py',
    'ld': 'ld/effnet-lite0_mini.py',
    'sepico_protocl': 'sepico/protocl_accel-r18_miniviper2minicity.py',
    'sepico_bankcl': 'sepico/bankcl_accel-r18_miniviper2minicity.py',
    'sepico_distcl': 'sepico/distcl_accel-r18_miniviper2minicity.py',
    'davsn': 'davsn/accel-r18_miniviper2minicity.py',
    'davsn_source_free': 'davsn/accel-r18_miniviper2minicity_source-free.py',
    'cmom': 'cmom/accel-effnet-lite0_mini.py',
    'tps': 'tps/accel-r18_miniviper2minicity.py',
    'tps_source_free': 'tps/accel-r18_miniviper2minicity_source-free.py',
    'flow_pretraining': 'sfc/flownets_miniviper.py',
    'sfm_pretraining': 'sfc/sfm_miniviper.py',
    'sfc': 'sfc/shared-accel-r18_miniviper2minicity.py',
    'sfc_tpl': 'sfc/shared-accel-r18_miniviper2minicity_tpl.py',
}
#: The runs whose checkpoint a method starts from, with their folders in the configs.
STARTS_FROM = {
    'sfm_pretraining': ('flow_pretraining', 'work_dirs/sfc/flownets_miniviper/iter_1500.pth'),
    'sfc': ('sfm_pretraining', 'work_dirs/sfc/sfm_miniviper/iter_600.pth'),
    'sfc_tpl': ('sfm_pretraining', 'work_dirs/sfc/sfm_miniviper/iter_600.pth'),
}
WIDTH = 4  # channels of the first layers, an eighth of those of the configs
SIZES = {
    (192, 108): (64, 36),
    (192, 96): (64, 32),
    (96, 192): (32, 64),
    (256, 144): (64, 36),
    (256, 128): (64, 32),
    (128, 256): (32, 64),
    # HRDA's frames, of which a detail has (128, 256).
    (512, 288): (128, 72),
    (512, 256): (128, 64),
    (256, 512): (64, 128),
}
PLACES = ('iteration', 'validation', 'half a file', 'file not moved', 'file moved')


@dataclass(frozen=True)
class Fault:
    """A fault in a run.

    Args:
        place: Where, one of `PLACES`. In the first two a timer is set that fires `delay` seconds
            later, wherever the run is then, or at once without a delay; the others are
            points in writing a checkpoint or the note of the last one, where the process kills
            itself.
        count: How many times that place is passed before.
        delay: Delay in seconds.
        number: The signal.
        group: Whether the worker processes get it, too.
    """

    place: str
    count: int = 0
    delay: float = 0.0
    number: signal.Signals = signal.SIGKILL
    group: bool = False

    def __str__(self) -> str:
        return f'{self.number.name} to {"all" if self.group else "one"}, {self.place} {self.count}'

    def arm(self) -> None:
        """Prepares this process."""
        if self.place == 'iteration':
            self._trigger(IterBasedTrainLoop, 'run_iter', self._set_clock)
        elif self.place == 'validation':
            self._trigger(ValLoop, 'run_iter', self._set_clock)
        elif self.place == 'half a file':
            self._trigger(AtomicBackend, 'put', self._write_half)
        elif self.place == 'file not moved':
            self._trigger(atomic_backend.os, 'replace', self._strike)
        else:
            self._trigger(AtomicBackend, 'put', self._write_all)

    def _trigger(self, owner: object, name: str, then: Callable[..., None]) -> None:
        passed = getattr(owner, name)
        calls = itertools.count()

        def passing(*args, **kwargs):
            if next(calls) == self.count:
                then(*args, **kwargs)
            return passed(*args, **kwargs)

        setattr(owner, name, passing)

    def _set_clock(self, *args: object, **kwargs: object) -> None:
        if self.delay:
            threading.Timer(self.delay, self._strike).start()
        else:  # at that place, however late another thread would begin
            self._strike()

    def _strike(self, *args: object) -> None:
        # From another process, as a cluster does: workers obey their parent.
        run, sender = os.getpid(), os.fork()
        if sender == 0:
            (os.killpg if self.group else os.kill)(run, self.number)
            os._exit(0)
        os.waitpid(sender, 0)

    def _write_half(self, backend: AtomicBackend, content: bytes, path: str | Path) -> None:
        files.unfinished_path(path).write_bytes(content[: len(content) // 2])
        self._strike()

    def _write_all(self, backend: AtomicBackend, content: bytes, path: str | Path) -> None:
        Path(path).write_bytes(content)
        self._strike()


def small_data(folder: Path) -> None:
    """A MiniDrive for all methods."""
    generate(
        folder,
        Settings(
            size=(64, 32),
            viper=2,
            viper_val=0,
            viper_frames=4,
            synthia=0,
            cityscapes=3,
            cityscapes_val=1,
            snippet_frames=(17, 19),
            gta=0,
            synthia_rand=0,
            cityscapes_vps=2,
            cityscapes_vps_val=1,
            clip_frames=(17, 20),
        ),
        progress=False,
    )


def small_config(method: str, data: Path, out: Path, iters: int = 8, workers: int = 2) -> Path:
    """Writes a method's config for `small_data`, and random weights in place of trained ones.

    Args:
        method: One of `METHODS`.
        data: Folder of the MiniDrive.
        out: Output folder; earlier runs that the method starts from are in ``out/NAME/whole``.
        iters: Iterations, with a checkpoint after every second and scores after every fourth.
        workers: Processes that load the training data.

    Returns:
        The config.
    """
    folder = out / method
    folder.mkdir(parents=True, exist_ok=True)
    cfg = Config.fromfile(ROOT / 'configs' / METHODS[method])
    text = shrunk(cfg.to_dict())
    cfg = Config(text)
    cfg.train_cfg.update(max_iters=iters)
    cfg.rounds = None  # one training
    cfg.default_hooks.checkpoint.interval = 2
    cfg.train_dataloader.update(batch_size=2, num_workers=workers, persistent_workers=workers > 0)
    for loader in filter(None, (cfg.get('val_dataloader'), cfg.get('test_dataloader'))):
        loader.update(num_workers=0, persistent_workers=False)
    if cfg.get('val_dataloader'):
        cfg.train_cfg.val_interval = 4
    pair = cfg.train_dataloader.dataset
    for owner in filter(
        None,
        (
            pair.get('source'),
            pair.get('target'),
            cfg.get('val_dataloader') and cfg.val_dataloader.dataset,
        ),
    ):
        owner.data_root = str(data / Path(owner.data_root).relative_to('data/minidrive'))
        if owner.get('frame_root'):
            owner.frame_root = str(data / Path(owner.frame_root).relative_to('data/minidrive'))
    for hook in cfg.get('custom_hooks', ()):
        # Events after many iterations are moved to the first few.
        hook.update(
            {
                key: few
                for key, few in dict(contrast_start=3, launch=3, interval=2, start=3).items()
                if key in hook
            }
        )
    if cfg.model.get('source_checkpoint'):
        cfg.model.source_checkpoint = str(_random_student(cfg, folder))
    if pair.get('target') and pair.target.get('pseudo_labels'):
        pair.target.pseudo_labels = str(folder / 'labels')
    text = cfg.pretty_text
    if method in STARTS_FROM:
        earlier, path = STARTS_FROM[method]
        text = text.replace(path, str(out / earlier / 'whole' / f'iter_{iters}.pth'))
    config = folder / 'config.py'
    config.write_text(text)
    if pair.get('target') and pair.target.get('pseudo_labels'):
        code = in_process(
            folder / 'labels.log',
            'generate_pseudo_labels.py',
            config,
            cfg.model.source_checkpoint,
            '--out',
            folder / 'labels',
            '--overwrite',
        )
        if code != 0:
            raise SystemExit(f'no pseudo-labels, see {folder / "labels.log"}')
    return config


def shrunk(value: object) -> object:
    """A part of a config with small frames and narrow layers."""
    if isinstance(value, dict):
        value = {key: shrunk(item) for key, item in value.items()}
        if value.get('base_channels') == 32:
            value.update(base_channels=WIDTH, stem_channels=WIDTH)
        elif value.get('base_channels') == 12:
            value['base_channels'] = 2
        if value.get('in_channels') in (128, 256):
            value['in_channels'] = value['in_channels'] * WIDTH // 32
        return value
    if isinstance(value, tuple) and value in SIZES:
        return SIZES[value]
    if isinstance(value, (list, tuple)):
        return type(value)(shrunk(item) for item in value)
    return value


def _random_student(cfg: Config, folder: Path) -> Path:
    init_default_scope('mmseg')
    torch.manual_seed(1)
    student = MODELS.build(cfg.model.student)
    for parameter in student.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    torch.save(
        dict(state_dict={f'student.{name}': value for name, value in student.state_dict().items()}),
        folder / 'source.pth',
    )
    return folder / 'source.pth'


def _hasten() -> None:
    """Disables a slow step that is irrelevant for such a run."""
    mmengine.runner.runner.collect_env = dict  # asks compilers for their versions


def _end_with(parent: int) -> None:
    """Has this process end when its parent does: it is in a group of its own, which nobody ends."""
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it has ended already
            os._exit(1)


def in_process(log: Path, tool: str, *args: object, fault: Fault | None = None) -> int:
    """Runs a script of tools/ in a separate process.

    It is a fork of this one: importing everything again would take most of the time.

    Args:
        log: File that its output is appended to.
        tool: Name of the script.
        args: Arguments of the command line.
        fault: Fault in the run, or None.

    Returns:
        Its exit code, or the negative number of the signal that ended it.
    """
    cv2.setNumThreads(1)  # ends the threads of OpenCV: a fork would wait for them
    parent, pid = os.getpid(), os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()
            _end_with(parent)
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(out, 1)
            os.dup2(out, 2)
            _hasten()
            if fault is not None:
                fault.arm()
            sys.argv = [tool, *map(str, args)]
            runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def train(config: Path, work_dir: Path, fault: Fault | None = None) -> int:
    """One start of a run, resumed if possible; returns the result of `in_process`."""
    return in_process(
        work_dir.with_suffix('.log'),
        'train.py',
        config,
        '--work-dir',
        work_dir,
        '--resume',
        fault=fault,
    )


def undisturbed(method: str, data: Path, out: Path, iters: int, workers: int = 2) -> Path:
    """Trains in ``out/METHOD/whole``, after the runs that it starts from, unless they exist.

    The arguments are those of `small_config`.

    Returns:
        The config.

    Raises:
        RuntimeError: If the run fails.
    """
    earlier = STARTS_FROM.get(method, (None,))[0]
    if earlier is not None and not (out / earlier / 'whole').is_dir():
        undisturbed(earlier, data, out, iters, workers)
    config = small_config(method, data, out, iters, workers)
    code = train(config, out / method / 'whole')
    if code != 0:
        raise RuntimeError(f'{method}: exit code {code}, see {out / method / "whole.log"}')
    return config


def differences(whole: Path, killed: Path) -> list[str]:
    """Differences between the output folders of two runs."""
    files = [
        {path.name for path in folder.iterdir() if '.pth' in path.name}
        for folder in (whole, killed)
    ]
    found = [f'the file {name}' for name in sorted(files[0] ^ files[1])]
    notes = [Path((folder / 'last_checkpoint').read_text()).name for folder in (whole, killed)]
    if notes[0] != notes[1]:
        found.append('last_checkpoint')
    for name in sorted(files[0] & files[1]):
        a, b = (torch.load(folder / name, weights_only=False) for folder in (whole, killed))
        for key in ('state_dict', 'optimizer', 'param_schedulers'):
            found += [f'{name}: {place}' for place in _unequal(a.get(key), b.get(key), key)]
        best = [load['message_hub']['runtime_info'].get('best_score') for load in (a, b)]
        if best[0] != best[1]:
            found.append(f'{name}: best score')
    return found


def _unequal(a: object, b: object, place: str) -> list[str]:
    if type(a) is not type(b):
        return [place]
    if isinstance(a, torch.Tensor):
        same = (
            a.dtype == b.dtype
            and a.shape == b.shape
            and bool(((a == b) | ((a != a) & (b != b))).all())
        )
        return [] if same else [place]
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return [place]
        return [found for key in a for found in _unequal(a[key], b[key], f'{place}.{key}')]
    if isinstance(a, (list, tuple)):
        if len(a) != len(b):
            return [place]
        return [
            found
            for i, (x, y) in enumerate(zip(a, b, strict=True))
            for found in _unequal(x, y, f'{place}.{i}')
        ]
    return [] if a == b else [place]


def _reached(work_dir: Path) -> int:
    note = work_dir / 'last_checkpoint'
    return int(Path(note.read_text()).stem.split('_')[-1]) if note.is_file() else 0


def checkpoints_of(work_dir: Path) -> list[Path]:
    """The checkpoints of a run, in the order of their iterations."""
    return sorted(work_dir.glob('iter_*.pth'), key=lambda path: natural(path.name))


def draw_fault(generator: random.Random, iters: int, seconds: float) -> Fault:
    """A fault at a random point.

    Args:
        generator: Random generator.
        iters: Remaining iterations.
        seconds: Duration of one iteration.
    """
    iters = max(1, iters)  # a run that is complete may lack its last validation
    place = generator.choices(PLACES, weights=(6, 1, 1, 1, 1))[0]
    if place in PLACES[2:]:
        return Fault(place, generator.randrange(iters))
    number = generator.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1))
    return Fault(
        place,
        generator.randrange(iters if place == 'iteration' else 2),
        generator.uniform(0, 1.5 * seconds),
        number,
        generator.random() < 0.5,
    )


@dataclass
class Record:
    """Record of a method's runs.

    Args:
        kills: Number of faults of each kind.
        runs: Runs that were killed, resumed to the end, and compared.
        wrong: Differences, and unexpected exit codes.
    """

    kills: Counter = field(default_factory=Counter)
    runs: int = 0
    wrong: list[str] = field(default_factory=list)


def torment(method: str, config: Path, out: Path, iters: int, kills: int, seed: int) -> Record:
    """Kills and resumes runs of a method.

    Args:
        method: Its name.
        config: Its config.
        out: Output folder, with the undisturbed run in ``whole``.
        iters: Iterations of a run.
        kills: Number of faults.
        seed: Random seed of the faults.
    """
    generator, record = random.Random(f'{method} {seed}'), Record()
    stamps = [path.stat().st_mtime for path in checkpoints_of(out / 'whole')]
    seconds = max(0.05, stamps[-1] - stamps[0]) / 2
    while record.kills.total() < kills:
        work_dir, chain = out / f'killed{record.runs}', []
        while True:
            fault = None
            if record.kills.total() < kills and len(chain) < 5:
                fault = draw_fault(generator, iters - _reached(work_dir), seconds)
            code = train(config, work_dir, fault)
            if code == 0:
                break
            chain.append(str(fault))
            if fault is None or code not in (-fault.number, EXIT_CODE):
                record.wrong.append(f'{method}: exit code {code} after {chain}')
                return record
            record.kills[f'{fault.number.name}: {fault.place}'] += 1
        record.runs += 1
        record.wrong += [
            f'{method}: {what} after {chain}' for what in differences(out / 'whole', work_dir)
        ]
    return record


def main(args: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Kill runs, resume them, compare the end')
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=list(METHODS))
    parser.add_argument('--kills', type=int, default=20, help='faults for each method')
    parser.add_argument('--iters', type=int, default=8, help='iterations of a run')
    parser.add_argument('--workers', type=int, default=2, help='processes that load the data')
    parser.add_argument('--seed', type=int, default=0, help='random seed of the faults')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/kill_and_resume'),
        help='output folder, which must not exist',
    )
    options = parser.parse_args(args)
    if options.out.exists():
        parser.error(f'{options.out} exists: delete it, or name another folder with --out')
    torch.set_num_threads(1)
    small_data(options.out / 'data')
    wrong, total = [], Counter()
    print('| method | runs | kills | differences | s |\n|---|---|---|---|---|', flush=True)
    for method in (name for name in METHODS if name in options.methods):
        start = time.monotonic()
        config = undisturbed(
            method, options.out / 'data', options.out, options.iters, options.workers
        )
        record = torment(
            method, config, options.out / method, options.iters, options.kills, options.seed
        )
        wrong += record.wrong
        total += record.kills
        print(
            f'| {method} | {record.runs} | {record.kills.total()} | {len(record.wrong)} | '
            f'{time.monotonic() - start:.0f} |',
            flush=True,
        )
    print(*(f'{what}: {count}' for what, count in sorted(total.items())), *wrong, sep='\n')
    raise SystemExit(int(bool(wrong)))


if __name__ == '__main__':
    main()
