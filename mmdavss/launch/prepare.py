"""Prepares a config before the Runner gets it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object
from mmengine.runner import Runner
from mmseg.registry import OPTIMIZERS
from torch import distributed, nn

from mmdavss.datasets.label_folder import MANIFEST, read_manifest
from mmdavss.engine.hooks.resumed_run import loaded_checkpoint
from mmdavss.launch.config_file import (
    checkpoint_fingerprint,
    labelling_checkpoints,
    start_checkpoints,
    type_name,
)
from mmdavss.utils.checkpoints import checkpoint_file, damage, is_missing, noted_checkpoint
from mmdavss.utils.errors import UserError
from mmdavss.utils.processes import is_main_process
from mmdavss.utils.wrappers import unwrapped

CHECKPOINT_NAME = re.compile(r'(iter|epoch|best)_.*\.pth')


#: Longest wait of a process for the others, in seconds, where the config says nothing. NCCL's own
#: ten minutes are less than `DataTimeoutHook` waits for the data of one of them.
WAIT = 1800
#: Kinds of mixed precision, and the optimiser wrapper of each.
AMP_WRAPPERS = dict(fp16='AmpOptimWrapper', bf16='Bfloat16OptimWrapper')


def prepare_run(cfg: Config, launcher: str = 'none') -> None:
    """Sets the launcher and prepares distributed runs, also on machines without CUDA, in place.

    Call it right before ``Runner.from_cfg``. Where the config names no model wrapper it is
    ``GroupedDistributedDataParallel``. mmengine's launchers call ``torch.cuda.set_device`` and pass
    CUDA device ids to DDP. Without CUDA the gloo process group is therefore created here (the
    Runner uses an existing one) and the model wrapper gets no device ids. With CUDA
    ``env_cfg.dist_cfg.timeout`` becomes :data:`WAIT` unless the config sets it.

    Args:
        cfg: The config of the run.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.

    Raises:
        UserError: If a launcher other than ``'pytorch'`` is used without CUDA, or its environment
            variables are missing, or if ``sync_bn`` is set without CUDA.
    """
    cfg.launcher = launcher
    if launcher == 'pytorch' and not {'RANK', 'WORLD_SIZE', 'LOCAL_RANK'} <= os.environ.keys():
        raise UserError(
            '--launcher pytorch needs the environment of torchrun (RANK, WORLD_SIZE, LOCAL_RANK): '
            'start it with tools/dist_train.sh or tools/dist_test.sh'
        )
    if launcher == 'none':
        return
    if cfg.get('model_wrapper_cfg') is None:
        # As the Runner's default, but for the class.
        cfg.model_wrapper_cfg = dict(
            type='GroupedDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
    if torch.cuda.is_available():
        env = dict(cfg.get('env_cfg') or {})
        cfg.env_cfg = env | dict(dist_cfg=dict(timeout=WAIT) | dict(env.get('dist_cfg') or {}))
        return
    if launcher != 'pytorch':
        raise UserError(
            f'--launcher {launcher} needs CUDA devices and this machine shows none; several '
            'processes on CPUs run with --launcher pytorch'
        )
    if cfg.get('sync_bn'):
        raise UserError(
            f'sync_bn={cfg.sync_bn!r} needs CUDA devices and this machine shows none: leave it out '
            '(--cfg-options sync_bn=None); every process then has its own batch statistics'
        )
    if not distributed.is_initialized():
        distributed.init_process_group(backend='gloo')
    cfg.model_wrapper_cfg = dict(cfg.model_wrapper_cfg, device_ids=None)


def run_training(runner: Runner) -> None:
    """Trains and ends the processes that load data, for callers that have more to do.

    The garbage collector, which would end them later, closes their queues first and then waits five
    seconds for each process that hears of no end.
    """
    runner.train()
    for loop in filter(None, (runner.train_loop, runner.val_loop)):
        for name in ('dataloader_iterator', 'dataloader'):
            vars(loop).pop(name, None)


def end_run() -> None:
    """Ends a distributed run that went well: call it last.

    Under gloo the process ends here, without Python's finalisation: gloo's threads outlive their
    process group once DDP has used it, and one that still works then aborts the process. After an
    error the other processes may be waiting for this one, which then ends as usual.
    """
    if not distributed.is_initialized():
        return
    backend = distributed.get_backend()
    distributed.destroy_process_group()
    if backend == 'gloo':
        for child in multiprocessing.active_children():
            child.terminate()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def check_start(runner: Runner) -> None:
    """Checks that all processes of a run start from the same checkpoint.

    Each of them looks into the work dir itself, which need not be the same folder everywhere.
    Gradients of different weights would be averaged in silence.

    Args:
        runner: The runner, before it trains.

    Raises:
        UserError: In every process, if they do not; names the first two that differ.
    """
    start = loaded_checkpoint(runner)
    start = start and Path(start).name
    mine = f'resumes from {start}' if runner._resume else f'starts from {start}'
    seen = all_gather_object((mine, platform.node()))
    for rank, (other, where) in enumerate(seen):
        if other != seen[0][0]:
            raise UserError(
                f'process 0 on {seen[0][1]} {seen[0][0]}, process {rank} on {where} {other}: '
                f'all have to see the same work dir ({runner.work_dir}), on a disk that the '
                'machines share'
            )


def check_source_free(model: nn.Module, cfg: Config) -> None:
    """Checks, before a data set is built, that a source-free method gets no source.

    Args:
        model: The method.
        cfg: The config of the run.

    Raises:
        UserError: If it does.
    """
    data = cfg.train_dataloader.get('dataset') or {}
    if getattr(unwrapped(model), 'source_free', False) and data.get('source') is not None:
        raise UserError(
            f'{cfg.filename}: {cfg.model.type} is source-free, and train_dataloader.dataset has a '
            'source: set train_dataloader.dataset.source=None'
        )


def check_hooks(runner: Runner) -> None:
    """Checks, before a run starts, that hooks move what a method has besides its student.

    Without them a teacher would stay as it starts, in silence.

    Args:
        runner: The runner; a hook says what it calls in its attribute ``calls``.

    Raises:
        UserError: If one is missing; names it.
    """
    calls = [getattr(hook, 'calls', None) for hook in runner.hooks]
    method = unwrapped(runner.model)
    for function, hook in getattr(method, 'moved_by', {}).items():
        if function not in calls:
            raise UserError(
                f'{runner.cfg.filename}: no hook calls `{function}` of {type(method).__name__}, '
                f"which is to move in training: add dict(type='{hook}') to custom_hooks. A hook of "
                f"yours that does: give it the class attribute calls = '{function}'. A method that "
                'calls it itself or not at all: override moved_by (docs/add_a_method.md)'
            )


def prepare_training(
    cfg: Config,
    *,
    resume: bool = False,
    overwrite: bool = False,
    amp: str | None = None,
    compile_nets: bool = False,
    channels_last: bool = False,
) -> None:
    """Checks a training run before it starts and decides where it starts from.

    Where the config says nothing else, mmengine's RuntimeInfoHook becomes ``DeferredInfoHook``, and
    with CUDA the data loader pins the memory of batches, whose copy then does not wait.

    Args:
        cfg: The config of the run, changed in place; ``work_dir`` is set.
        resume: Continue from the last checkpoint in ``work_dir``, or start from the beginning if
            there is none. Only then is ``load_from``, the source model of an adaptation, used:
            mmengine alone would resume from *it*, with its iteration and optimiser.
        overwrite: Delete the checkpoints of an earlier run in ``work_dir`` and start again.
        amp: Automatic mixed precision in ``'fp16'`` or ``'bf16'``.
        compile_nets: Compile the video nets.
        channels_last: Store weights and features with channels last (:class:`QuietRunner`).

    Raises:
        UserError: If the config trains in rounds, if its pseudo-labels were made with another model
            than it names, if ``work_dir`` holds checkpoints and neither ``resume`` nor
            ``overwrite`` is given, if both are (``resume`` perhaps by the config), if a checkpoint
            that the run starts from is missing or would be deleted, if the one that it resumes from
            is damaged, if an optimiser does not exist, or if mixed precision cannot be used.
    """
    if resume and overwrite:
        raise UserError('--resume and --overwrite are mutually exclusive')
    if overwrite and cfg.get('resume'):
        raise UserError(
            '--overwrite starts again, but the config has resume=True: leave out one of them '
            '(--cfg-options resume=False)'
        )
    _check_rounds(cfg)
    check_pseudo_labels(cfg)
    _check_optimizers(cfg)
    if amp is not None:
        _use_amp(cfg, amp)
    if compile_nets:
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type='CompileNetsHook')]
    if channels_last:
        cfg.channels_last = True
    hooks = cfg.get('default_hooks')
    if hooks is not None:
        hooks.setdefault('runtime_info', dict(type='DeferredInfoHook'))
    if torch.cuda.is_available() and cfg.get('train_dataloader') is not None:
        cfg.train_dataloader.setdefault('pin_memory', True)
    work_dir = Path(cfg.work_dir)
    found = checkpoints_in(work_dir)
    # `resume=True` with a `load_from` in a config is mmengine's way to name the checkpoint.
    explicit = bool(cfg.get('resume')) and cfg.get('load_from') is not None and not resume
    resume = resume or bool(cfg.get('resume'))
    if explicit:
        _check_checkpoint(cfg.load_from)
        _check_intact(checkpoint_file(cfg.load_from), found)
    elif resume:
        last = _last_checkpoint(work_dir, found)
        cfg.resume = last is not None
        if last is not None:
            _check_intact(last, found)
            cfg.load_from = str(last)
        else:
            _check_checkpoint(cfg.get('load_from'))
    else:
        cfg.resume = False
        _check_checkpoint(cfg.get('load_from'))
        if found and not overwrite:
            raise UserError(
                f'{work_dir} holds the checkpoints of an earlier run ({_names(found)}). Continue '
                'from the last one with --resume, write elsewhere with --work-dir, or delete them '
                'and start again with --overwrite'
            )
        if found:
            _delete_checkpoints(work_dir, found, cfg)


def check_pseudo_labels(cfg: Config) -> None:
    """Checks that the target has pseudo-labels, and that the model which the config names has made
    them.

    In rounds of self-training the labels of the round before are easily taken for those of this
    one. Of a labelling checkpoint that is no longer there the path is compared.

    Raises:
        UserError: If the target would train on labels of its own, or another model has made them.
    """
    if not cfg.get('pseudo_label_generator'):
        return
    named = labelling_checkpoints(cfg)
    branches = cfg.train_dataloader.dataset
    if branches.get('target') and not branches.target.get('pseudo_labels'):
        raise UserError(
            'the config makes pseudo-labels (pseudo_label_generator), but its target trains on '
            'none: set train_dataloader.dataset.target.pseudo_labels to their folder (made by '
            'tools/generate_pseudo_labels.py)'
        )
    for branch in ('source', 'target'):  # the source's: frames that the model has selected
        part = branches.get(branch) or {}
        folder = part.get('pseudo_labels')
        if not folder or not Path(folder, MANIFEST).is_file():
            continue  # the data set says what is missing
        made = read_manifest(folder, ['checkpoint'])['checkpoint']
        if all(checkpoint_file(path).is_file() for path in named):
            same = made['sha256'] == checkpoint_fingerprint(named)['sha256']
        else:
            # Without a labeller of its own the run starts from this checkpoint, and says so.
            same = cfg.pseudo_label_generator.get('checkpoint') is None or (
                _places(made['path'].split(', ')) == _places(named)
            )
        if not same:
            raise UserError(
                f'the pseudo-labels in {folder} were made with {made["path"]} (sha256 '
                f'{made["sha256"][:8]}), the config names {", ".join(named)}: make them again '
                'with --overwrite, or set pseudo_label_generator.checkpoint to the model that '
                'made them'
            )


def _places(paths: Sequence[str]) -> list[Path]:
    return [checkpoint_file(path).resolve() for path in paths]


def _check_rounds(cfg: Config) -> None:
    """Checks that a config whose rounds have each their own labels is not trained as one of them.

    Its folder would hold the first round, which tools/run_phases.py takes for the finished last.

    Raises:
        UserError: If it is.
    """
    if cfg.get('rounds'):
        name = cfg.filename or 'CONFIG'
        raise UserError(
            f'{name} trains in rounds, each on labels of the model of the one before: start it '
            f'with python tools/run_phases.py {name}, or train it once, as a single round, with '
            '--cfg-options rounds=None'
        )


def checkpoints_in(work_dir: Path) -> list[Path]:
    """Checkpoints of a run, in alphabetical order; none if there is no such folder.

    Raises:
        UserError: If `work_dir` is a file.
    """
    if work_dir.exists() and not work_dir.is_dir():
        raise UserError(f'the work dir {work_dir} is a file: name another one with --work-dir')
    if not work_dir.is_dir():
        return []
    return sorted(path for path in work_dir.iterdir() if CHECKPOINT_NAME.fullmatch(path.name))


def _names(paths: list[Path], limit: int = 3) -> str:
    names = ', '.join(path.name for path in paths[:limit])
    return names + (', ...' if len(paths) > limit else '')


def _last_checkpoint(work_dir: Path, found: list[Path]) -> Path | None:
    """The checkpoint that the Runner noted as its last, even if the folder was moved."""
    noted = noted_checkpoint(work_dir)
    if noted is None:
        # The best checkpoint has no optimiser. A run that was killed between its first checkpoint
        # and the note leaves exactly one regular checkpoint.
        found = [path for path in found if not path.name.startswith('best')]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(
                f'{work_dir} holds {_names(found)} but no file last_checkpoint, which says where '
                'to continue: write the path of the checkpoint into it, or use --cfg-options '
                'resume=True load_from=PATH'
            )
        return None
    # The note holds the path as it was given, perhaps relative to another directory.
    for path in (work_dir / Path(noted).name, Path(noted)):
        if path.is_file():
            return path
    raise UserError(
        f'{work_dir / "last_checkpoint"} names {noted}, which does not exist: '
        'correct it or delete it'
    )


def _check_intact(path: Path, found: list[Path]) -> None:
    """Refuses to resume from a damaged checkpoint and names an intact one."""
    if not path.is_file():  # a URL
        return
    wrong = damage(path)
    if wrong is None:
        return
    others = [
        other
        for other in sorted(found, key=lambda other: other.stat().st_mtime)
        if not other.name.startswith('best')
        and other.resolve() != path.resolve()
        and damage(other) is None
    ]
    advice = (
        (
            f'The newest intact checkpoint is {others[-1]}: to continue from there, which repeats '
            f'the iterations since, use --cfg-options resume=True load_from={others[-1]} instead '
            'of --resume'
        )
        if others
        else 'No intact checkpoint lies beside it: start again with --overwrite'
    )
    raise UserError(f'the checkpoint {path} is damaged: {wrong}. {advice}')


def _check_checkpoint(path: str | None) -> None:
    if path is not None and is_missing(path):
        raise UserError(
            f'load_from: checkpoint not found: {path}. Train it first, or name another one with '
            '--cfg-options load_from=PATH'
        )


def _delete_checkpoints(work_dir: Path, found: list[Path], cfg: Config) -> None:
    doomed = {path.resolve() for path in found}
    for key, start in start_checkpoints(cfg.to_dict()):
        if checkpoint_file(start).resolve() in doomed:
            raise UserError(
                f'--overwrite would delete {start}, where this run starts from ({key}): name '
                'another folder with --work-dir'
            )
    if is_main_process():
        for path in [*found, work_dir / 'last_checkpoint']:
            path.unlink(missing_ok=True)


def _players(cfg: Config) -> dict[str, Any]:
    """The configs of the optimiser wrappers of a run, with their keys.

    A method with several players has one wrapper under each player's name.
    """
    wrapper = cfg.get('optim_wrapper') or {}
    if 'optimizer' in wrapper:
        return dict(optim_wrapper=wrapper)
    return {
        f'optim_wrapper.{name}': value
        for name, value in wrapper.items()
        if isinstance(value, Mapping) and 'optimizer' in value
    }


def _check_optimizers(cfg: Config) -> None:
    """Checks that the optimisers exist: mmengine inspects what its registry does not have.

    Raises:
        UserError: If one does not.
    """
    for key, player in _players(cfg).items():
        kind = (player.optimizer or {}).get('type')
        if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
            raise UserError(
                f'{cfg.filename or "the config"}: {key}.optimizer.type={kind!r} is no optimiser: '
                'correct its name (SGD, AdamW ...), or import the module that registers it '
                "(custom_imports=dict(imports=['MODULE']))"
            )


def _use_amp(cfg: Config, kind: str) -> None:
    if kind == 'fp16' and not torch.cuda.is_available():
        raise UserError(
            '--amp fp16 needs a CUDA device and this machine shows none: run with --amp bf16, '
            'which also works on CPUs, or without --amp'
        )
    for player in _players(cfg).values():
        own = type_name(player) if 'type' in player else 'OptimWrapper'
        if own not in ('OptimWrapper', AMP_WRAPPERS[kind]):
            raise UserError(
                f'--amp {kind} works with optim_wrapper type OptimWrapper, but the config has {own}'
            )
        player.type = AMP_WRAPPERS[kind]
        if kind == 'fp16':
            player.setdefault('loss_scale', 'dynamic')
