"""Stops a run whose loss or weights are NaN or infinite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from mmengine.dist import all_gather_object, all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from mmdavss.utils.checkpoints import noted_checkpoint
from mmdavss.utils.errors import NotFiniteError
from mmdavss.utils.wrappers import players_of, unwrapped

from .deferred_log import log_is_due, on_device

#: Smallest loss scale of mixed precision; reached after about thirty skipped steps in a row.
LEAST_SCALE = 1e-4


class Iteration(NamedTuple):
    """What is to be checked of an iteration.

    Attributes:
        number: From 1.
        batch: The files of its batch.
        finite: Whether all is finite; on the device.
        losses: Scalars by name.
        watched: Norms by name.
    """

    number: int
    batch: str
    finite: Tensor
    losses: Mapping[str, Tensor]
    watched: Mapping[str, Tensor]


@HOOKS.register_module()
class FiniteGuardHook(Hook):
    """Ends a run in which something becomes NaN or infinite.

    It runs before all other hooks, so that nothing of such an iteration is saved. It checks

    - the losses;
    - what a method watches (:meth:`BaseAdapter.watch`): predictions that become labels, features
      that become statistics, flow. A NaN among them need not show in a loss, since it exceeds no
      threshold and labels nothing;
    - trained weights and buffers after the step: the gradient of a finite loss can be NaN;
    - gradients kept for a later step (``accumulative_counts``), except in mixed precision with a
      loss scale, which skips steps that overflow. Once the scale has fallen to
      :data:`LEAST_SCALE`, every step overflows, which ends the run too.

    All weights are checked before the first iteration and before a checkpoint is written.

    On the CPU every iteration is checked before the next one, so that the hooks that update
    teacher, proxy and schedules do not see a broken one. Elsewhere the host would wait for the
    device each time: iterations are checked together when the log is written and before a
    checkpoint is saved, and the message is about the first broken one. What remembers may be broken
    by then, but not in a checkpoint.

    With several processes all end if one of them has such a value. What is logged is a mean over
    them, so the message names the batches of all.

    Args:
        interval: Iterations from one check to the next; None for the above.
    """

    # Before RuntimeInfoHook, CheckpointHook and all hooks that follow the student.
    priority = 'HIGHEST'

    def __init__(self, interval: int | None = None) -> None:
        self.interval = interval
        self._batch = 'unknown'
        self._seen: list[Iteration] = []
        self._state: dict[str, Tensor] = {}
        self._parameters: list[nn.Parameter] = []

    def before_train(self, runner: Runner) -> None:
        """Finds the tensors that training changes.

        Raises:
            NotFiniteError: If a weight or buffer is not finite from the start.
        """
        model = unwrapped(runner.model)
        # Names as in checkpoints: those of the modules have `module.` where a player is wrapped.
        saved = model.state_dict(keep_vars=True)
        everything = {
            name: value.detach()
            for name, value in saved.items()
            if isinstance(value, Tensor) and value.is_floating_point()
        }
        wrong = not_finite(everything)
        if wrong:
            raise NotFiniteError(
                f'{_tensors(wrong)} before the first iteration: the checkpoint that the run starts '
                'from (load_from, model.source_checkpoint or init_cfg) is broken. Take another '
                'one.'
            )
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._state = {
            name: value
            for name, value in everything.items()
            if saved[name].requires_grad or not isinstance(saved[name], nn.Parameter)
        }

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Checks the iteration, or notes what is to be checked.

        Raises:
            NotFiniteError: If a value is NaN or infinite; names it and the files of the batch.
        """
        self._batch = files_of(data_batch)
        losses = {
            name: value.detach().float().mean()
            for name, value in (outputs or {}).items()
            if 'loss' in name and isinstance(value, Tensor)
        }
        watched = _watched(runner)
        scalers = _scalers(runner)
        moved = list(self._state.values())
        if not scalers:
            moved += [p.grad for p in self._parameters if p.grad is not None]
        values = [*losses.values(), *watched.values()]
        if moved:
            values.append(get_total_norm(moved).to(values[0] if values else torch.float32))
        if values:
            finite = torch.stack(values).isfinite().all()
            self._seen.append(Iteration(runner.iter + 1, self._batch, finite, losses, watched))
            if self._is_due(runner, batch_idx, finite):
                self._check(runner, scalers, together=True)

    def _is_due(self, runner: Runner, batch_idx: int, finite: Tensor) -> bool:
        if self.interval is not None:
            return self.every_n_inner_iters(batch_idx, self.interval) or (
                self.is_last_train_iter(runner)
            )
        return not on_device(finite) or log_is_due(self, runner, batch_idx)

    def _check(
        self, runner: Runner, scalers: list[torch.amp.GradScaler], together: bool = False
    ) -> None:
        """Checks what has been seen, of all processes if they call it together."""
        seen = self._seen
        if together or get_world_size() == 1:  # or else the others still have what this one has
            self._seen = []
        if seen:
            finite = torch.stack([one.finite for one in seen]).int()
            if together:
                all_reduce(finite, 'min')
            for one, fine in zip(seen, finite.tolist(), strict=True):
                if fine:
                    continue
                if together:
                    one = one._replace(batch=_of_all(one.batch))
                fault = self._fault(runner, one)
                if together and any(all_gather_object(fault is not None)):
                    fault = fault or (
                        f'iteration {one.number}: a value of another process is NaN or infinite; '
                        f'its message names it. The batch: {one.batch}. {_kept(runner)}'
                    )
                if fault is not None:
                    raise NotFiniteError(fault)
        # The device is idle by now: this only copies a number.
        if any(scaler.get_scale() < LEAST_SCALE for scaler in scalers):
            raise NotFiniteError(
                f'iteration {runner.iter + 1}: the gradients overflow at every loss scale, so that '
                f'training cannot continue. The batch: {self._batch}. {_kept(runner)} Try --amp '
                'bf16, or go without --amp (docs/faq.md, "Training").'
            )

    def _fault(self, runner: Runner, seen: Iteration) -> str | None:
        """What is not finite in an iteration, if it can be named."""
        losses, watched = seen.losses, seen.watched
        where = f'iteration {seen.number}'
        then = (
            f'The batch: {seen.batch}. {_kept(runner)} Look at these files; then try without '
            '--amp, a lower learning rate, or clip_grad in optim_wrapper (docs/faq.md, '
            '"Training").'
        )
        values = {name: value.item() for name, value in losses.items()}
        wrong = {name: value for name, value in values.items() if not math.isfinite(value)}
        if len(wrong) > 1:
            wrong.pop('loss', None)  # the sum of the others
        terms = ', '.join(f'{name} is {value}' for name, value in wrong.items())
        if wrong:
            return f'{where}: {terms}. {then}'
        labels = [name for name, value in watched.items() if not math.isfinite(value.item())]
        if labels:
            return f'{where}: {", ".join(labels)} is not finite, and no loss shows it. {then}'
        finite = ', '.join(f'{name} {value:.4g}' for name, value in values.items())
        gradients = {
            f'gradient of {name}': p.grad
            for name, p in unwrapped(runner.model).named_parameters()
            if p.grad is not None
        }
        wrong = not_finite(self._state) or not_finite(gradients)
        if wrong:
            return (
                f'{where}: {_tensors(wrong)}. The losses were finite ({finite or "none"}), a '
                f'gradient or a feature was not. {then}'
            )
        return None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks the iterations that have not been checked, and the weights to be saved.

        Raises:
            NotFiniteError: If a weight or buffer is not finite; names some.
        """
        self._check(runner, _scalers(runner))
        wrong = not_finite(checkpoint['state_dict'])
        if wrong:
            raise NotFiniteError(
                f'iteration {runner.iter + 1}: {_tensors(wrong)}, so no checkpoint is written. '
                f'{_kept(runner)} The losses were finite, a gradient or a feature was not; the '
                f'last batch: {self._batch}. Try without --amp, a lower learning rate, or '
                'clip_grad in optim_wrapper (docs/faq.md, "Training").'
            )


def _of_all(batch: str) -> str:
    """The files of the batches of all processes, which call it together."""
    every = all_gather_object(batch)
    if len(every) == 1:
        return batch
    return '; '.join(f'of process {rank}: {files}' for rank, files in enumerate(every))


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold a NaN or an infinite value."""
    return [
        name
        for name, value in tensors.items()
        if value.is_floating_point() and not bool(value.isfinite().all())
    ]


