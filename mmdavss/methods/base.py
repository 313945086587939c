"""What all methods share in training."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.utils import SampleList
from torch import Tensor, nn

from mmdavss.modules import norm_layers, unmoved_statistics
from mmdavss.structures import Clip, DomainBatch, DomainClips
from mmdavss.utils.distributed import mean_log, visit_gradients
from mmdavss.utils.errors import number_of
from mmdavss.utils.passes import uncached_autocast
from mmdavss.utils.wrappers import players_of, set_iteration, step_if_due
from mmdavss.video_nets import VideoNet
from mmdavss.video_nets.base import segmentor_norms

from .companion import Companion
from .segmentor import VideoSegmentor

#: Those of a game with a discriminator: parts of a method, each with an optimiser.
PLAYERS = ('student', 'discriminator')


class BaseAdapter(VideoSegmentor):
    """A method: owns the video net ``student`` and what is needed only to train it.

    Subclasses implement :meth:`losses`, or :meth:`loss_groups` where the losses have graphs that
    share nothing: then only one of these graphs is in memory at a time.

    Args:
        norm_eval: Whether the student's batch-norm statistics stay as they are in training.
        train_norm_only: Whether of the student only the affine parameters of its batch-norm layers
            are trained, which keeps an adaptation without labels near its source model; those of a
            flow branch are not.
        running_statistics: Which passes of training move the student's running batch-norm
            statistics, which only prediction reads: one of :attr:`STATISTICS`.
        source_free: Whether a batch with source clips is an error; None as in the class.
        kwargs: Those of :class:`VideoSegmentor`: student, flow, source_checkpoint, ...
    """

    #: Values of the option ``running_statistics`` that a method knows.
    STATISTICS: tuple[str, ...] = ('all',)
    #: Factor of the target losses of auxiliary classifiers.
    auxiliary_weight: float = 1.0
    #: Whether the method has no use for source clips, which are an error then.
    source_free: bool = False

    def __init__(
        self,
        norm_eval: bool = False,
        train_norm_only: bool = False,
        running_statistics: str = 'all',
        source_free: bool | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if source_free is not None:
            self.source_free = source_free
        self.norm_eval = norm_eval
        if running_statistics not in self.STATISTICS:
            raise ValueError(
                f'{type(self).__name__}: running_statistics={running_statistics!r} is '
                f'not one of {self.STATISTICS}.'
            )
        self.running_statistics = running_statistics
        self.companions: dict[str, Companion] = {}
        # Whether the teacher is still as it started, as far as that is watched.
        self._still = True
        if train_norm_only:
            norms = segmentor_norms(self.net)
            if not norms:
                raise ValueError(
                    f'{type(self).__name__}: the student has no batch-norm layers, and '
                    'train_norm_only=True trains nothing else: set it to False.'
                )
            self.student.requires_grad_(False)
            for norm in norms:
                norm.requires_grad_(True)

    def init_weights(self) -> None:
        """Initialises the student, see :meth:`VideoSegmentor.init_weights`, and what follows."""
        super().init_weights()
        self.start_from_weights()

    def start_from_weights(self) -> None:
        """Sets what follows from the student's first weights: the companions.

        After ``init_weights``, and after a checkpoint that the run starts from (``load_from``) has
        replaced these weights; not when a run is resumed.
        """
        for companion in self.companions.values():
            if companion.kind != 'pretrained':
                companion.move(self)

    @property
    def players(self) -> tuple[str, ...]:
        """Parts that have an optimiser each: the student, and its discriminator if there is one."""
        return PLAYERS if getattr(self, 'discriminator', None) is not None else PLAYERS[:1]

    @property
    def moved_by(self) -> Mapping[str, str]:
        """Functions without whose calls this is another method, and the type of hook of each.

        A run needs hooks that call them: see :func:`check_hooks`.
        """
        return {}

    def add_companion(
        self,
        name: str,
        kind: str,
        follows: str = 'student',
        norm: str = 'student',
        persistent: bool = True,
        module: nn.Module | None = None,
    ) -> None:
        """Makes a copy of a part of this method, as the attribute `name`.

        Args:
            name: As all others, see :class:`Companion`.
            kind: ``fixed``, ``pretrained``, ``copy`` or ``ema``.
            follows: Path of the part.
            norm: ``student`` or ``batch``.
            persistent: Whether it is in checkpoints.
            module: Taken instead of the copy, for a network of its own: ``pretrained``.
        """
        if isinstance(module, VideoNet):  # a copy knows as much as what it follows
            module.set_normalisation(self.data_preprocessor)
        companion = Companion(name, kind, follows, norm, persistent)
        companion.create(self, module)
        self.companions[name] = companion

    def move_companions(self, kind: str, momentum: float = 0.0) -> None:
        """Moves all companions of a kind towards what they follow, see :meth:`Companion.move`."""
        if kind == 'ema':
            self._still = False
        for companion in self.companions.values():
            if companion.kind == kind:
                companion.move(self, momentum)

    def train(self, mode: bool = True) -> BaseAdapter:
        super().train(mode)
        if mode and self.norm_eval:
            for norm in norm_layers(self.student):
                norm.eval()
        for companion in self.companions.values():
            companion.set_mode(self, mode)
        return self

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """As mmseg's, with a further mode.

        Args:
            inputs: Clips.
            data_samples: Samples.
            mode: ``tensor``, ``predict`` or ``loss``; or ``gradients``, which runs no network, see
                :func:`visit_gradients`.
        """
        if mode == 'gradients':
            return visit_gradients(self)
        # mmengine's data-parallel wrapper enters autocast before it calls this.
        with uncached_autocast() if mode == 'loss' else nullcontext():
            return super().forward(inputs, data_samples, mode)

    def loss(
        self, inputs: Clip | Mapping[str, Clip], data_samples: SampleList | Mapping[str, SampleList]
    ) -> dict[str, Tensor]:
        """All losses of a batch, and what else is logged: the entry that mmseg calls."""
        return {
            name: value
            for group in self.loss_groups(self.domain_batch(inputs, data_samples))
            for name, value in group.items()
        }

    def domain_batch(
        self, inputs: Clip | Mapping[str, Clip], data_samples: SampleList | Mapping[str, SampleList]
    ) -> DomainBatch:
        """The clips of a batch by their domain.

        Raises:
            ValueError: If the method is source-free, and there are clips of the source.
        """
        self._warn_of_a_still_teacher()
        if self.source_free and isinstance(inputs, Mapping) and 'source' in inputs:
            raise ValueError(
                f'{type(self).__name__} is source-free, and the batch has source clips: set '
                '`train_dataloader.dataset.source=None`.'
            )
        return DomainBatch(inputs, data_samples)

    def _warn_of_a_still_teacher(self) -> None:
        """Says once if no hook has moved the teacher before the first step, as one does at once.

        Runs of tools/train.py do not start then; those of other scripts would train another method.
        """
        if not self._still or not self.training:
            return
        self._still = False
        hook = self.moved_by.get('update_teacher')
        if hook is not None:
            print_log(
                f'{type(self).__name__}: nothing moves its teacher, which stays as it starts: add '
                f"dict(type='{hook}') to custom_hooks.",
                logger='current',
                level=logging.WARNING,
            )

    def losses(self, batch: DomainBatch) -> dict[str, Tensor]:
        """The losses of a batch that share a graph, and what else is logged.

        Raises:
            TypeError: If a method has neither these nor :meth:`loss_groups`.
        """
        raise TypeError(f'{type(self).__name__} implements neither losses nor loss_groups.')

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        """The losses of a batch in groups, each of which is backpropagated before the next.

        The gradient of a sum is the sum of the gradients: the step is the same, and the memory is
        that of the largest group. So a group holds at least one loss, and no graph of it may be
        needed by a later one. By default :meth:`losses` are the only group.

        Yields:
            Losses of a group, and what else is logged. Where there are several optimisers, they are
            the student's, or the discriminator's if all names begin with ``discriminator.``.
        """
        yield self.losses(batch)

    def train_step(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapper | OptimWrapperDict
    ) -> dict[str, Tensor]:
        """One iteration, with a backward pass for each of :meth:`loss_groups`.

        With several processes ``GroupedDistributedDataParallel`` has its own.
        """
        log = self.backpropagate(data, optim_wrapper)
        step_if_due(optim_wrapper)
        return log

    def backpropagate(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapper | OptimWrapperDict
    ) -> dict[str, Tensor]:
        """The backward passes of an iteration, without the step of the optimiser.

        A method that overrides :meth:`loss` has one, of the sum.

        Args:
            data: Batch of the data loader.
            optim_wrapper: The optimiser's wrapper, or those of the players; the count of iterations
                grows by one.

        Returns:
            What is logged. The loss is the student's.
        """
        groups = self._groups(self.data_preprocessor(data, True))
        return self._backpropagate(groups, players_of(optim_wrapper), self)

    def _backpropagate(
        self,
        groups: Iterator[dict[str, Tensor]],
        wrappers: Mapping[str, OptimWrapper],
        network: nn.Module,
    ) -> dict[str, Tensor]:
        """A backward pass for each group of losses, and what is logged.

        Args:
            groups: The groups, as of :meth:`loss_groups`.
            wrappers: Optimiser's wrapper of each player.
            network: The module that computes the losses.
        """
        total: list[Tensor] = []
        log: dict[str, Tensor] = {}
        iterations = {name: own.inner_count for name, own in wrappers.items()}
        while True:
            # Entered anew for each group: no backward pass runs under autocast.
            with uncached_autocast(), wrappers['student'].optim_context(network):
                losses = next(groups, None)
            if losses is None:
                break
            loss, own = self.parse_losses(losses)
            player = 'student'
            if len(wrappers) > 1 and all(name.startswith('discriminator.') for name in losses):
                player = 'discriminator'
            wrapper = wrappers[player]
            # All passes belong to one iteration: accumulation counts these.
            set_iteration(wrapper, iterations[player])
            wrapper.backward(wrapper.scale_loss(loss))
            value = own.pop('loss')
            if player == 'student':
                total.append(value)
            log |= own
        return dict(loss=reduce(torch.add, total)) | log

    def _groups(self, data: dict) -> Iterator[dict[str, Tensor]]:
        if self._has_groups():
            yield from self.loss_groups(self.domain_batch(**data))
        else:
            yield self.loss(**data)

    def _has_groups(self) -> bool:
        return type(self).loss is BaseAdapter.loss

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of this process, and what is logged: means over all processes."""
        loss, log = super().parse_losses(losses)
        return loss, mean_log(log)

    def temporal_flow(self, clip: Clip, length: int, domain: str = 'target') -> Tensor:
        """:meth:`given_flow` of clips, for a method that cannot do without.

        Args:
            clip: The clips.
            length: Frames that they must have at least.
            domain: Their domain, for messages.

        Returns:
            (N, T-1, 2, H, W). The student gets it through :meth:`for_student`.

        Raises:
            ValueError: If clips are shorter, or there is no flow.
        """
        name, frames = type(self).__name__, clip.frames.shape[1]
        if frames < length:
            raise ValueError(
                f'{name}: {domain} clips have {number_of(frames, "frame")} and need {length} '
                f'or more: set clip_length={length} in the {domain} data set.'
            )
        flow = self.given_flow(clip)
        if flow is None:
            raise ValueError(
                f'{name}: {domain} clips come without flow: add LoadFlow to their '
                'pipeline, or set `model.flow` to a provider.'
            )
        return flow

    def with_flow(self, clips: DomainClips) -> DomainClips:
        """Clips with the flow that the student is given, see :meth:`clip_flow`.

        A method whose passes are in several groups calls it before the first, see
        :meth:`given_flow`.
        """
        return clips._replace(clip=clips.clip._replace(flow=self.clip_flow(clips.clip)))

    def augmented_frames(self, clip: Clip) -> Tensor:
        """The augmented frames (N, T, 3, H, W) of target clips, on which labels are learnt.

        Raises:
            KeyError: If the clips come without.
        """
        if clip.augmented is None:
            raise KeyError(
                f'{type(self).__name__} needs an augmented view of the target clips: add '
                'TPSAugment or CrossFrameAugment to their pipeline.'
            )
        return clip.augmented

    def head_weight(self, name: str) -> float:
        """Factor of the target losses of a classifier, by its name (``decode``, ``aux``, ...)."""
        return self.auxiliary_weight if name.rpartition('.')[2].startswith('aux') else 1.0

    def for_student(self, flow: Tensor | None) -> Tensor | None:
        """Flow that a method has for itself, or None if the student takes its own or none."""
        return flow if self.net.needs_flow else None

    def counts_for(self, *kinds: str) -> AbstractContextManager[None]:
        """Context manager: updates running statistics only if the option is one of `kinds`."""
        if self.running_statistics in kinds:
            return nullcontext()
        return unmoved_statistics(self.student)

    def require_single_frame_student(self) -> None:
        """For methods that take scores of single frames only, without an auxiliary classifier.

        Raises:
            ValueError: If the student is no net for single frames.
        """
        if self.student.temporal:
            raise ValueError(
                f'{type(self).__name__}: the student predicts frame by frame and '
                f'cannot be {type(self.student).__name__}; use PerFrame.'
            )
        self.student.freeze_auxiliary()
