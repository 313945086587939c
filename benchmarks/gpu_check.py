"""Checks on a GPU that everything runs, equals the CPU and costs what the documentation says.

    python benchmarks/gpu_check.py [--parts ops methods ...] [--only TEXT ...] [--seconds 520] \
        [--out work_dirs/gpu_check] [--resume] [--cpu] [--write]

Needs one GPU, the checkout and the packages of a training; no data, no weights: networks have
random weights, batches random content. Every check has a line of output. Both files in the output
folder, gpu_check.json (with tracebacks) and gpu_check.md, are written after each check, so that an
interrupted run keeps what it has. A failure stops no other check; a part whose process crashes goes
on with the next check. On a GPU the parts run beside each other, and then, alone, ``configs``,
whose times are compared. What the time (``--seconds``, after the start of the script) does not
suffice for is counted in one line of each part, and listed in the files as left out; ``--resume``
runs it in a further call. The last line says how many checks failed and how many the time left
out. The exit code is 1 if a check failed; 75 (``EX_TEMPFAIL``) if none did, but the time left some
out; 0 if neither. What does not apply, as what needs a GPU, counts as neither. ``--write`` writes
the tables to docs/gpu.md.

Without a GPU, or with ``--cpu``, the script runs what it can on the CPU, with the MiniDrive configs
in place of those of full size, and lists what needs a GPU.

docs/gpu.md says what each part shows.
"""

from __future__ import annotations

import argparse
import copy
import gc
import itertools
import json
import math
import os
import platform
import re
import runpy
import signal
import statistics
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import full_size
import kill_and_resume
import torch
import torch.distributed as distributed
from gpu_functions import DrawsOnHost, Figures, Missed, compare, full_precision, functions
from mmengine.config import Config
from mmengine.hooks import LoggerHook
from mmengine.logging import MessageHub
from mmengine.model import MMSeparateDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import get_priority
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.registry import HOOKS
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import DataLoader

from mmdavss.analysis.results import with_part
from mmdavss.engine import GroupedDistributedDataParallel
from mmdavss.engine.hooks.run_report import revision_name
from mmdavss.launch.prepare import _use_amp
from mmdavss.modules import SFM
from mmdavss.structures import ClipSample
from mmdavss.testing.methods import (
    NUM_CLASSES,
    MethodCase,
    Training,
    build_method,
    build_optimisers,
    optimisers_of,
    separate,
    training_batch,
)
from mmdavss.testing.numerics import (
    calls_torch,
    double_precision,
    draws_of_global_batch,
    synchronised_batch_norm,
)
from mmdavss.utils.files import replace_file
from mmdavss.utils.processes import cores
from mmdavss.video_nets import VideoNet

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / 'docs/gpu.md'
BEGIN = '<!-- Results: written by `python benchmarks/gpu_check.py --write` -->'
END = '<!-- End of results -->'
#: Exit code of a part's process after an error that leaves the GPU unusable for it.
BROKEN = 3
#: Processes in the comparison with one process.
WORLD = 2
#: Seconds of a run, which the parts share; with the start and the end it is under 10 minutes.
SECONDS = 520
#: Why checks are left out at the end of the time: those that had not begun, and one that had.
NO_TIME, CUT_OFF = 'no time left', 'ran out of time'
#: Exit code if nothing failed, but the time left something out (``EX_TEMPFAIL``).
UNFINISHED = 75
#: How the error of checks begins whose process ended before them.
NOT_REACHED = 'the process ended with exit code'
#: Largest time of a step over that of its networks' passes alone.
LARGEST_RATIO = 1.1
PRECISIONS = ('float32', 'fp16', 'bf16')

Checks = Iterable[tuple[str, Callable[[], Figures | None]]]


class Skipped(Exception):
    """A check does not apply here; says why."""


def cases() -> dict[str, MethodCase]:
    """The methods of the tests; first those to which all tests apply."""
    table = runpy.run_path(str(ROOT / 'tests/methods/table.py'))['CASES']
    return dict(sorted(table.items(), key=lambda item: not item[1].thorough))


