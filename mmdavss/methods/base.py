"""What all methods share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, OptSampleList, SampleList
from torch import Tensor, nn

from mmdavss.engine import (
    NotFiniteError,
    accumulation,
    bare_names,
    mean_log,
    unwrapped,
)
from mmdavss.modules import norm_layers, unmoved_statistics
from mmdavss.ops import at_least_float32
from mmdavss.structures import Clip, DomainBatch
from mmdavss.video_nets import VideoNet
from mmdavss.video_nets.loading import (
    check_checkpoint,
    forget_pretrained,
    has_pretrained,
    load_student,
)

from .companion import Companion


class BaseAdapter(BaseSegmentor):
    """A method: owns the video net ``student`` and what is needed only to train it.

    Prediction goes straight to the student, so that testing an adapted model is testing the
    plain net. Subclasses implement :meth:`losses`, or :meth:`loss_groups` where the losses have
    graphs that share nothing: then only one of these graphs is in memory at a time.

    Args:
        student: Config of the video net.
        flow: Config of the flow provider, for clips that come without flow. None where the
            pipeline loads it or the net needs none.
        source_checkpoint: Checkpoint that the student starts from: of any method of this package,
            or of a plain mmseg segmentor. Its class count has to fit.
        norm_eval: Whether the student's batch-norm statistics stay as they are in training.
        train_norm_only: Whether of the student only the affine parameters of its batch-norm layers
            are trained, which keeps an adaptation without labels near its source model.
        running_statistics: Which passes of training move the student's running batch-norm
            statistics, which only prediction reads: one of :attr:`STATISTICS`.
        resize_to_input: Whether a prediction's scores are resized to the input and then to the
            image, the two bilinear steps of mmseg and what is built on it; else to the image at
            once.
        data_preprocessor: Config, a :class:`DomainDataPreprocessor`.
    """

    #: Values of the option ``running_statistics`` that a method knows.
    STATISTICS: tuple[str, ...] = ('all',)

    def __init__(
        self,
        student: ConfigType,
        flow: OptConfigType = None,
        source_checkpoint: str | None = None,
        norm_eval: bool = False,
        train_norm_only: bool = False,
        running_statistics: str = 'all',
        resize_to_input: bool = False,
        data_preprocessor: OptConfigType = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.student = MODELS.build(student)
        self.student.set_normalisation(self.data_preprocessor)
        self.flow = None if flow is None else MODELS.build(flow)
        self.source_checkpoint = source_checkpoint
        self.norm_eval = norm_eval
        self.resize_to_input = resize_to_input
        if running_statistics not in self.STATISTICS:
            raise ValueError(
                f'{type(self).__name__}: running_statistics={running_statistics!r} is '
                f'not one of {self.STATISTICS}.'
            )
        self.running_statistics = running_statistics
        self.companions: dict[str, Companion] = {}
        #: What :meth:`watch` saw in this iteration; FiniteGuardHook reads and empties it.
        self.watched: dict[str, Tensor] = {}
        if train_norm_only:
            self.student.requires_grad_(False)
            for norm in norm_layers(self.student):
                norm.requires_grad_(True)

    @property
    def net(self) -> VideoNet:
        """The student itself, where MMSeparateDistributedDataParallel has wrapped it."""
        return unwrapped(self.student)

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.net.num_classes

    @property
    def out_channels(self) -> int:
        """Channels of the score maps, as mmseg calls them."""
        return self.net.num_classes

    @property
    def align_corners(self) -> bool:
        """How score maps are resized."""
        return self.net.align_corners

    # ------------------------------------------------------------------ weights

    def init_weights(self) -> None:
        """Initialises the student, from :attr:`source_checkpoint` where one is set.

        Companions are then set to what they follow.

        Raises:
            FileNotFoundError: If that file does not exist.
            ValueError: If nothing pretrained is configured and random weights are not allowed,
                if the video net needs a checkpoint and has none, or if that does not fit.
        """
        if self.source_checkpoint is not None:
            forget_pretrained(self)
        super().init_weights()
        if self.source_checkpoint is not None:
            load_student(self.net, self.source_checkpoint)
        elif self.net.needs_checkpoint:
            raise ValueError(
                f'{type(self).__name__}: the student is in stage two, which freezes backbones that '
                'nobody has trained yet. Train stage one, and set `model.source_checkpoint` to '
                'its checkpoint.'
            )
        elif not self.net.allow_random_init and not has_pretrained(self.net):
            raise ValueError(
                f'{type(self).__name__} would start from random weights. Set '
                '`model.source_checkpoint` to a trained model or `init_cfg=dict(type="Pretrained", '
                'checkpoint=...)` in the backbone, or say `allow_random_init=True` in '
                '`model.student`.'
            )

        for companion in self.companions.values():
            if companion.kind != 'pretrained':
                companion.move(self)

    def add_companion(
        self,
        name: str,
        kind: str,
        follows: str = 'student',
        norm: str = 'student',
        persistent: bool = True,
    ) -> None:
        """Makes a copy of a part of this method, as the attribute `name`.

        Args:
            name: As all others, see :class:`Companion`.
            kind: ``fixed``, ``pretrained``, ``copy`` or ``ema``.
            follows: Path of the part.
            norm: ``student`` or ``batch``.
            persistent: Whether it is in checkpoints.
        """
        companion = Companion(name, kind, follows, norm, persistent)
        companion.create(self)
        self.companions[name] = companion

    def move_companions(self, kind: str, momentum: float = 0.0) -> None:
        """Moves all companions of a kind towards what they follow, see :meth:`Companion.move`."""
        for companion in self.companions.values():
            if companion.kind == kind:
                companion.move(self, momentum)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        if not prefix:
            named = bare_names(state_dict)
            state_dict.clear()
            state_dict.update(named)
        own = {prefix + name: value for name, value in self.state_dict().items()}
        check_checkpoint(own, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def train(self, mode: bool = True) -> BaseAdapter:
        super().train(mode)
        if mode and self.norm_eval:
            for norm in norm_layers(self.student):
                norm.eval()
        for companion in self.companions.values():
            companion.set_mode(self, mode)
        return self

    def loss(
        self, inputs: Clip | Mapping[str, Clip], data_samples: SampleList | Mapping[str, SampleList]
    ) -> dict[str, Tensor]:
        """All losses of a batch, and what else is logged: the entry that mmseg calls."""
        return {
            name: value
            for group in self.loss_groups(DomainBatch(inputs, data_samples))
            for name, value in group.items()
        }

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
            Losses of a group, and what else is logged.
        """
        yield self.losses(batch)

    def train_step(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """One step of the optimiser, with a backward pass for each of :meth:`loss_groups`.

        Gradient accumulation, DistributedDataParallel, which does not come here, and methods that
        override :meth:`loss` take one backward pass of the sum.
        """
        if accumulation(optim_wrapper) > 1 or not self._has_groups():
            return super().train_step(data, optim_wrapper)
        groups = self.loss_groups(DomainBatch(**self.data_preprocessor(data, True)))
        total, log = [], {}
        while True:
            # Entered anew for each group: no backward pass runs under autocast.
            with optim_wrapper.optim_context(self):
                losses = next(groups, None)
            if losses is None:
                break
            loss, own = self.parse_losses(losses)
            optim_wrapper.backward(loss)
            total.append(own.pop('loss'))
            log |= own
        optim_wrapper.step()
        optim_wrapper.zero_grad()
        return dict(loss=sum(total)) | log

    def _has_groups(self) -> bool:
        return type(self).loss is BaseAdapter.loss

    def watch(self, name: str, maps: Tensor) -> None:
        """Has :class:`FiniteGuardHook` end the run if something is NaN or infinite.

        For what a NaN vanishes in: predictions that become labels, where it exceeds no threshold,
        and features that become statistics, which leave it out. Nothing waits for the device.

        Args:
            name: Of the maps, in the message.
            maps: Any shape.
        """
        norm = torch.linalg.vector_norm(at_least_float32(maps.detach()))
        known = self.watched.get(name)
        # Of two, a NaN is the larger one.
        self.watched[name] = norm if known is None else torch.maximum(norm, known)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of this process, and what is logged: means over all processes."""
        loss, log = super().parse_losses(losses)
        return loss, mean_log(log)

    # --------------------------------------------------------------- prediction

    def clip_flow(self, clip: Clip) -> Tensor | None:
        """The flow that the student is given with a clip.

        Returns:
            :meth:`given_flow`, or None if the student needs none: one with a flow branch of its
            own would take it instead of that.
        """
        return self.given_flow(clip) if self.net.needs_flow else None

    def given_flow(self, clip: Clip) -> Tensor | None:
        """Flow of a clip: the one it came with, or else that of the provider.

        A method asks for all flows of a batch before its first pass: a provider that computes on
        the CPU waits for the device, which would then have a pass in its queue and be idle after.

        Returns:
            (N, T-1, 2, H, W), ``[:, k]`` from frame k+1 to frame k, or None if there is neither.
        """
        if clip.flow is not None or self.flow is None:
            if self.training and clip.flow is not None:
                self.watch('the flow of the clips', clip.flow)
            return clip.flow
        later, earlier = clip.raw[:, 1:], clip.raw[:, :-1]
        if later.shape[1] == 0:
            return None
        flow = self.flow(later.flatten(0, 1), earlier.flatten(0, 1))
        if self.training:
            self.watch('the flow', flow)
        return flow.unflatten(0, later.shape[:2])

    def temporal_flow(self, clip: Clip, length: int) -> Tensor:
        """:meth:`given_flow` of target clips, for a method that cannot do without.

        Args:
            clip: Of the target.
            length: Frames that it must have at least.

        Returns:
            (N, T-1, 2, H, W). The student gets it through :meth:`for_student`.

        Raises:
            ValueError: If the clip is shorter, or there is no flow.
        """
        name, frames = type(self).__name__, clip.frames.shape[1]
        if frames < length:
            raise ValueError(
                f'{name}: target clips have {frames} frames and need {length} or '
                f'more: set clip_length={length} in the target data set.'
            )
        flow = self.given_flow(clip)
        if flow is None:
            raise ValueError(
                f'{name}: target clips come without flow: add LoadFlow to their '
                'pipeline, or set `model.flow` to a provider.'
            )
        return flow

    def for_student(self, flow: Tensor | None) -> Tensor | None:
        """Flow that a method has for itself, or None if the student takes its own or none."""
        return flow if self.net.needs_flow else None

    def counts_for(self, *kinds: str) -> AbstractContextManager[None]:
        """Context manager: updates running statistics only if the option is one of `kinds`."""
        if self.running_statistics in kinds:
            return nullcontext()
        return unmoved_statistics(self.student)

    def _see_single_frames(self) -> None:
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

    def extract_feat(self, inputs: Clip) -> Tensor:
        """Features (N, C, h, w) of the current frame."""
        return self.net.features(inputs.frames[:, -1])

    def encode_decode(self, inputs: Clip, data_samples: OptSampleList = None) -> Tensor:
        """Scores (N, K, h, w) of the current frame, see :meth:`VideoNet.predict`."""
        return self.net.predict(inputs.frames, self.clip_flow(inputs))

    _forward = encode_decode

    def predict(self, inputs: Clip, data_samples: OptSampleList = None) -> SampleList:
        """Predicted maps of the current frame, at the original size of the image.

        Args:
            inputs: Batch of clips.
            data_samples: Samples with the meta information, updated in place; None predicts at
                the size of `inputs`.
        """
        return self._segmented(self.encode_decode(inputs), inputs, data_samples)

    def step(
        self,
        inputs: Clip,
        data_samples: OptSampleList = None,
        state: Any = None,
        clip_length: int = 2,
    ) -> tuple[SampleList, Any]:
        """The next frame of a video, see :meth:`VideoNet.predict_next`.

        Args:
            inputs: The frame and the one before it (of the first frame itself), which is there for
                the flow; or the frame alone.
            data_samples: As for :meth:`predict`.
            state: What the step before returned; None starts a video.
            clip_length: T of the clips that this is to equal.

        Returns:
            What :meth:`predict` gives for the clip that ends with the frame, and the state.
        """
        flow = self.clip_flow(inputs)
        flow = None if flow is None or flow.shape[1] == 0 else flow[:, -1]
        scores, state = self.net.predict_next(inputs.frames[:, -1], flow, state, clip_length)
        return self._segmented(scores, inputs, data_samples), state

    def _segmented(self, scores: Tensor, inputs: Clip, data_samples: OptSampleList) -> SampleList:
        check_scores(
            scores,
            *(
                path
                for sample in data_samples or ()
                if (path := sample.metainfo.get('img_path')) is not None
            ),
        )
        padded = data_samples is not None and any(
            any(s.metainfo.get('img_padding_size', (0,))) for s in data_samples
        )
        if padded or data_samples is None or self.resize_to_input:
            # Otherwise scores go to the original size in one step, as ADVENT and its like do.
            scores = resize(
                scores, inputs.frames.shape[-2:], mode='bilinear', align_corners=self.align_corners
            )
        return self.postprocess_result(scores, data_samples)


def check_scores(scores: Tensor, *frames: str) -> None:
    """Ends what uses scores that are no numbers; waits for the device.

    The largest of a NaN and other scores is any: a broken network would be scored, or label, as
    one that works.

    Args:
        scores: Of a prediction, any shape.
        frames: The files that they are of.

    Raises:
        NotFiniteError: If one is NaN or infinite.
    """
    if not bool(scores.isfinite().all()):
        raise NotFiniteError(
            f'{", ".join(frames) or "a frame"}: the scores of the network are NaN or infinite. '
            'Its weights are broken: take another checkpoint.'
        )


def check_confidence(method: nn.Module, confidence_threshold: float | None) -> float | None:
    """The option of that name of methods with temporal pseudo-labels.

    Raises:
        ValueError: If it is no probability that a label can have or lack.
    """
    if confidence_threshold is not None and not 0 < confidence_threshold < 1:
        raise ValueError(
            f'{type(method).__name__}: confidence_threshold={confidence_threshold} '
            'must be in (0, 1), or None for no limit.'
        )
    return confidence_threshold
