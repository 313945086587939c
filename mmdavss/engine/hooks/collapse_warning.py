"""Warns when a model without labels forgets its classes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor

from mmdavss.evaluation.health import PRESENT, collapsed_classes
from mmdavss.utils.errors import NotFiniteError
from mmdavss.utils.wrappers import unwrapped

from .deferred_log import log_is_due, on_device
from .finite_guard import files_of

#: Keys in the message hub, and so in checkpoints: the sum of the first shares, the shares of the
#: last checks, and of how many lost classes was warned.
REFERENCE = 'collapse_reference'
RECENT = 'collapse_recent'
WARNED = 'collapse_warned'


class Check(NamedTuple):
    """A look at the predictions on one batch.

    Attributes:
        step: The iteration, from 0.
        batch: The files of its batch.
        found: (K + 1), the shares of the predicted classes, and 1 if all scores are finite, else 0;
            on the device.
    """

    step: int
    batch: str
    found: Tensor


@HOOKS.register_module()
class CollapseWarningHook(Hook):
    """Checks the student's predictions on its target batch at intervals.

    Without labels the loss does not show that predictions collapse to few classes: it may even
    improve. In source-free runs (a :class:`DomainPairDataset` without source) the class shares
    predicted in the first `batches` iterations are the reference. Later shares, averaged over
    `batches` checks, are compared with the reference: if at least half of the classes have lost
    most of their pixels (``collapsed_classes`` of mmdavss.evaluation.health), a warning is logged,
    once for each number of classes. The run is not stopped. A run that is resumed from a checkpoint
    without reference, which was trained without this hook, is not checked.

    A check is one forward pass of the student in evaluation mode, without gradient. It draws no
    random numbers and updates no statistics, so that training is unaffected. Each process checks
    its own batch; the first one warns. On a GPU the host would wait for each result: what is found
    is read when the log is written, and before a checkpoint is saved.

    Args:
        interval: Iterations between two checks.
        batches: Number of checks that are averaged.

    Raises:
        ValueError: If either is less than 1.
    """

    priority = 'LOW'

    def __init__(self, interval: int = 100, batches: int = 5) -> None:
        if interval < 1 or batches < 1:
            raise ValueError(
                f'CollapseWarningHook: interval={interval} and batches={batches} must be 1 or more.'
            )
        self.interval = interval
        self.batches = batches
        self._active = False
        self._seen: list[Check] = []

    def before_train(self, runner: Runner) -> None:
        """Finds out whether the run is source-free."""
        branches = getattr(runner.train_dataloader.dataset, 'branches', {})
        self._active = set(branches) == {'target'} and hasattr(
            unwrapped(runner.model), 'encode_decode'
        )
        started = runner.message_hub.runtime_info.get(REFERENCE)
        if self._active and runner.iter >= self.batches and started is None:
            self._active = False
            runner.logger.log(
                logging.WARNING,
                'CollapseWarningHook: the checkpoint has no class shares of the start of the run, '
                'to compare with: whether predictions collapse is not checked.',
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Checks the batch if a check is due."""
        step = runner.iter
        if self._active and (step < self.batches or step % self.interval == 0):
            self._seen.append(Check(step, files_of(data_batch), self._look(runner, data_batch)))
            if not on_device(self._seen[-1].found):
                self._read(runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Reads what has been found on a device, if the log is due."""
        if self._seen and log_is_due(self, runner, batch_idx):
            self._read(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Completes what the checkpoint remembers of the checks."""
        if self._seen:
            self._read(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    @torch.no_grad()
    def _look(self, runner: Runner, data_batch: Any) -> Tensor:
        """What :attr:`Check.found` holds."""
        model: Any = unwrapped(runner.model)
        model.eval()
        try:
            # Padded as in the method's own pass.
            inputs = model.data_preprocessor(data_batch, True)['inputs']
            clip = inputs['target'] if isinstance(inputs, dict) else inputs
            scores = model.encode_decode(clip)
        finally:
            model.train()
        labels = scores.argmax(1).flatten()  # of NaN it is arbitrary, but a class
        # bincount would wait for the largest label.
        counts = labels.new_zeros(model.num_classes).scatter_add_(
            0, labels, torch.ones_like(labels)
        )
        shares = counts / counts.sum()
        return torch.cat([shares, scores.isfinite().all()[None].to(shares)])

    def _read(self, runner: Runner) -> None:
        """Takes the checks that have been made, in order.

        Raises:
            NotFiniteError: If a prediction was not finite.
        """
        seen, self._seen = self._seen, []
        numbers = torch.stack([check.found for check in seen]).tolist()
        for check, (*shares, finite) in zip(seen, numbers, strict=True):
            if not finite:
                raise NotFiniteError(
                    f'iteration {check.step + 1}: what the student predicts on its target batch is '
                    f'NaN or infinite: {check.batch}. The last steps, or the running '
                    'statistics of its batch norm, caused this: try a lower learning rate '
                    '(docs/faq.md, "Training").'
                )
            self._remember(runner, check.step, shares)

    def _remember(self, runner: Runner, step: int, shares: list[float]) -> None:
        known: Mapping[str, Any] = runner.message_hub.runtime_info
        if step < self.batches:
            # Before training has changed much. The sum is in the checkpoint.
            before = known.get(REFERENCE)
            if step and before:
                shares = [old + new for old, new in zip(before, shares, strict=True)]
            runner.message_hub.update_info(REFERENCE, shares)
            return
        recent = [*known.get(RECENT, []), shares][-self.batches :]
        runner.message_hub.update_info(RECENT, recent)
        if len(recent) == self.batches:
            self._compare(runner, recent)

    def _compare(self, runner: Runner, recent: list[list[float]]) -> None:
        reference = torch.tensor(runner.message_hub.get_info(REFERENCE))
        before = (reference / reference.sum()).tolist()
        after = torch.tensor(recent).mean(0).tolist()
        present = sum(share >= PRESENT for share in before)
        lost = collapsed_classes(before, after)
        if 2 * len(lost) < max(present, 2):
            runner.message_hub.update_info(WARNED, 0)
        elif len(lost) > runner.message_hub.runtime_info.get(WARNED, 0):
            runner.message_hub.update_info(WARNED, len(lost))
            classes = runner.train_dataloader.dataset.metainfo.get('classes') or range(len(before))
            names = ', '.join(str(classes[k]) for k in lost)
            largest = max(range(len(after)), key=after.__getitem__)
            runner.logger.log(
                logging.WARNING,
                f'The predictions collapse: of {present} classes that the student predicted on '
                f'the target at the start, {len(lost)} are almost gone ({names}); '
                f'{classes[largest]} has {after[largest]:.0%} of all pixels. Without labels the '
                'loss does not show it. Look at pictures, and lower the learning rate or the '
                'weight of an entropy term, train fewer iterations or only batch norm '
                '(model.train_norm_only=True), or set confident_per_class=True if the method has '
                'this option (docs/faq.md, "mIoU is 0 or near it").',
            )