def _tensors(names: list[str]) -> str:
    some = ', '.join(names[:3]) + (', ...' if len(names) > 3 else '')
    return f'{len(names)} tensors of the model are NaN or infinite ({some})'


def _watched(runner: Runner) -> dict[str, Tensor]:
    """Takes the values that the method watched in this iteration."""
    kept = getattr(unwrapped(getattr(runner, 'model', None)), 'watched', {})
    found = dict(kept)
    kept.clear()
    return found


def _scalers(runner: Runner) -> list[torch.amp.GradScaler]:
    """The loss scalers in use."""
    wrapper = getattr(runner, 'optim_wrapper', None)
    if wrapper is None:
        return []
    scalers = [getattr(one, 'loss_scaler', None) for one in players_of(wrapper).values()]
    return [scaler for scaler in scalers if scaler is not None and scaler.is_enabled()]


def files_of(data_batch: Any) -> str:
    """The current frames of a batch, by domain if it has domains."""
    samples = data_batch.get('data_samples') if isinstance(data_batch, Mapping) else None
    texts = []
    for domain, own in samples.items() if isinstance(samples, Mapping) else [('', samples)]:
        paths = [getattr(sample, 'metainfo', {}).get('img_path') for sample in own or ()]
        names = ', '.join(path for path in paths if path is not None)
        if names:
            texts.append(f'{domain}: {names}' if domain else names)
    return '; '.join(texts) or 'files unknown'


def _kept(runner: Runner) -> str:
    noted = noted_checkpoint(runner.work_dir)
    return (
        'There is no checkpoint of this run yet.'
        if noted is None
        else f'The last good checkpoint is {noted}.'
    )
