"""Checkpoints that survive the end of a run at any moment."""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from mmdavss.utils.atomic_backend import AtomicBackend
from mmdavss.utils.files import UNFINISHED, left_unfinished
from mmdavss.utils.passes import take_statistics_of_first
from mmdavss.utils.wrappers import accumulation

#: Key in the message hub of the iterations after which signals stopped the run.
STOPPED_AT = 'stopped_at'
#: Key in the message hub of the iteration of the last validation whose scores it holds.
VALIDATED_AT = 'validated_at'


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """Variant of mmengine's CheckpointHook with which a killed run loses only time.

    A checkpoint, and the note ``last_checkpoint`` that names it, are moved into place when they are
    complete; only then are older ones deleted. A run that was killed in the validation after its
    last checkpoint repeats that validation on resume, so that its scores and its best checkpoint
    match those of an uninterrupted run.

    With several processes, each has its own running statistics of batch norm: when a checkpoint is
    saved, and before a validation, all take those of the first. So what is validated, saved, and
    resumed from is one model.

    Takes the arguments of CheckpointHook.
    """

    def before_train(self, runner: Runner) -> None:
        """Prepares the output folder.

        Raises:
            ValueError: If checkpoints would fall between the iterations of one optimiser step:
                checkpoints do not contain gradients.
        """
        steps = accumulation(runner.optim_wrapper)
        for name in ('interval', 'save_begin'):
            value = getattr(self, name)
            if not self.by_epoch and self.interval > 0 and value % steps:
                raise ValueError(
                    f'default_hooks.checkpoint.{name}={value} is not a multiple of '
                    f'optim_wrapper.accumulative_counts={steps}: a run resumed from such a '
                    'checkpoint would lack gradients.'
                )
        if (
            self.backend_args is None
            and self.file_client_args is None
            and '://' not in str(self.out_dir or runner.work_dir)
        ):
            self.backend_args = dict(backend='atomic')
        super().before_train(runner)
        if is_main_process() and Path(self.out_dir).is_dir():
            for path in [
                *left_unfinished(self.out_dir),
                *left_unfinished(runner.work_dir),
                *Path(self.out_dir).glob(f'*.pth{UNFINISHED}'),
            ]:
                path.unlink(missing_ok=True)
        if runner.iter > 0 and not self.by_epoch:
            # So that a repeated validation also writes its scores into the checkpoint.
            self.last_ckpt = self._path(self.filename_tmpl.format(runner.iter))
        # The folder may have been moved or copied since.
        self._best = {
            key: None if path is None else self._path(Path(path).name)
            for key, path in self._best.items()
        }

    def before_train_epoch(self, runner: Runner) -> None:
        """Repeats the validation that a resumed run may have been killed in, if its loop counts
        iterations."""
        loop = runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop):  # its intervals are epochs
            return
        if runner.iter == 0 or self.by_epoch or runner.val_loop is None:
            return
        if runner.message_hub.runtime_info.get(VALIDATED_AT) == runner.iter:
            return  # the checkpoint was written again with its scores, which the log has, too
        interval = loop.dynamic_intervals[bisect(loop.dynamic_milestones, runner.iter + 1) - 1]
        if runner.iter >= loop.val_begin and (
            runner.iter % interval == 0 or runner.iter == loop.max_iters
        ):
            runner.val_loop.run()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Saves if a checkpoint is due, for an `interval` in iterations."""
        if not self.by_epoch and (
            self.every_n_train_iters(runner, self.interval, self.save_begin)
            or (self.save_last and self.is_last_train_iter(runner))
        ):
            runner.logger.info(f'Saving checkpoint at {runner.iter + 1} iterations')
            take_statistics_of_first(runner.model)
            self.save(runner, runner.iter + 1, dict(epoch=runner.epoch, iter=runner.iter + 1))

    def after_train_epoch(self, runner: Runner) -> None:
        """Saves if a checkpoint is due, for an `interval` in epochs."""
        if self.by_epoch and (
            self.every_n_epochs(runner, self.interval, self.save_begin)
            or (self.save_last and self.is_last_train_epoch(runner))
        ):
            runner.logger.info(f'Saving checkpoint at {runner.epoch + 1} epochs')
            take_statistics_of_first(runner.model)
            self.save(runner, runner.epoch + 1, dict(epoch=runner.epoch + 1, iter=runner.iter))

    def before_val_epoch(self, runner: Runner) -> None:
        """Lets all processes validate the model of the first."""
        take_statistics_of_first(runner.model)

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Saves the best checkpoint, and the last one again with the new best score."""
        runner.message_hub.update_info(VALIDATED_AT, runner.iter)
        # mmengine deletes before it writes. So the best checkpoints so far, which it would delete,
        # and the last one, which it would write again, are hidden from it.
        before, last = self._best, self.last_ckpt
        self._best, self.last_ckpt = dict.fromkeys(before), None
        super().after_val_epoch(runner, metrics)
        better = {key: path for key, path in self._best.items() if path is not None}
        self._best, self.last_ckpt = {**before, **better}, last
        self._remove(
            path
            for key, path in before.items()
            if key in better and path not in (None, better[key])
        )
        if better and last is not None and self._completes_step(runner):
            step = runner.epoch if self.by_epoch else runner.iter
            self.save(runner, step, dict(epoch=runner.epoch, iter=runner.iter))

    def save(self, runner: Runner, step: int, meta: dict[str, int]) -> None:
        """Writes a checkpoint, then the note, and only then deletes outdated checkpoints.

        Args:
            runner: The runner.
            step: Number of the iteration, or of the epoch, in its name.
            meta: ``epoch`` and ``iter`` from which a resumed run continues.
        """
        outdated = []
        if self.max_keep_ckpts > 0:
            # This checkpoint supersedes those saved on a signal.
            stops = runner.message_hub.get_info(STOPPED_AT) or ()
            kept = [old for old in self.keep_ckpt_ids if old != step]
            extra = [old for old in kept if old in stops]
            steps = [*extra, *(old for old in kept if old not in stops), step]
            outdated = steps[: max(len(extra), len(steps) - self.max_keep_ckpts)]
            self.keep_ckpt_ids = deque(steps[len(outdated) :])
            # Includes the outdated ones: if the run is killed now, the resumed one deletes them.
            runner.message_hub.update_info('keep_ckpt_ids', steps)
        write_checkpoint(self, runner, step, meta)
        self._remove(self._path(self.filename_tmpl.format(old)) for old in outdated)

    def _completes_step(self, runner: Runner) -> bool:
        """Whether no gradients wait for the next iterations of an optimiser step.

        Otherwise the checkpoint before has the state that a resumed run continues from; it repeats
        the validation.
        """
        return self.by_epoch or runner.iter % accumulation(runner.optim_wrapper) == 0

    @property
    def _best(self) -> dict[str, str | None]:
        """The best checkpoint of each score."""
        if not self.save_best:
            return {}
        if len(self.key_indicators) > 1:
            return self.best_ckpt_path_dict
        return {'': self.best_ckpt_path}

    @_best.setter
    def _best(self, paths: dict[str, str | None]) -> None:
        if len(paths) > 1:
            self.best_ckpt_path_dict = paths
        elif paths:
            self.best_ckpt_path = paths['']

    def _path(self, name: str) -> str:
        return self.file_backend.join_path(self.out_dir, name)

    def _remove(self, paths: Iterable[str]) -> None:
        for path in paths if is_main_process() else ():
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)


def write_checkpoint(hook: CheckpointHook, runner: Runner, step: int, meta: dict[str, int]) -> None:
    """Writes a checkpoint to a hook's folder, and the note that names it.

    Args:
        hook: The hook, after its ``before_train``.
        runner: Same as in :meth:`AtomicCheckpointHook.save`.
        step: Same as in :meth:`AtomicCheckpointHook.save`.
        meta: Same as in :meth:`AtomicCheckpointHook.save`.
    """
    name = hook.filename_tmpl.format(step)
    hook.last_ckpt = hook.file_backend.join_path(hook.out_dir, name)
    runner.message_hub.update_info('last_ckpt', hook.last_ckpt)
    runner.save_checkpoint(
        hook.out_dir,
        name,
        hook.file_client_args,
        save_optimizer=hook.save_optimizer,
        save_param_scheduler=hook.save_param_scheduler,
        meta=meta,
        by_epoch=hook.by_epoch,
        backend_args=hook.backend_args,
        **hook.args,
    )
    if is_main_process():
        AtomicBackend().put_text(hook.last_ckpt, Path(runner.work_dir, 'last_checkpoint'))
