"""Logged numbers that stay on the device until the log is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from mmengine.hooks import Hook, LoggerHook, RuntimeInfoHook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor

from mmdavss.engine.player_optim_wrapper import ClipEach
from mmdavss.utils.wrappers import players_of


def on_device(value: Any) -> bool:
    """Whether reading a number waits for a device."""
    return isinstance(value, Tensor) and value.device.type != 'cpu'


def log_is_due(hook: Hook, runner: Runner, batch_idx: int) -> bool:
    """Whether the log is written in this iteration, which is also so in the last one."""
    intervals = [one.interval for one in runner.hooks if isinstance(one, LoggerHook)]
    return (
        not intervals
        or any(hook.every_n_inner_iters(batch_idx, interval) for interval in intervals)
        or hook.end_of_epoch(runner.train_dataloader, batch_idx)
        or hook.is_last_train_iter(runner)
    )


def pass_norms_to(
    wrapper: OptimWrapper | OptimWrapperDict, note: Callable[[str, Any], None]
) -> None:
    """Replaces how optimiser wrappers log the norms of clipped gradients, which reads each norm.

    Args:
        wrapper: The wrapper, or those of the players.
        note: Is told the name and the norm, a tensor on its device.
    """
    for own in players_of(wrapper).values():
        clip = getattr(own, 'clip_func', None)
        if isinstance(clip, ClipEach):
            clip.note = note
        elif clip is torch.nn.utils.clip_grad_norm_:
            own.clip_func = Noted(clip, f'train/{own.grad_name}', note)


@HOOKS.register_module()
class DeferredInfoHook(RuntimeInfoHook):
    """mmengine's RuntimeInfoHook, with one wait for the device each time the log is written.

    mmengine's reads every logged number in every iteration, and its optimiser wrappers read the
    norm of clipped gradients: the host waits for the device each time. Here numbers on a device are
    kept there, and read together when the log is written, before a validation, and before a
    checkpoint is saved. The history that is logged and saved is the same. Numbers on the CPU are
    read at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pending: list[tuple[str, Tensor]] = []

    def before_train(self, runner: Runner) -> None:
        """As mmengine's; and the norms of clipped gradients are logged here."""
        super().before_train(runner)
        pass_norms_to(runner.optim_wrapper, partial(self._note, runner))

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Notes the iteration's numbers; reads all if the log is due."""
        for key, value in (outputs or {}).items():
            self._note(runner, f'train/{key}', value)
        if self._pending and log_is_due(self, runner, batch_idx):
            self._read(runner)

    def before_val(self, runner: Runner) -> None:
        """As mmengine's, after all numbers have been read."""
        self._read(runner)
        super().before_val(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Completes the history in the checkpoint."""
        if self._pending:
            self._read(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def _note(self, runner: Runner, key: str, value: Any) -> None:
        if on_device(value):
            self._pending.append((key, value.detach()))
        else:
            runner.message_hub.update_scalar(key, value)

    def _read(self, runner: Runner) -> None:
        if self._pending:
            names, values = zip(*self._pending, strict=True)
            self._pending.clear()
            numbers = torch.stack([value.reshape(()).double() for value in values]).tolist()
            for name, number in zip(names, numbers, strict=True):
                runner.message_hub.update_scalar(name, number)


class Noted:
    """Clips gradients and notes their norm, in the place of an optimiser wrapper's function.

    Args:
        clip: The function, such as ``torch.nn.utils.clip_grad_norm_``.
        key: Name of the norm in the log.
        note: Is told the name and the norm.
    """

    def __init__(
        self, clip: Callable[..., Tensor], key: str, note: Callable[[str, Any], None]
    ) -> None:
        self.clip = clip
        self.key = key
        self.note = note

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Returns nothing, which the wrapper would read."""
        self.note(self.key, self.clip(*args, **kwargs))