def moved(value: Any, device: str) -> Any:
    """A batch, a state or any other tree with its tensors on a device."""
    if isinstance(value, Mapping):
        return {key: moved(item, device) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, '_fields'):
        return type(value)(*(moved(item, device) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(moved(item, device) for item in value)
    return value.to(device) if hasattr(value, 'to') else value


def chosen(name: str, only: Sequence[str]) -> bool:
    """Whether a name has one of the texts in it, or there are none."""
    return not only or any(text in name for text in only)


def need_gpu(device: str) -> None:
    """Skips a check on the CPU.

    Raises:
        Skipped: On the CPU.
    """
    if device == 'cpu':
        raise Skipped('needs a GPU')


# ------------------------------------------------------------------------------------- functions


def check_functions(device: str, only: Sequence[str] = ()) -> Checks:
    """Part ``ops``."""
    init_default_scope('mmseg')
    for name, make in functions().items():
        yield name, lambda make=make: compare(make(), device)


# --------------------------------------------------------------------------------- small methods


def digests(model: nn.Module) -> dict[str, Tensor]:
    """One number of each tensor of a state, which changes with it."""
    return {name: value.double().sum() for name, value in model.state_dict().items()}


def changed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> set[str]:
    """Names of the tensors that differ."""
    names = list(before)
    differ = torch.stack([before[name] != after[name] for name in names]).tolist()
    return {name for name, own in zip(names, differ, strict=True) if own}


def trains(model: nn.Module, wrapper: Any, step: Callable[[], dict], tries: int = 1) -> Figures:
    """Runs steps until all players' weights have changed.

    Args:
        model: The method.
        wrapper: Its optimisers.
        step: Runs a step and returns the log.
        tries: Steps: loss scaling leaves out the first ones until its factor is small enough.

    Raises:
        Missed: If a number is not finite or the weights of a player stay.
    """
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    players = optimisers_of(wrapper)
    before = digests(model)
    for _ in range(tries):
        log = {key: value.item() for key, value in step().items()}
        wrong = [key for key, value in log.items() if not math.isfinite(value)]
        if wrong:
            raise Missed(f'not finite: {", ".join(wrong)}')
        after = digests(model)
        new = changed(before, after)
        still = [
            player
            for player in players
            if trained
            and not any(
                player == 'model' or name.startswith(f'{player}.') for name in new & trained
            )
        ]
        if not still and new:
            break
    else:
        raise Missed(f'weights stay after {tries} steps: {still or "all"}')
    wrong = [name for name in new if not bool(after[name].isfinite())]
    if wrong:
        raise Missed(f'not finite: {", ".join(sorted(wrong)[:5])}')
    return dict(losses=log)


AMP: dict[str, dict] = dict(
    float32={},
    fp16=dict(type='AmpOptimWrapper', loss_scale='dynamic'),
    bf16=dict(type='Bfloat16OptimWrapper'),
)


def run_small(case: MethodCase, device: str, precision: str) -> Figures:
    """Trains a small method in a precision."""
    if precision == 'fp16':
        need_gpu(device)
    model = build_method(case).to(device)
    wrapper = build_optimisers(model, **AMP[precision])
    run = Training(case, model, wrapper)
    return trains(
        model,
        wrapper,
        lambda: run(moved(training_batch(case), device)),
        tries=20 if precision == 'fp16' else 1,
    )


def waits_of(step: Callable[[], Any], known: Sequence[str], device: str) -> Figures:
    """Where a step waits for the GPU.

    Args:
        step: Runs a step whose batch is on the GPU or in pinned memory.
        known: Files that are known to wait.
        device: Where.

    Raises:
        Missed: If another one waits.
    """
    need_gpu(device)
    step()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('error')
    try:
        step()
        return dict(text='none')
    except RuntimeError as error:
        if 'synchronizing' not in str(error):
            raise
    finally:
        torch.cuda.set_sync_debug_mode('default')
    places: set[str] = set()

    def note(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        if 'synchronizing' in str(message):
            places.add(_place(traceback.extract_stack()))

    with warnings.catch_warnings():
        warnings.simplefilter('always')
        warnings.showwarning = note
        torch.cuda.set_sync_debug_mode('warn')
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode('default')
    if {place.partition(':')[0] for place in places} <= {*known} and places:
        return dict(text='known', places=sorted(places))
    raise Missed(f'waits in {", ".join(sorted(places)) or "an unknown place"}')


def _place(stack: Iterable[traceback.FrameSummary]) -> str:
    """File and line of the innermost frame that is neither this script's nor within torch."""
    for frame in reversed(list(stack)):
        path = Path(frame.filename)
        if calls_torch(path) and path != Path(__file__) and path.name != 'warnings.py':
            return f'{path.name}:{frame.lineno}'
    return 'unknown'


def small_waits(case: MethodCase, device: str) -> Figures:
    """Where a step of a small method waits."""
    need_gpu(device)
    model = build_method(case).to(device)
    run = Training(case, model, build_optimisers(model))
    data = moved(training_batch(case), device)
    return waits_of(lambda: run(copy.copy(data)), case.waits, device)


def history(
    case: MethodCase, device: str, compile_options: Mapping[str, Any] | None = None
) -> tuple[list[dict], dict]:
    """Logs of two iterations in float64 and the final state, on the CPU.

    Args:
        case: The method.
        device: Where to train.
        compile_options: Those of ``torch.compile``, or None for no compilation.
    """
    with double_precision():
        model = build_method(case).to(device)
        if compile_options is not None:
            compile_nets(model, compile_options)
        run = Training(case, model, build_optimisers(model))
        torch.manual_seed(1)
        logs = [run(moved(training_batch(case, step), device)) for step in range(2)]
    return moved(logs, 'cpu'), moved(model.state_dict(), 'cpu')


def differences(ours: tuple[list[dict], dict], theirs: tuple[list[dict], dict]) -> float:
    """Largest relative difference of two trainings.

    Raises:
        AssertionError: If it is more than rounding in float64.
    """
    worst = 0.0
    for own, other in zip((*ours[0], ours[1]), (*theirs[0], theirs[1]), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-6, atol=1e-9)
        for name, value in own.items():
            if value.numel() == 0:
                continue
            size = max(other[name].double().abs().max().item(), 1e-3)
            worst = max(worst, (value - other[name]).double().abs().max().item() / size)
    return worst


def small_equal(case: MethodCase, device: str) -> Figures:
    """Compares two iterations on a device with the CPU, in float64, with the same draws."""
    need_gpu(device)
    with full_precision(), DrawsOnHost():
        worst = differences(history(case, device), history(case, 'cpu'))
    return dict(difference=worst, text=f'{worst:.0e}')


def check_methods(device: str, only: Sequence[str] = ()) -> Checks:
    """Part ``methods``."""
    init_default_scope('mmseg')
    for name, case in cases().items():
        for precision in PRECISIONS:
            yield f'{name}: {precision}', partial(run_small, case, device, precision)
        yield f'{name}: waits', partial(small_waits, case, device)
        yield f'{name}: equal', partial(small_equal, case, device)


# --------------------------------------------------------------------------------- torch.compile


def compile_nets(model: nn.Module, options: Mapping[str, Any]) -> None:
    """Compiles the video nets of a method, as ``--compile`` does."""
    for part in model.modules():
        if isinstance(part, VideoNet):
            part.compile(**options)


@contextmanager
def compiling(device: str) -> Iterator[dict[str, Any]]:
    """Context manager: the options of ``torch.compile`` there, with nothing compiled before.

    Raises:
        Missed: If nothing was compiled in it.
    """
    torch.compiler.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    # A backend for CPUs that traces and generates no code.
    yield dict(backend='aot_eager' if device == 'cpu' else 'inductor')
    if not counters['stats']['unique_graphs']:
        raise Missed('nothing was compiled')


def small_compiled(case: MethodCase, device: str) -> Figures:
    """Compares two iterations of compiled nets with those of plain ones, in float64."""
    if case.student is None:
        raise Skipped('has no video net')
    with full_precision():
        with compiling(device) as options:
            ours = history(case, device, options)
        worst = differences(ours, history(case, device))
    return dict(options, difference=worst, text=f'{worst:.0e}')


def check_compile(device: str, only: Sequence[str] = ()) -> Checks:
    """Part ``compile``: one case of each method."""
    init_default_scope('mmseg')
    seen = set()
    for name, case in cases().items():
        if case.model['type'] not in seen:
            seen.add(case.model['type'])
            yield name, partial(small_compiled, case, device)


# ---------------------------------------------------------------------------------- two processes

#: Sums one number over two processes on one GPU.
NCCL = """
import datetime, sys, torch
from torch import distributed
rank, store = int(sys.argv[1]), sys.argv[2]
torch.cuda.set_device(rank % torch.cuda.device_count())
distributed.init_process_group('nccl', init_method=f'file://{store}', rank=rank, world_size=2,
                               timeout=datetime.timedelta(seconds=30))
x = torch.ones(1, device='cuda')
distributed.all_reduce(x)
assert x.item() == 2
"""


def nccl_works() -> bool:
    """Whether two processes can use NCCL here; it may refuse two on one GPU."""
    with TemporaryDirectory() as folder:
        started = [
            subprocess.Popen(
                [sys.executable, '-c', NCCL, str(rank), f'{folder}/store'],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for rank in range(WORLD)
        ]
        try:
            return all(process.wait(60) == 0 for process in started)
        except subprocess.TimeoutExpired:
            return False
        finally:
            for process in started:
                process.kill()
                process.wait()


def _train_part(
    case: MethodCase, device: str, rank: int | None = None
) -> tuple[list[dict], dict[str, Tensor]]:
    """Two iterations on the whole batch, or on that of a process."""
    with double_precision():
        model = build_method(case).to(device)
        trainer: Any = None
        part = {}
        draws: Any = nullcontext()
        if rank is not None:
            options = dict(find_unused_parameters=bool(case.idle))
            if separate(model):
                trainer = MMSeparateDistributedDataParallel(model, **options)
            else:
                trainer = GroupedDistributedDataParallel(model, broadcast_buffers=False, **options)
            part = dict(first=rank * case.clips, count=case.clips)
            draws = draws_of_global_batch(rank, WORLD)
        batches = [moved(training_batch(case, step, **part), device) for step in range(2)]
        run = Training(case, model, build_optimisers(model), trainer)
        torch.manual_seed(1)
        with draws, full_precision():
            logs = [run(batch) for batch in batches]
    return moved(logs, 'cpu'), moved(model.state_dict(), 'cpu')


def _work_of_rank(
    rank: int, folder: str, names: Sequence[str], device: str, backend: str, seconds: float
) -> None:
    """One of the processes: saves the result of each method, or its traceback."""
    if device == 'cpu':
        torch.set_num_threads(1)
    else:
        torch.cuda.set_device(rank % torch.cuda.device_count())
    init_default_scope('mmseg')
    distributed.init_process_group(
        backend,
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=WORLD,
        timeout=timedelta(seconds=seconds),
    )
    nn.BatchNorm2d.forward = synchronised_batch_norm(WORLD)  # type: ignore[method-assign]
    for name in names:
        try:
            result: Any = _train_part(cases()[name], device, rank)
        except Exception:
            result = traceback.format_exc()
        torch.save(result, f'{folder}/{name}.{rank}.part')
        os.replace(f'{folder}/{name}.{rank}.part', f'{folder}/{name}.{rank}')
    distributed.destroy_process_group()


class Processes:
    """Trains methods in two processes, on one GPU where there are not two.

    Args:
        device: ``cuda`` or ``cpu``.
        names: The methods.
        seconds: Time that a process waits for the other.
    """

    def __init__(self, device: str, names: Sequence[str], seconds: float = 30.0) -> None:
        self.device, self.names, self.seconds = device, names, seconds
        self.context: Any = None
        self.error = ''

    @cached_property
    def backend(self) -> str:
        """What the processes communicate by."""
        return 'nccl' if self.device != 'cpu' and nccl_works() else 'gloo'

    @cached_property
    def folder(self) -> TemporaryDirectory:
        """Where the processes save results; they have been started."""
        # Processes that have not ended may still write when this one ends.
        folder = TemporaryDirectory(ignore_cleanup_errors=True)
        # By fork, for which this process must not have used the GPU yet: no second import.
        self.context = torch.multiprocessing.start_processes(
            _work_of_rank,
            (folder.name, self.names, self.device, self.backend, self.seconds),
            WORLD,
            join=False,
            daemon=True,
            start_method='fork',
        )
        return folder

    def _ended(self) -> bool:
        """Whether both processes have ended; waits a little if not."""
        try:
            return self.context.join(0.1)
        except Exception as error:  # of one of them; the other one has been ended
            self.error = self.error or str(error)
            return True

    def results(self, name: str) -> list[Any]:
        """What each process saved of a method, as soon as both have.

        They run the methods from the first one that is asked for on: those before have run already.

        Raises:
            Missed: If they ended before.
        """
        if 'folder' not in vars(self):
            self.names = self.names[self.names.index(name) :]
        files = [Path(f'{self.folder.name}/{name}.{rank}') for rank in range(WORLD)]
        ended = False
        while not all(file.is_file() for file in files):
            if ended:
                raise Missed(f'the processes ended before: {self.error}')
            ended = self._ended()
        return [torch.load(file, weights_only=False) for file in files]

    def compare(self, name: str) -> Figures:
        """Compares a method's results with those of one process."""
        found = self.results(name)
        logs, state = _train_part(cases()[name], self.device)
        worst = 0.0
        for result in found:
            if isinstance(result, str):
                raise Missed(result)
            # mmseg's accuracy is that of each process.
            kept, others = (
                [{k: v for k, v in log.items() if 'acc_seg' not in k} for log in own]
                for own in (logs, result[0])
            )
            worst = max(worst, differences((others, result[1]), (kept, state)))
        return dict(backend=self.backend, difference=worst, text=f'{self.backend}, {worst:.0e}')


def check_processes(device: str, only: Sequence[str] = ()) -> Checks:
    """Part ``processes``."""
    init_default_scope('mmseg')
    names = [name for name, case in cases().items() if case.thorough and chosen(name, only)]
    both = Processes(device, names)
    for name in names:
        yield name, partial(both.compare, name)


# -------------------------------------------------------------------------------- kill and resume

#: Adversaries, a teacher with masked images, an attack with a gate. The steps of these methods and
#: networks have no operator that adds in an order that varies on a GPU (the gradients of sampling
#: with flow and of pooling, sums by class).
RESUMED = ('adaptsegnet', 'mic', 'rda')


class Resumed:
    """Small trainings that are killed and resumed, with deterministic algorithms."""

    #: Iterations; a checkpoint after 2 and 4.
    ITERS = 4

    @cached_property
    def folder(self) -> TemporaryDirectory:
        """A small MiniDrive, and the outputs."""
        folder = TemporaryDirectory()
        torch.set_num_threads(1)
        kill_and_resume.small_data(Path(folder.name) / 'data')
        return folder

    def compare(self, method: str) -> Figures:
        """Two whole runs and a killed and resumed one of a method are equal, bit for bit."""
        out = Path(self.folder.name)
        config = kill_and_resume.small_config(method, out / 'data', out, self.ITERS, workers=0)
        with config.open('a') as file:
            # What has no deterministic form warns; the two whole runs show whether it matters.
            file.write('\nrandomness = dict(seed=0, deterministic=True)\n')
        whole, again, killed = (out / method / name for name in ('whole', 'again', 'killed'))
        for folder in (whole, again):
            self._train(config, folder)
        fault = kill_and_resume.Fault('iteration', count=self.ITERS - 1)
        self._train(config, killed, fault, -signal.SIGKILL)
        if not (killed / 'iter_2.pth').is_file() or (killed / f'iter_{self.ITERS}.pth').exists():
            raise Missed('the run was not killed between its checkpoints')
        self._train(config, killed)
        for name, other in (('two whole runs', again), ('a whole and a resumed run', killed)):
            found = kill_and_resume.differences(whole, other)
            if found:
                raise Missed(f'{name} differ in {len(found)} places: {", ".join(found[:5])}')
        return dict(text='bit-equal')

    def _train(self, config: Path, folder: Path, fault: Any = None, code: int = 0) -> None:
        got = kill_and_resume.train(config, folder, fault)
        if got != code:
            log = folder.with_suffix('.log').read_text()
            raise Missed(f'exit code {got}, expected {code}: {log[-3000:]}')


def check_resume(device: str, only: Sequence[str] = ()) -> Checks:
    """Part ``resume``."""
    runs = Resumed()
    for method in RESUMED:
        yield method, partial(runs.compare, method)


# ---------------------------------------------------------------------------------- real configs


def counted_memory(page: str, known: Sequence[str]) -> dict[str, float | None]:
    """Memory of a step of full-size configs in GiB, as docs/speed.md says; None if it does not.

    Args:
        page: The page.
        known: All full-size configs.
    """
    rows = full_size.rows_of(page)
    return {
        name: float(rows[name].split(' | ')[4].strip('*')) if name in rows else None
        for name in known
    }


def words_of(name: str) -> set[str]:
    """What the name of a config says: method, network, domains, options."""
    return {*re.split('[/_]', name)}


def most_different_first(words: Mapping[str, set[str]]) -> list[str]:
    """Orders names so that each next one has the most words that none before it has."""
    left, seen, order = dict(words), set(), []
    while left:
        name = max(left, key=lambda name: len(left[name] - seen))
        order.append(name)
        seen |= left.pop(name)
    return order


def realistic(batch: dict, num_classes: int) -> dict:
    """A batch of random content on the host, as the data loader gives it.

    Args:
        batch: A batch on the meta device, after the data preprocessor, see
            :func:`full_size.training_batch`.
        num_classes: Labels are below.
    """
    generator = torch.Generator().manual_seed(0)

    def drawn(x: Tensor, kind: str) -> list[Tensor]:
        if 'flow' in kind:
            values = torch.randn(x.shape, generator=generator) * 2
        else:
            values = torch.randint(256, x.shape, dtype=torch.uint8, generator=generator)
        return [*values]

    def labels(x: Tensor) -> PixelData:
        coarse = [-(-side // 32) for side in x.shape[-2:]]
        blocks = torch.randint(num_classes, (len(x), 1, *coarse), generator=generator)
        made = F.interpolate(blocks.float(), scale_factor=32)[:, 0, : x.shape[1], : x.shape[2]]
        made[:, : x.shape[1] // 8] = 255
        return PixelData(data=made.long())

    def soft(x: Tensor) -> PixelData:
        made = torch.randint(num_classes, x.shape, generator=generator)
        made[2:] %= 128  # the shares of two classes beside the label's
        return PixelData(data=made.to(x.dtype))

    inputs = {
        domain: {
            kind: drawn(x, kind)
            for kind, x in clip._asdict().items()
            if x is not None and kind != 'raw'  # which the data preprocessor makes
        }
        for domain, clip in batch['inputs'].items()
    }
    samples: dict[str, list[ClipSample]] = {domain: [] for domain in inputs}
    for domain, own in batch['data_samples'].items():
        for sample in own:
            made = ClipSample(metainfo=sample.metainfo)
            samples[domain].append(made)
            if 'gt_clip_seg' in sample:
                made.gt_clip_seg = labels(sample.gt_clip_seg.data)
                made.gt_sem_seg = PixelData(data=made.gt_clip_seg.data[-1:])
            elif 'gt_sem_seg' in sample:
                made.gt_sem_seg = labels(sample.gt_sem_seg.data)
            if 'gt_rare_seg' in sample:
                made.gt_rare_seg = labels(sample.gt_rare_seg.data)
            if 'gt_soft_seg' in sample:
                made.gt_soft_seg = soft(sample.gt_soft_seg.data)
    return dict(inputs=inputs, data_samples=samples)


def networks(model: nn.Module) -> Iterator[nn.Module]:
    """The outermost networks of a method: backbones, layers of heads, flow nets, discriminators."""
    containers = (VideoNet, BaseSegmentor, BaseDecodeHead, SFM, nn.ModuleList)
    for child in model.children():
        if isinstance(child, containers):
            yield from networks(child)
        elif any(True for _ in child.parameters()):
            yield child


@dataclass
class Call:
    """A pass of a network.

    Attributes:
        network: The network.
        inputs: Its arguments, with a :class:`Shape` for each tensor.
        gradients: Whether the graph was recorded.
        trained: Whether each parameter needed a gradient then.
        modes: Whether each module was in training mode then.
        backward: Whether a gradient came back.
    """

    network: nn.Module
    inputs: tuple[tuple, dict]
    gradients: bool
    trained: list[bool]
    modes: list[bool]
    backward: bool = False

    @classmethod
    def of(cls, network: nn.Module, args: tuple, kwargs: dict) -> Call:
        """A pass that has just ended."""
        inputs = tree_map(Shape.of, (args, kwargs))
        return cls(network, inputs, torch.is_grad_enabled(), *cls._state(network))

    @staticmethod
    def _state(network: nn.Module) -> tuple[list[bool], list[bool]]:
        return (
            [parameter.requires_grad for parameter in network.parameters()],
            [module.training for module in network.modules()],
        )

    def _restore(self, trained: Iterable[bool], modes: Iterable[bool]) -> None:
        for parameter, own in zip(self.network.parameters(), trained, strict=True):
            parameter.requires_grad_(own)
        for module, own in zip(self.network.modules(), modes, strict=True):
            module.training = own

    @contextmanager
    def again(self) -> Iterator[Callable[[], None]]:
        """Context manager: what runs it again, alone, with other numbers, which are drawn before.

        A network that a method freezes for this pass is frozen here, too.
        """
        args, kwargs = tree_map(lambda x: x.drawn() if isinstance(x, Shape) else x, self.inputs)
        drawn = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]

        def run() -> None:
            with torch.set_grad_enabled(self.gradients):
                out = self.network(*args, **kwargs)
            if self.backward:
                ends = [x for x in tree_leaves(out) if isinstance(x, Tensor) and x.requires_grad]
                torch.autograd.backward(ends, [torch.ones_like(x) for x in ends])
            for x in drawn:
                x.grad = None  # nothing is added to it in the next run

        before = self._state(self.network)
        self._restore(self.trained, self.modes)
        try:
            yield run
        finally:
            self._restore(*before)


@dataclass(frozen=True)
class Shape:
    """What a tensor is like; not a tree, so that it is a leaf."""

    size: torch.Size
    dtype: torch.dtype
    device: torch.device
    requires_grad: bool

    @classmethod
    def of(cls, value: Any) -> Any:
        """That of a tensor; anything else as it is."""
        if not isinstance(value, Tensor):
            return value
        return cls(value.shape, value.dtype, value.device, value.requires_grad)

    def drawn(self) -> Tensor:
        """A tensor of random numbers."""
        made = torch.randn(self.size, device=self.device).to(self.dtype)
        return made.requires_grad_(self.requires_grad)


@contextmanager
def recorded(parts: Iterable[nn.Module]) -> Iterator[list[Call]]:
    """Context manager: the passes of networks."""
    calls: list[Call] = []

    def note(network: nn.Module, args: tuple, kwargs: dict, out: Any) -> None:
        call = Call.of(network, args, kwargs)
        calls.append(call)

        def came(_: Tensor) -> None:
            call.backward = True

        for x in tree_leaves(out):
            if isinstance(x, Tensor) and x.requires_grad:
                x.register_hook(came)

    handles = [part.register_forward_hook(note, with_kwargs=True) for part in parts]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def seconds_of(run: Callable[[], Any], device: str, rounds: int = 5) -> float:
    """Median time of a computation: of the GPU, or the process's CPU time of a single round."""
    times = []
    for _ in range(1 if device == 'cpu' else rounds):
        if device == 'cpu':
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        else:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            begin.record()
            run()
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end) / 1000)
    return statistics.median(times)


class Iterations:
    """Iterations of a training with its hooks, none of which writes a log.

    FiniteGuardHook, DeferredInfoHook and the hooks of the config, in the order in which a runner
    calls them.

    Args:
        cfg: The config.
        model: Its model.
        wrapper: Its optimisers.
    """

    def __init__(self, cfg: Config, model: nn.Module, wrapper: Any) -> None:
        own = [HOOKS.build(dict(hook)) for hook in cfg.get('custom_hooks') or []]
        hooks = [HOOKS.build(dict(type=f'{kind}Hook')) for kind in ('FiniteGuard', 'DeferredInfo')]
        self.hooks = sorted([*hooks, *own], key=lambda hook: get_priority(hook.priority))
        self.runner: Any = SimpleNamespace(
            model=model,
            optim_wrapper=wrapper,
            # The last one, when all has begun for which a hook waits.
            iter=cfg.train_cfg.max_iters - 1,
            epoch=0,
            # It does not end, and the log is not due.
            max_iters=sys.maxsize,
            max_epochs=1,
            hooks=[LoggerHook(interval=sys.maxsize)],
            train_dataloader=DataLoader(range(sys.maxsize)),
            message_hub=MessageHub('gpu_check'),
            work_dir='.',
        )
        for hook in own:
            hook.before_run(self.runner)
        for hook in self.hooks:
            hook.before_train(self.runner)

    def __call__(self, data: dict) -> dict[str, Tensor]:
        """Trains on a batch and returns the log."""
        runner = self.runner
        for hook in self.hooks:
            hook.before_train_iter(runner, runner.iter, data)
        log = runner.model.train_step(data, runner.optim_wrapper)
        for hook in self.hooks:
            hook.after_train_iter(runner, runner.iter, data, log)
        runner.iter += 1
        return log


class RealConfig:
    """Training steps of a config, at its size.

    Args:
        name: That of the config, below ``configs/``, without ``.py``.
        device: ``cuda`` or ``cpu``.
        counted: Memory of a step in GiB, counted by benchmarks/full_size.py; None if unknown.
    """

    def __init__(self, name: str, device: str, counted: float | None = None) -> None:
        self.name, self.device, self.counted = name, device, counted

    @cached_property
    def cfg(self) -> Config:
        """The config."""
        return Config.fromfile(ROOT / f'configs/{self.name}.py')

    @cached_property
    def key(self) -> str:
        """What its steps depend on."""
        return repr((full_size.step_key(self.cfg), self.cfg.get('custom_hooks')))

    @cached_property
    def model(self) -> nn.Module:
        """The method, with random weights, on the device."""
        peak = self.counted
        if self.device.startswith('cuda') and peak is not None:
            gc.collect()
            torch.cuda.empty_cache()
            free, _ = torch.cuda.mem_get_info()
            if peak * 2**30 * 1.1 + 1e9 > free:
                raise Skipped(f'needs {peak} GiB, {free / 2**30:.1f} are free')
        torch.manual_seed(0)
        return full_size.build(self.cfg, self.device).to(self.device)

    @cached_property
    def data(self) -> dict:
        """A batch on the host, in pinned memory if the device is a GPU."""
        batch = full_size.training_batch(self.cfg)
        made = realistic(batch, getattr(self.model, 'num_classes', NUM_CLASSES))
        pin = self.device.startswith('cuda')
        return next(iter(DataLoader([made], batch_size=None, pin_memory=pin)))

    def steps(self, precision: str = 'float32') -> tuple[Any, Callable[[], dict]]:
        """New optimisers and hooks, and an iteration with them, as in training."""
        cfg = copy.deepcopy(self.cfg)
        if precision != 'float32':
            _use_amp(cfg, precision)
        wrapper = build_optim_wrapper(self.model, cfg.optim_wrapper)
        run = Iterations(cfg, self.model, wrapper)
        return wrapper, lambda: run(copy.copy(self.data))

    def forget(self) -> None:
        """Frees everything."""
        for name in ('model', 'data'):
            self.__dict__.pop(name, None)

    def train(self, precision: str) -> Figures:
        """Runs steps in a precision."""
        if precision == 'fp16':
            need_gpu(self.device)
        wrapper, step = self.steps(precision)
        figures = trains(self.model, wrapper, step, tries=20 if precision == 'fp16' else 1)
        took = seconds_of(step, self.device, rounds=1)
        return dict(figures, seconds_of_step=took, text=f'{took * 1000:.0f} ms')

    def compiled(self) -> Figures:
        """Runs steps with compiled video nets; they stay so."""
        if not any(isinstance(part, VideoNet) for part in self.model.modules()):
            raise Skipped('has no video net')
        with compiling(self.device) as options:
            compile_nets(self.model, options)
            wrapper, step = self.steps()
            start = time.monotonic()
            figures = trains(self.model, wrapper, step)
            first = time.monotonic() - start
        took = seconds_of(step, self.device, rounds=1)
        text = f'{first:.0f} s, then {took * 1000:.0f} ms'
        return dict(figures, **options, first=first, seconds_of_step=took, text=text)

    def memory(self) -> Figures:
        """Compares the peak memory with the count.

        Raises:
            Missed: If the step needs more than a card that is said to hold it may have.
        """
        need_gpu(self.device)
        _, step = self.steps()
        step()
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        step()
        peak = torch.cuda.max_memory_allocated() / 2**30
        counted = self.counted
        text = f'{peak:.1f} of {counted} GiB'
        if counted is not None and peak > counted * 1.1 + 1e9 / 2**30:
            raise Missed(f'{text}: more than the margin', peak=peak, counted=counted)
        return dict(peak=peak, counted=counted, text=text)

    def waits(self) -> Figures:
        """Where a step waits for the GPU."""
        need_gpu(self.device)
        kind = type(self.model).__name__
        known = {
            file for case in cases().values() if case.model['type'] == kind for file in case.waits
        }
        return waits_of(self.steps()[1], sorted(known), self.device)

    def ratio(self) -> Figures:
        """Compares the time of a step with the passes of its networks, each alone.

        Raises:
            Missed: On a GPU, if it is more than `LARGEST_RATIO`.
        """
        _, step = self.steps()
        step()
        _, *frozen = full_size.networks_of(self.model)
        with recorded([*networks(self.model), *frozen]) as calls:
            step()
        if not calls:
            raise Missed('no pass of a network was seen')
        whole = seconds_of(step, self.device)
        passes = []
        for call in calls:
            with call.again() as run:
                run()
                passes.append(seconds_of(run, self.device))
            self.model.zero_grad()
        ratio = whole / sum(passes)
        figures = dict(step=whole, passes=passes, ratio=ratio, text=f'{ratio:.2f}')
        if self.device != 'cpu' and ratio > LARGEST_RATIO:
            raise Missed(f'{ratio:.2f} times its {len(passes)} passes', **figures)
        return figures

    def check(self, kind: str) -> Figures:
        """Runs a check: that of a precision, or the function of this name."""
        return self.train(kind) if kind in PRECISIONS else getattr(self, kind)()


class Turns:
    """Runs checks of configs, one of which is in memory, and those of equal steps once."""

    def __init__(self) -> None:
        self.current: RealConfig | None = None
        #: The config and the figures of checks that passed, by the key of its steps and the kind.
        self.passed: dict[tuple[str, str], tuple[str, Figures]] = {}

    def checks(self, config: RealConfig, kinds: Sequence[str]) -> Checks:
        """Checks of these kinds."""
        for kind in kinds:
            yield f'{config.name}: {kind}', partial(self.run, config, kind)

    def run(self, config: RealConfig, kind: str) -> Figures:
        """Runs a check, or takes the figures, in brackets, of another config with equal steps."""
        if self.current is not None and self.current is not config:
            self.current.forget()
        self.current = config
        key = config.key, kind
        if key in self.passed:
            name, figures = self.passed[key]
            return dict(figures, alike=name, text=f'({figures["text"]})')
        figures = config.check(kind)
        self.passed[key] = config.name, figures
        return figures


def small_configs() -> list[str]:
    """MiniDrive's configs, first those of benchmarks/kill_and_resume.py."""
    paths = sorted((ROOT / 'configs').glob('[!_]*/*_mini*.py'))
    every = [path.relative_to(ROOT / 'configs').as_posix() for path in paths]
    first = [*kill_and_resume.METHODS.values()]
    names = dict.fromkeys([*first, *(name for name in every if 'mini2camvid' not in name)])
    return [name.removesuffix('.py') for name in names]


def one_of_each(names: Iterable[str]) -> list[str]:
    """The first config of each method."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.partition('/')[0], name)
    return list(first.values())


def chosen_configs(
    device: str, only: Sequence[str], kinds: Sequence[str]
) -> dict[str, list[RealConfig]]:
    """Configs of which some of the checks are chosen.

    Returns:
        ``full``: of full size, one of each method; ``small``: MiniDrive's, one of each method with
        its options; ``later_full``, ``later_small``: the others. The most different ones come
        first. On the CPU none has full size.
    """
    page = (ROOT / 'docs/speed.md').read_text()
    full = counted_memory(page, full_size.full_size())
    small = small_configs()
    known = {name.removesuffix('.py') for name in kill_and_resume.METHODS.values()}
    first = {
        *one_of_each(most_different_first({name: words_of(name) for name in full})),
        *known,
        *one_of_each(small),
    }
    made: dict[str, list[RealConfig]] = {}
    for size, names in (('full', [] if device == 'cpu' else [*full]), ('small', small)):
        words = {
            name: words_of(name)
            for name in names
            if any(chosen(f'{name}: {kind}', only) for kind in kinds)
        }
        for name in most_different_first(words):
            config = RealConfig(name, device, full.get(name))
            made.setdefault(size if name in first else f'later_{size}', []).append(config)
    return {name: made.get(name, []) for name in ('full', 'small', 'later_full', 'later_small')}


def check_configs(device: str, only: Sequence[str] = ()) -> Checks:
    """Part ``configs``: of one of full size of each method everything, then the others."""
    init_default_scope('mmseg')
    full_kinds = ('float32', 'memory', 'waits', 'ratio', 'fp16', 'bf16')
    small_kinds = ('float32', 'waits', 'ratio', 'fp16', 'bf16')  # their memory is not counted
    found, turns = chosen_configs(device, only, full_kinds), Turns()
    if device == 'cpu':
        for name in full_size.full_size():
            yield f'{name}: float32', partial(need_gpu, device)
    for size, kinds in (
        # A few minutes reach every kind of check, on the most different methods and networks.
        ('full', full_kinds),
        ('later_full', full_kinds[:2]),
        ('small', small_kinds),
        ('later_small', small_kinds[:1]),
        ('later_full', full_kinds[2:]),
        ('later_small', small_kinds[1:]),
    ):
        for config in found[size]:
            yield from turns.checks(config, kinds)


def check_compiled(device: str, only: Sequence[str] = ()) -> Checks:
    """Part ``compiled``: by turns a small config and one of full size, of each method first."""
    init_default_scope('mmseg')
    found, turns = chosen_configs(device, only, ['compiled']), Turns()
    if device == 'cpu':
        for name in full_size.full_size():
            yield f'{name}: compiled', partial(need_gpu, device)
    for order in ('', 'later_'):
        for pair in itertools.zip_longest(found[f'{order}small'], found[f'{order}full']):
            for config in filter(None, pair):
                yield from turns.checks(config, ['compiled'])


# ----------------------------------------------------------------------------------------- parts


@dataclass(frozen=True)
class Part:
    """A group of checks that share a process.

    Attributes:
        checks: From the device and parts of names to the checks, ``row`` or ``row: column`` with
            what runs it; checks with other names may be among them.
        seconds: Time for all of them, of `SECONDS`.
        title: Heading of its results.
        alone: Whether no other part runs beside it on a GPU, since its times are compared.
    """

    checks: Callable[[str, Sequence[str]], Checks]
    seconds: float
    title: str
    alone: bool = False


#: What ends after the others is what the last part, which is alone, has to wait for.
PARTS = dict(
    ops=Part(check_functions, 60, 'Functions equal those on the CPU (error in float64, float32)'),
    methods=Part(check_methods, 180, 'Methods, small networks'),
    processes=Part(check_processes, 120, 'Two processes equal one (largest difference, float64)'),
    resume=Part(check_resume, 120, 'Killed and resumed'),
    compile=Part(check_compile, 180, 'torch.compile (largest difference, float64)'),
    compiled=Part(
        check_compiled, 180, 'Configs with torch.compile (first step, later one, on a shared GPU)'
    ),
    configs=Part(check_configs, SECONDS, 'Configs at their size', alone=True),
)
#: Parts in which cuDNN chooses its algorithms by trying them, as in training.
TUNED = ('compiled', 'configs')


def attempt(check: Callable[[], Figures | None]) -> dict:
    """Runs a check; its status is ``passed``, ``skipped`` or ``failed``."""
    start = time.monotonic()
    try:
        result: dict = dict(status='passed', figures=check() or {})
    except Skipped as reason:
        result = dict(status='skipped', error=str(reason))
    except Missed as miss:
        result = dict(status='failed', error=str(miss), figures=miss.figures)
    except Exception as error:
        message = f'{type(error).__name__}: {error}'.strip()
        result = dict(status='failed', error=message, traceback=traceback.format_exc())
    return dict(result, seconds=round(time.monotonic() - start, 2))


def work(
    part: str,
    device: str,
    emit: Callable[[dict], None],
    only: Sequence[str] = (),
    done: Sequence[str] = (),
    seconds: float = float('inf'),
) -> None:
    """Runs the checks of a part in this process.

    Args:
        part: One of `PARTS`.
        device: ``cuda`` or ``cpu``.
        emit: Gets first ``dict(plan=[...])``, then for each check ``dict(begin=name)`` and
            ``dict(name=name, status=..., ...)``.
        only: Parts of names, one of which a check must have; none for all checks.
        done: Checks that have run already.
        seconds: Time after which no more checks begin.

    Raises:
        SystemExit: With `BROKEN`, if the GPU cannot be used any more.
    """
    torch.backends.cudnn.benchmark = part in TUNED
    end = time.monotonic() + seconds
    checks = [
        (name, check)
        for name, check in PARTS[part].checks(device, only)
        if name not in done and chosen(name, only)
    ]
    emit(dict(plan=[name for name, _ in checks]))
    for name, check in checks:
        if time.monotonic() > end:
            emit(dict(name=name, status='skipped', error=NO_TIME, seconds=0))
            continue
        emit(dict(begin=name))
        emit(dict(name=name, **attempt(check)))
        if torch.cuda.is_initialized():
            gc.collect()
            try:
                torch.cuda.synchronize()
                torch.cuda.empty_cache()
            except RuntimeError:
                raise SystemExit(BROKEN) from None


#: The running processes of parts.
LIVE: set[subprocess.Popen] = set()


def supervise(
    command: Sequence[str],
    seconds: float,
    emit: Callable[[dict], None],
    done: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Runs the process of a part, and starts it again after a crash.

    Args:
        command: The command, which prints the messages of :func:`work` as lines of json and gets
            the names of the checks that have run as json on its input.
        seconds: Time for the part; at its end the process is killed.
        emit: Gets the result of each check.
        done: Checks that have run already.
        environment: Environment variables of the process.
        stop: Ends it when it is set.
    """
    finished = set(done)
    end = time.monotonic() + seconds
    planned: list[str] = []
    stop = threading.Event() if stop is None else stop
    while not stop.is_set():
        running: str | None = None
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        LIVE.add(process)
        assert process.stdin is not None and process.stdout is not None
        clock = threading.Timer(max(0.0, end - time.monotonic()), _kill, (process,))
        clock.start()
        try:
            with suppress(BrokenPipeError):  # it has ended already
                process.stdin.write(json.dumps(sorted(finished)))
                process.stdin.close()
            for line in process.stdout:
                if not line.startswith('{'):
                    continue  # what a library prints
                message = json.loads(line)
                if 'plan' in message:
                    planned = message['plan']
                elif 'begin' in message:
                    running = message['begin']
                else:
                    running = None
                    finished.add(message['name'])
                    emit(message)
            code = process.wait()
        finally:
            clock.cancel()
            _kill(process)
            LIVE.discard(process)
        if stop.is_set():
            return
        late = time.monotonic() >= end
        if code == 0 and not late:
            return
        if running is not None:
            error = CUT_OFF if late else f'its process ended with exit code {code}'
            finished.add(running)
            emit(dict(name=running, status='skipped' if late else 'failed', error=error, seconds=0))
        left = [name for name in planned if name not in finished]
        if late or (running is None and code != BROKEN):
            for name in left or ([] if planned else ['start']):
                error = NO_TIME if late else f'{NOT_REACHED} {code}'
                status = 'skipped' if late else 'failed'
                emit(dict(name=name, status=status, error=error, seconds=0))
            return
        if not left:
            return


def _kill(process: subprocess.Popen) -> None:
    """Ends a process and those that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


# --------------------------------------------------------------------------------------- results


def environment_of(device: str) -> dict[str, str]:
    """What the results were measured with."""
    name = platform.processor() or platform.machine()
    if device != 'cpu':
        query = [
            'nvidia-smi',
            '--query-gpu=name,memory.total,driver_version',
            '--format=csv,noheader',
        ]
        try:
            name = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            name = 'unknown GPU'
    return dict(
        device=name,
        torch=torch.__version__,
        cuda=str(torch.version.cuda),
        cudnn=str(torch.backends.cudnn.version()),
        python=platform.python_version(),
        revision=revision_name(ROOT) or 'unknown',
        date=time.strftime('%Y-%m-%d %H:%M'),
    )


def earlier_results(file: Path, environment: Mapping[str, str]) -> dict[str, list[dict]]:
    """The results that a run continues; none, with a line that says why, of another environment.

    Args:
        file: The gpu_check.json of an earlier run, if there is one.
        environment: That of this run, see :func:`environment_of`.
    """
    if not file.is_file():
        return {}
    found = json.loads(file.read_text())
    for key, value in environment.items():
        before = found['environment'].get(key)
        if key != 'date' and before != value:
            print(f'{file} is not continued: its {key} is {before}, not {value}', flush=True)
            return {}
    return found['results']


def without_those_to_run(
    results: Mapping[str, Sequence[dict]], parts: Sequence[str], only: Sequence[str]
) -> dict[str, list[dict]]:
    """Earlier results, less those of chosen checks that were left out or never began.

    Args:
        results: Those of each part.
        parts: Parts that run now.
        only: Parts of names, one of which a check that runs now has; none for all checks.
    """

    def stays(part: str, result: Mapping) -> bool:
        began = result['status'] != 'skipped' and NOT_REACHED not in result.get('error', '')
        return began or part not in parts or not chosen(result['name'], only)

    return {part: [one for one in own if stays(part, one)] for part, own in results.items()}


def left_by_time(results: Mapping[str, Sequence[Mapping]]) -> int:
    """Number of checks of all parts that the time left out."""
    every = (result for own in results.values() for result in own)
    return sum(result.get('error') in (NO_TIME, CUT_OFF) for result in every)


def cell(result: Mapping | None) -> str:
    """A result in a table."""
    if result is None:
        return ''
    if result['status'] == 'passed':
        return result['figures'].get('text', 'yes')
    return '**failed**' if result['status'] == 'failed' else '–'


def page_of(environment: Mapping[str, str], results: Mapping[str, Sequence[Mapping]]) -> str:
    """The results in markdown.

    Args:
        environment: See :func:`environment_of`.
        results: Those of the checks of each part.
    """
    counts = [
        sum(result['status'] == status for own in results.values() for result in own)
        for status in ('passed', 'failed', 'skipped')
    ]
    lines = [
        ', '.join(f'{key} {value}' for key, value in environment.items()) + '.',
        '',
        '{} checks passed, {} failed, {} were left out.'.format(*counts),
    ]
    late = left_by_time(results)
    if late:
        lines[-1] += f' **{late} of them for time: go on with `--resume`.**'
    for part, own in results.items():
        table: dict[str, dict[str, Mapping]] = {}
        columns: list[str] = []
        for result in own:
            row, _, column = result['name'].partition(': ')
            column = column or 'result'
            if result.get('error') not in ('needs a GPU', NO_TIME):
                table.setdefault(row, {})[column] = result
                columns += [column] if column not in columns else []
        lines += ['', f'### {PARTS[part].title}', '']
        if table:
            lines += [f'| | {" | ".join(columns)} |', '|---' * (len(columns) + 1) + '|']
            for row, found in table.items():
                cells = ' | '.join(cell(found.get(column)) for column in columns)
                lines.append(f'| `{row}` | {cells} |')
        for status, title in (('failed', 'Failed'), ('skipped', 'Left out')):
            reasons: dict[str, list[str]] = {}
            for result in own:
                if result['status'] == status:
                    message = result['error'].strip().splitlines() or ['']
                    reason = (message[0] if len(message) == 1 else message[-1])[:300]
                    reasons.setdefault(reason, []).append(result['name'])
            if reasons:
                lines += ['', f'{title}:', '']
                lines += [f'- {reason}: {", ".join(names)}' for reason, names in reasons.items()]
    return '\n'.join(lines)


class Report:
    """Results as they come, printed and in files.

    Args:
        folder: Where gpu_check.md and gpu_check.json are written; it exists.
        environment: See :func:`environment_of`.
        parts: Names of the parts.
        earlier: Results of an earlier run that this one continues.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        parts: Sequence[str],
        earlier: Mapping[str, Sequence[dict]] | None = None,
    ) -> None:
        self.folder, self.environment = folder, environment
        earlier = earlier or {}
        self.results: dict[str, list[dict]] = {
            part: [*earlier.get(part, ())] for part in PARTS if part in parts or part in earlier
        }
        self._lock = threading.Lock()

    def add(self, part: str, result: dict) -> None:
        """Prints and writes a result; one that was left out at the end of the time is kept."""
        with self._lock:
            self.results[part].append(result)
        if result.get('error') == NO_TIME:  # there may be thousands, after the end
            return
        note = result.get('figures', {}).get('text') or result.get('error', '')
        self._print(part, result['name'], result['status'], f'{result["seconds"]} s', note[:200])
        self.write()

    def end(self, part: str) -> None:
        """Prints how many checks of a part the time did not suffice for, and writes them."""
        left = sum(result.get('error') == NO_TIME for result in self.results[part])
        if left:
            self._print(part, f'checks: {left}', 'skipped', NO_TIME)
            self.write()

    def write(self) -> None:
        """Writes the files, each whole."""
        with self._lock:
            found = dict(environment=self.environment, results=self.results)
            replace_file(self.folder / 'gpu_check.json', json.dumps(found).encode())
            page = page_of(self.environment, self.results)
            replace_file(self.folder / 'gpu_check.md', f'{page}\n'.encode())

    def _print(self, *words: str) -> None:
        with self._lock:
            print(*words, sep=' | ', flush=True)


def main(args: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS))
    parser.add_argument('--only', nargs='+', default=[], help='checks with one of these texts')
    parser.add_argument(
        '--seconds', type=float, default=SECONDS, help='time for everything after the start'
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/gpu_check'))
    parser.add_argument(
        '--resume',
        action='store_true',
        help='continue the run whose results are in the output folder, if there is one',
    )
    parser.add_argument('--cpu', action='store_true', help='even where there is a GPU')
    parser.add_argument('--write', action='store_true', help='into docs/gpu.md')
    # Of the processes that this one starts.
    parser.add_argument('--work', choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args(args)
    device = 'cpu' if options.cpu or not torch.cuda.is_available() else 'cuda'
    if options.work:
        # Results only: libraries print what they like.
        results, sys.stdout = sys.stdout, sys.stderr
        full_size.quiet()
        work(
            options.work,
            device,
            lambda message: print(json.dumps(message), file=results, flush=True),
            options.only,
            json.loads(sys.stdin.read()),
            options.seconds,
        )
        return

    end = time.monotonic() + options.seconds
    options.out.mkdir(parents=True, exist_ok=True)
    environment = environment_of(device)
    print(', '.join(environment.values()), flush=True)
    parts = [name for name in PARTS if name in options.parts]
    earlier: dict[str, list[dict]] = {}
    if options.resume:
        found = earlier_results(options.out / 'gpu_check.json', environment)
        earlier = without_those_to_run(found, parts, options.only)
    report, stop = Report(options.out, environment, parts, earlier), threading.Event()

    together = [part for part in parts if not PARTS[part].alone]

    def run(part: str) -> None:
        share = PARTS[part].seconds * max(1.0, options.seconds / SECONDS)
        seconds = min(share, end - time.monotonic())
        command = [sys.executable, '-W', 'ignore', __file__, '--work', part]
        command += ['--seconds', str(seconds - 5), *(['--cpu'] if device == 'cpu' else [])]
        command += ['--only', *options.only] if options.only else []
        beside = 1 if device == 'cpu' or PARTS[part].alone else len(together)
        own = variables(device, beside)
        done = [result['name'] for result in report.results[part]]
        supervise(
            command, seconds, partial(report.add, part), done=done, environment=own, stop=stop
        )
        report.end(part)

    with ThreadPoolExecutor(1 if device == 'cpu' else max(1, len(together))) as pool:
        runs = [pool.submit(run, part) for part in together]
        try:
            for own in runs:
                own.result()
        except BaseException:
            stop.set()
            while not all(own.done() for own in runs):
                for process in [*LIVE]:
                    _kill(process)
                time.sleep(0.1)
            raise
    for part in parts:
        if PARTS[part].alone:
            run(part)
    report.write()
    if options.write:
        page = page_of(environment, report.results)
        DOCUMENT.write_text(with_part(DOCUMENT.read_text(), BEGIN, END, page))
    failed = sum(result['status'] == 'failed' for own in report.results.values() for result in own)
    late = left_by_time(report.results)
    left = f'{late} left out for time' + (' (go on with --resume)' if late else '')
    print(f'{failed} failed, {left}; {options.out}/gpu_check.md')
    raise SystemExit(1 if failed else UNFINISHED if late else 0)


def variables(device: str, beside: int = 1) -> dict[str, str]:
    """Environment variables of the process of a part.

    Args:
        device: ``cuda`` or ``cpu``.
        beside: Number of parts that run at the same time and share the processor's cores.
    """
    own = dict(
        os.environ,
        PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')])),
        # The GPU is counted without using it: processes that fork later can.
        PYTORCH_NVML_BASED_CUDA_CHECK='1',
    )
    if device == 'cpu':
        own['CUDA_VISIBLE_DEVICES'] = ''
    if beside > 1:
        share = max(1, cores() // beside)
        own.setdefault('OMP_NUM_THREADS', str(share))
        # Not all parts compile; torch takes all cores.
        own.setdefault('TORCHINDUCTOR_COMPILE_THREADS', str(2 * share))
    return own


if __name__ == '__main__':
    main()
