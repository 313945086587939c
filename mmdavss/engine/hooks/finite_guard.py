"""Stops a run whose loss or weights are no numbers any more."""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor

from mmdavss.errors import UserError

from ..checkpoint import noted_checkpoint


class NotFiniteError(UserError, FloatingPointError):
    """A loss, or a weight that was to be saved, is NaN or infinite."""


@HOOKS.register_module()
class FiniteGuardHook(Hook):
    """Ends a run in the iteration in which a loss becomes NaN or infinite.

    It runs before all other hooks: nothing of that iteration is saved, and the teacher, the proxy
    and the schedules, which hooks move, do not follow. Statistics and banks leave out rows that
    are not finite (:class:`ClassStatistics`). The gradient of a finite loss can be NaN too: so a
    checkpoint is not written if it holds a tensor that is not finite, and the one before it stays.

    The check waits for the device once per iteration. So does mmengine's own RuntimeInfoHook
    right after it, once for each loss that it logs.
    """

    # Before RuntimeInfoHook, CheckpointHook and all that follow the student.
    priority = 'HIGHEST'

    _batch = 'unknown'

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: Mapping[str, Tensor] | None = None) -> None:
        """Checks the losses of the iteration.

        Raises:
            NotFiniteError: If one is NaN or infinite; names it and the files of the batch.
        """
        self._batch = '; '.join(
            f'{domain}: {", ".join(names)}' if domain else ', '.join(names)
            for domain, names in _files(data_batch)) or 'files unknown'
        losses = {name: value.detach().float().mean() for name, value in (outputs or {}).items()
                  if 'loss' in name and isinstance(value, Tensor)}
        if not losses:
            return
        values = torch.stack(list(losses.values()))
        if bool(values.isfinite().all()):
            return
        wrong = {name: value for name, value in zip(losses, values.tolist(), strict=True)
                 if not math.isfinite(value)}
        if len(wrong) > 1:
            wrong.pop('loss', None)  # the sum of the others
        terms = ', '.join(f'{name} is {value}' for name, value in wrong.items())
        raise NotFiniteError(
            f'iteration {runner.iter + 1}: {terms}. The batch: {self._batch}. {_kept(runner)} Look '
            'at these files; then try without --amp, a lower learning rate, or clip_grad in '
            'optim_wrapper (docs/faq.md, "Training").')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks what is to be saved.

        Raises:
            NotFiniteError: If a weight or buffer is not finite; names some.
        """
        wrong = [name for name, value in checkpoint['state_dict'].items()
                 if value.is_floating_point() and not bool(value.isfinite().all())]
        if wrong:
            some = ', '.join(wrong[:3]) + (', ...' if len(wrong) > 3 else '')
            raise NotFiniteError(
                f'iteration {runner.iter + 1}: {len(wrong)} tensors of the model are NaN or '
                f'infinite ({some}), so no checkpoint is written. {_kept(runner)} The losses were '
                f'finite, a gradient or a feature was not; the last batch: {self._batch}. Try '
                'without --amp, a lower learning rate, or clip_grad in optim_wrapper '
                '(docs/faq.md, "Training").')


def _files(data_batch: Any) -> Iterator[tuple[str, list[str]]]:
    """The domain, where there is one, and the current frames of its clips."""
    samples = data_batch.get('data_samples') if isinstance(data_batch, Mapping) else None
    for domain, own in (samples.items() if isinstance(samples, Mapping) else [('', samples)]):
        names = [path for sample in own or ()
                 if (path := getattr(sample, 'metainfo', {}).get('img_path')) is not None]
        if names:
            yield domain, names


def _kept(runner: Runner) -> str:
    noted = noted_checkpoint(runner.work_dir)
    return 'There is no checkpoint of this run yet.' if noted is None else \
        f'The last good checkpoint is {noted}.'
