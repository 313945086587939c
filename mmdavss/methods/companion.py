"""Copies of a student, or of a part of it, that follow it: teachers, proxies, anchors."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.dist import all_reduce_params
from torch import Tensor, nn

from mmdavss.utils.checkpoints import keep_out_of_checkpoints
from mmdavss.utils.wrappers import unwrapped
from mmdavss.video_nets.base import segmentor_norms

KINDS = ('fixed', 'pretrained', 'copy', 'ema')
NORMS = ('student', 'batch')


@dataclass(frozen=True)
class Companion:
    """How a copy of a part of a method follows that part.

    The copy is a child of the method. It gets no gradient, has no active dropout, and is set to
    what it follows when training starts, see :meth:`BaseAdapter.start_from_weights`.
    :meth:`BaseAdapter.add_companion` makes one, and :meth:`BaseAdapter.move_companions` moves those
    of a kind; hooks decide when.

    Attributes:
        name: The attribute of the method that is the copy, and its prefix in checkpoints.
        kind: ``fixed``: keeps the weights that training starts with. ``pretrained``: keeps those
            that its own ``init_cfg`` loads, whatever checkpoint training starts from; for a
            backbone, or another part of the student. ``copy``: becomes a copy whenever it is
            moved, with the mean of the running statistics of all processes. ``ema``: moves by an
            exponential moving average.
        follows: Path of the part that is copied, such as ``student`` or
            ``student.segmentor.backbone``.
        norm: ``student``: batch norm uses the running statistics of what it follows, taken over
            with each move. ``batch``: batch norm uses the statistics of the batch while the method
            trains; the running ones are the copy's own and nothing reads them. A flow branch stays
            in evaluation mode.
        persistent: Whether the copy is in checkpoints. One that ``init_weights`` makes again, such
            as a backbone with its pretrained weights, need not be.

    Raises:
        ValueError: If `kind` or `norm` is unknown.
    """

    name: str
    kind: str
    follows: str = 'student'
    norm: str = 'student'
    persistent: bool = True

    def __post_init__(self) -> None:
        for option, value, known in (('kind', self.kind, KINDS), ('norm', self.norm, NORMS)):
            if value not in known:
                raise ValueError(
                    f'Companion {self.name}: {option}={value!r} is not one of {known}.'
                )

    def create(self, method: nn.Module, module: nn.Module | None = None) -> None:
        """Makes the copy, or takes a module as it."""
        made = copy.deepcopy(self._followed(method)) if module is None else module
        made.requires_grad_(False)
        if not self.persistent:
            keep_out_of_checkpoints(made)
        setattr(method, self.name, made)

    def modules(self, method: nn.Module) -> tuple[nn.Module, nn.Module]:
        """What is followed, and the copy."""
        return self._followed(method), getattr(method, self.name)

    @torch.no_grad()
    def move(self, method: nn.Module, momentum: float = 0.0) -> None:
        """copy <- momentum * copy + (1 - momentum) * followed.

        Args:
            method: The owner of both.
            momentum: For parameters. 0 copies everything, buffers included.
        """
        followed, made = self.modules(method)
        # By order, not by name: a DDP wrapper around what is followed changes the names.
        if momentum == 0:
            _copy(followed.parameters(), made.parameters())
        else:
            torch._foreach_lerp_(list(made.parameters()), list(followed.parameters()), 1 - momentum)
        if momentum == 0 or self.norm == 'student':
            _copy(followed.buffers(), made.buffers())
        if self.kind == 'copy':
            # Each process has running statistics of its own; the copy is one for all.
            all_reduce_params(list(made.buffers()), op='mean')

    def set_mode(self, method: nn.Module, mode: bool) -> None:
        """Puts the copy in the mode that goes with the method's: training if `mode` is true."""
        made = getattr(method, self.name)
        made.eval()
        if mode and self.norm == 'batch':
            for norm in segmentor_norms(made):
                norm.train()

    def _followed(self, method: nn.Module) -> nn.Module:
        part: Any = method
        for name in self.follows.split('.'):
            part = unwrapped(getattr(part, name))
        return part


def _copy(source: Iterable[Tensor], destination: Iterable[Tensor]) -> None:
    for own, other in zip(source, destination, strict=True):
        other.copy_(own)
