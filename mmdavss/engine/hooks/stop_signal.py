"""Saves and stops when a cluster announces that it will end the job."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import distributed

from mmdavss.utils.passes import take_statistics_of_first
from mmdavss.utils.wrappers import accumulation

from .atomic_checkpoint import STOPPED_AT, AtomicCheckpointHook, write_checkpoint

#: Exit code of a run that was stopped and can be resumed: EX_TEMPFAIL of sysexits.h, 'try again'.
EXIT_CODE = 75
#: Environment variable with a file that is made when the run has been saved, for scripts that do
#: not get its exit code.
NOTE = 'MMDAVSS_STOPPED'
#: Windows has no SIGUSR1.
SIGNALS = tuple(getattr(signal, name) for name in ('SIGTERM', 'SIGUSR1') if hasattr(signal, name))


@HOOKS.register_module()
class StopSignalHook(Hook):
    """Saves a checkpoint and ends the run when it is sent SIGTERM or SIGUSR1.

    The run stops after the current iteration (with gradient accumulation, after the iteration that
    completes an optimiser step), or at once in a validation, which the resumed run repeats. It ends
    with :data:`EXIT_CODE`, and makes the file that :data:`NOTE` names. Further signals change
    nothing.

    With several processes, signalling any one of them is enough; in a validation, where their
    numbers of steps may differ, only the first process reacts.
    """

    # After the CheckpointHook.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._asked = False
        self._group: distributed.ProcessGroup | None = None
        self._handlers: dict[signal.Signals, object] = {}

    def before_train(self, runner: Runner) -> None:
        """Starts listening, before workers are started.

        Raises:
            ValueError: If there is no hook that can save a checkpoint of an iteration.
        """
        self._asked = False
        found = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        if not found:
            raise ValueError('StopSignalHook needs a CheckpointHook: set default_hooks.checkpoint.')
        self._checkpoints = found[0]
        if self._checkpoints.by_epoch:
            raise ValueError(
                'StopSignalHook saves after an iteration, and the checkpoints are numbered by '
                'epochs: set default_hooks.checkpoint.by_epoch=False, or leave out the hook.'
            )
        if distributed.is_initialized() and distributed.get_world_size() > 1:
            # A separate group on the CPU, so that agreeing does not wait for the devices.
            self._group = distributed.new_group(backend='gloo')
        if threading.current_thread() is threading.main_thread():  # others cannot
            self._handlers = {number: signal.signal(number, self._note) for number in SIGNALS}
        for loop in (runner.train_loop, runner.val_loop):
            if loop is not None:
                loader = loop.dataloader
                loader.worker_init_fn = partial(_undisturbed, loader.worker_init_fn)

    def after_train(self, runner: Runner) -> None:
        """Restores the previous signal handlers."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        iteration = runner.iter + 1
        if iteration % accumulation(runner.optim_wrapper) == 0 and self._agreed():
            take_statistics_of_first(runner.model)
            self._save(runner, iteration)
            if self._group is not None:
                # A launcher ends all processes when the first one has ended.
                distributed.barrier(self._group)
            raise SystemExit(EXIT_CODE)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: list | None = None,
    ) -> None:
        # The launcher ends the other processes when this one has ended.
        if (
            self._asked
            and is_main_process()
            and runner.iter % accumulation(runner.optim_wrapper) == 0
        ):
            self._save(runner, runner.iter)
            raise SystemExit(EXIT_CODE)

    def _note(self, number: int, frame: object) -> None:
        # Nothing else: the signal may arrive at any point of the run.
        self._asked = True

    def _agreed(self) -> bool:
        """Whether any process was asked to stop; the same answer on all of them."""
        if self._group is None:
            return self._asked
        asked = torch.tensor(int(self._asked))
        distributed.all_reduce(asked, distributed.ReduceOp.MAX, self._group)
        return bool(asked)

    def _save(self, runner: Runner, iteration: int) -> None:
        hook = self._checkpoints
        name = hook.filename_tmpl.format(iteration)
        if hook.last_ckpt is None or Path(hook.last_ckpt).name != name:
            stops = runner.message_hub.get_info(STOPPED_AT) or []
            runner.message_hub.update_info(STOPPED_AT, [*stops, iteration])
            meta = dict(epoch=runner.epoch, iter=iteration)
            if isinstance(hook, AtomicCheckpointHook):
                hook.save(runner, iteration, meta)
            else:  # mmengine's hook, which does not delete it later
                write_checkpoint(hook, runner, iteration, meta)
        runner.logger.warning(
            f'Stopped by a signal after iteration {iteration}, which is saved as {name}. Continue '
            'with --resume.'
        )
        runner.visualizer.close()
        note = os.environ.get(NOTE)
        if note and is_main_process():
            try:
                Path(note).touch()
            except OSError as error:  # the exit code may do
                runner.logger.warning(f'{NOTE}: {error}')


def _undisturbed(init: Callable[[int], None] | None, worker: int) -> None:
    """Makes a worker process ignore signals that are sent to all processes of a job.

    If a worker died, the training process would raise while saving.

    Args:
        init: The loader's own worker_init_fn, or None.
        worker: Number of the worker.
    """
    if init is not None:
        init(worker)
    for number in SIGNALS[1:]:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):
        # Later threads inherit the mask; the thread that waits for the signal sees its sender.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """Exits when the parent sends SIGTERM, as multiprocessing does."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
