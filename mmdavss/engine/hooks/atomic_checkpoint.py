"""Checkpoints of a run that may end at any moment."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmdavss.fileio import UNFINISHED, left_unfinished
from mmdavss.utils.atomic_backend import AtomicBackend
from mmdavss.utils.wrappers import accumulation

#: Where the message hub has the iterations after which signals stopped the run.
STOPPED_AT = 'stopped_at'
#: Where it has the iteration of the last validation whose scores it holds.
VALIDATED_AT = 'validated_at'


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's CheckpointHook, with which a killed run loses nothing but time.

    A checkpoint, and the note ``last_checkpoint`` that says where to go on, are moved in place when
    they are complete; only then older ones are deleted. A run that was killed in the validation
    after its last checkpoint validates when it is resumed: that its scores, and the checkpoint
    that is best by them, are those of a run that went through.

    Takes the arguments of CheckpointHook.
    """

    #: The best checkpoint until a better one is in place.
    _superseded: str | None = None

    def before_train(self, runner: Runner) -> None:
        """Prepares the output folder.

        Raises:
            ValueError: If checkpoints would fall between the iterations that make one step of the
                optimiser: gradients are not in a checkpoint.
        """
        steps = accumulation(runner.optim_wrapper)
        if not self.by_epoch and self.interval > 0 and self.interval % steps:
            raise ValueError(
                f'default_hooks.checkpoint.interval={self.interval} is no multiple of '
                f'optim_wrapper.accumulative_counts={steps}: a run resumed from such a checkpoint '
                'would lack gradients.'
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
            # So that a validation that is made up for writes its scores into the checkpoint, too.
            self.last_ckpt = self._path(self.filename_tmpl.format(runner.iter))
        if getattr(self, 'best_ckpt_path', None) is not None:
            # The folder may have been moved since.
            self.best_ckpt_path = self._path(Path(self.best_ckpt_path).name)

    def before_train_epoch(self, runner: Runner) -> None:
        """Makes up for the validation that a resumed run may have been killed in."""
        loop = runner.train_loop
        if runner.iter == 0 or self.by_epoch or runner.val_loop is None:
            return
        if runner.message_hub.runtime_info.get(VALIDATED_AT) == runner.iter:
            return  # the checkpoint was written again with its scores, which the log has, too
        loop._decide_current_val_interval()
        if runner.iter >= loop.val_begin and (
            runner.iter % loop.val_interval == 0 or runner.iter == loop.max_iters
        ):
            runner.val_loop.run()

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        runner.message_hub.update_info(VALIDATED_AT, runner.iter)
        super().after_val_epoch(runner, metrics)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        # mmengine deletes first, and writes the note in place.
        self._remove_superseded()
        outdated = []
        if self.max_keep_ckpts > 0:
            # Those of signals were for going on, which this one is for from now on.
            stops = runner.message_hub.get_info(STOPPED_AT) or ()
            kept = [old for old in self.keep_ckpt_ids if old != step]
            extra = [old for old in kept if old in stops]
            steps = [*extra, *(old for old in kept if old not in stops), step]
            outdated = steps[: max(len(extra), len(steps) - self.max_keep_ckpts)]
            self.keep_ckpt_ids = deque(steps[len(outdated) :])
            # With the outdated ones: if the run is killed now, the resumed one deletes them.
            runner.message_hub.update_info('keep_ckpt_ids', steps)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self._path(name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            AtomicBackend().put_text(self.last_ckpt, Path(runner.work_dir, 'last_checkpoint'))
            self._remove([self._path(self.filename_tmpl.format(old)) for old in outdated])

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if not self.save_best or len(self.key_indicators) > 1:
            super()._save_best_checkpoint(runner, metrics)
            return
        # mmengine deletes the best one before it writes the better one: it is not told of it.
        self._superseded, self.best_ckpt_path = self.best_ckpt_path, None
        super()._save_best_checkpoint(runner, metrics)
        if self.best_ckpt_path is None:
            self.best_ckpt_path = self._superseded
        self._remove_superseded()

    def _remove_superseded(self) -> None:
        path = self._superseded
        if path is not None and path != self.best_ckpt_path and is_main_process():
            self._remove([path])
        self._superseded = None

    def _path(self, name: str) -> str:
        return self.file_backend.join_path(self.out_dir, name)

    def _remove(self, paths: list[str]) -> None:
        for path in paths:
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
