"""What all methods share."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import PretrainedInit
from mmengine.optim import OptimWrapper
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, OptSampleList, SampleList
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdavss.engine import (
    CheckpointError,
    NotFiniteError,
    accumulation,
    bare_names,
    mean_log,
    misfits,
    read_weights,
    unwrapped,
)
from mmdavss.ops import at_least_float32
from mmdavss.structures import Clip, DomainBatch
from mmdavss.video_nets import VideoNet

#: What moves the running batch-norm statistics of a student: passes of both domains, or of one.
STATISTICS = ('all', 'target')


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
        resize_to_input: Whether a prediction's scores are resized to the input and then to the
            image, the two bilinear steps of mmseg and what is built on it; else to the image at
            once.
        data_preprocessor: Config, a :class:`DomainDataPreprocessor`.
    """

    #: What moves the running batch-norm statistics of the student; an option of some methods.
    running_statistics: str = 'all'

    def __init__(
        self,
        student: ConfigType,
        flow: OptConfigType = None,
        source_checkpoint: str | None = None,
        norm_eval: bool = False,
        train_norm_only: bool = False,
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

        Raises:
            FileNotFoundError: If that file does not exist.
            ValueError: If nothing pretrained is configured and random weights are not allowed,
                if the video net needs a checkpoint and has none, or if that does not fit.
        """
        if self.source_checkpoint is not None:
            _forget_pretrained(self)
        super().init_weights()
        if self.source_checkpoint is not None:
            load_student(self.net, self.source_checkpoint)
        elif self.net.needs_checkpoint:
            raise ValueError(
                f'{type(self).__name__}: the student is in stage two, which freezes backbones that '
                'nobody has trained yet. Train stage one, and set `model.source_checkpoint` to '
                'its checkpoint.'
            )
        elif not self.net.allow_random_init and not _has_pretrained(self.net):
            raise ValueError(
                f'{type(self).__name__} would start from random weights. Set '
                '`model.source_checkpoint` to a trained model or `init_cfg=dict(type="Pretrained", '
                'checkpoint=...)` in the backbone, or say `allow_random_init=True` in '
                '`model.student`.'
            )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        if not prefix:
            named = bare_names(state_dict)
            state_dict.clear()
            state_dict.update(named)
        # mmengine reports tensors of another shape in a warning and goes on with random ones.
        own = {prefix + name: value for name, value in self.state_dict().items()}
        _check_shapes(own, state_dict, 'The checkpoint')
        # And it only warns of tensors that are missing: a test would score a random network.
        missing = sorted(
            name
            for name in own.keys() - state_dict.keys()
            if name.startswith(f'{prefix}student.') and not name.endswith('num_batches_tracked')
        )
        if missing:
            raise CheckpointError(
                f'The checkpoint does not fit: it lacks {len(missing)} tensors of the student, for '
                f'example {missing[0]!r}. Is it one of another network? Weights of plain mmseg or '
                'of a single-frame net are loaded with `model.source_checkpoint`.'
            )
        # Nor of tensors that nothing takes: a test would score a part of a video net.
        surplus = surplus_tensors(
            own,
            {
                name: value
                for name, value in state_dict.items()
                if name.startswith(f'{prefix}student.')
            },
        )
        if surplus:
            raise CheckpointError(
                f'The checkpoint does not fit: the student has no place for {len(surplus)} of its '
                f'tensors, for example {surplus[0]!r}. It is one of another network, such as a '
                'video net where the config has a single-frame one: name the config that it was '
                'trained with.'
            )
        super()._load_from_state_dict(state_dict, prefix, *args)

    def train(self, mode: bool = True) -> BaseAdapter:
        super().train(mode)
        if mode and self.norm_eval:
            for norm in norm_layers(self.student):
                norm.eval()
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
        """Around a pass: it moves the running statistics if they are of one of these kinds."""
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


def norm_layers(net: nn.Module) -> list[_BatchNorm]:
    """All batch-norm layers of a net."""
    return [module for module in net.modules() if isinstance(module, _BatchNorm)]


@contextmanager
def unmoved_statistics(net: nn.Module) -> Iterator[None]:
    """Inside, passes in training mode use batch statistics and leave the running ones alone."""
    momenta = {norm: norm.momentum for norm in norm_layers(net)}
    for norm in momenta:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum


def check_statistics(
    method: nn.Module, running_statistics: str, known: tuple[str, ...] = STATISTICS
) -> str:
    """The option of that name, which methods that train on both domains have.

    Raises:
        ValueError: If it is unknown.
    """
    if running_statistics not in known:
        raise ValueError(
            f'{type(method).__name__}: running_statistics={running_statistics!r} is '
            f'not one of {known}.'
        )
    return running_statistics


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


def surplus_tensors(own: Container[str], given: Mapping[str, Tensor]) -> list[str]:
    """Names of weights that predict something and that a network has no place for.

    Auxiliary classifiers predict nothing: a network may do without them. What is no floating-point
    number was not learnt: counters and tables of positions, which versions of a backbone differ in.
    """
    return sorted(
        name
        for name, value in given.items()
        if name not in own and 'auxiliary_head.' not in name and value.is_floating_point()
    )


def load_student(student: nn.Module, path: str, complete: bool = False) -> None:
    """Loads a video net's weights from a checkpoint of a method or of a plain mmseg segmentor.

    Weights of a single-frame net (a plain segmentor, or a method's ``PerFrame``) fit every video
    net: both branches of an Accel start from them, and what a video net puts around its
    segmentors stays as it is, with a warning. So does a flow branch that has a checkpoint of its
    own, where the source model's is of another kind: stage two with RAFT after a stage one with
    FlowNetS. Training makes up for it; with `complete` this is an error.

    Args:
        student: The video net.
        path: The checkpoint.
        complete: Whether the net has to be that of the checkpoint, for predictions.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If weights are missing or have other shapes, or with `complete` if there
            are others, which the net has no place for.
    """
    state = read_weights(
        path,
        missing_checkpoint(
            'source_checkpoint',
            path,
            'the source model first (its config is in configs/source_only, '
            'the first of two stages in configs/sfc)',
        ),
    )
    own = next(iter(state))
    state = _without_common_prefix(state, student)
    if any(name.startswith('student.') for name in state):
        state = {
            n.removeprefix('student.'): v for n, v in state.items() if n.startswith('student.')
        }
    else:
        state = {f'segmentor.{n}': v for n, v in state.items()}
    if not complete:
        state = _with_own_branch(student, state, path)
    kind = type(student).__name__
    surplus = surplus_tensors(student.state_dict(), state)
    if surplus:
        parts = ', '.join(sorted({name.split('.')[0] for name in surplus}))
        if complete:
            raise CheckpointError(
                f'{path} does not fit: {kind} has no place for {len(surplus)} of its tensors '
                f'({parts}), for example {surplus[0]!r}. It is a checkpoint of another network, '
                f'such as a video net where the config has {kind}: name the config that it was '
                'trained with.'
            )
        print_log(
            f'{path} is of another network: what {kind} has no place for is left out ({parts}).',
            logger='current',
            level=logging.WARNING,
        )
    missing = student.state_dict().keys() - state.keys()
    if all(name.startswith('segmentor.') for name in state):
        state |= {f'reference_{n}': v for n, v in state.items()}
        missing -= state.keys()
        untouched = {n for n in missing if not n.startswith(('segmentor.', 'reference_segmentor.'))}
        missing -= untouched
        if untouched:
            parts = sorted({n.split('.')[0] for n in untouched})
            if complete:
                raise CheckpointError(
                    f'{path} does not fit: it is of a single-frame net and {parts} of {kind} would '
                    'predict untrained. Name a config with a single-frame net (PerFrame), or a '
                    f'checkpoint of {kind}.'
                )
            print_log(
                f'{path} is of a single-frame net: {parts} of {kind} start '
                'as they were initialised.',
                logger='current',
                level=logging.WARNING,
            )
    missing = sorted(missing)
    if missing:
        raise CheckpointError(
            f'{path} lacks {len(missing)} tensors of {kind}, for example '
            f'{missing[0]!r} (it has such as {own!r}): is it a checkpoint of another network?'
        )
    _check_shapes(student.state_dict(), state, path)
    student.load_state_dict(state, strict=False)


def missing_checkpoint(option: str, path: str, default: str) -> str:
    """What to say of a checkpoint that a config names and nobody has trained yet.

    Args:
        option: Of the model, which names it.
        path: The file.
        default: What to train if the path does not say so.

    Returns:
        A message, with the config of this package whose training makes the file.
    """
    # Not above: what is in apis needs methods.
    from mmdavss.utils.configs import config_of_checkpoint

    config = config_of_checkpoint(path)
    what = default if config is None else f'it first (python tools/train.py {config})'
    others = sorted(file.name for file in Path(path).parent.glob('*.pth'))
    beside = f' Its folder has {", ".join(others[-3:])}.' if others else ''
    return (
        f'{option} {path!r} does not exist.{beside} Train {what}, or point `model.{option}` '
        'to its checkpoint.'
    )


def _without_common_prefix(state: dict[str, Tensor], student: nn.Module) -> dict[str, Tensor]:
    """Weights without what other projects put before all names, such as ``model.``."""
    known = {'student', *(part for name in student.state_dict() for part in name.split('.')[:2])}
    while True:
        first = {name.partition('.')[0] for name in state}
        if len(first) > 1 or first & known or not all('.' in name for name in state):
            return state
        state = {name.partition('.')[2]: value for name, value in state.items()}


def _forget_pretrained(model: nn.Module) -> None:
    """Takes pretrained weights out of the networks that a source checkpoint fills."""
    nets = [net for net in model.modules() if isinstance(net, VideoNet)]
    for module in (part for net in nets for branch in net.segmentors for part in branch.modules()):
        given = getattr(module, 'init_cfg', None)
        configs = [given] if isinstance(given, Mapping) else given or []
        if not any(map(_is_pretrained, configs)):
            continue
        kept = [config for config in configs if not _is_pretrained(config)]
        # What reads such weights by itself asks for None.
        module.init_cfg = kept or None


def _with_own_branch(student: nn.Module, state: dict[str, Tensor], path: str) -> dict[str, Tensor]:
    """`state`, or with the student's flow branch where that of `state` is another network."""
    prefix = 'flow_net.'
    branch = getattr(student, 'flow_net', None)
    given = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
    origin = getattr(branch, 'checkpoint', None)
    if not given or origin is None or not misfits(branch, given):
        return state
    print_log(
        f'{path} has another flow branch: that of {type(student).__name__} starts from {origin}.',
        logger='current',
        level=logging.WARNING,
    )
    return {n: v for n, v in state.items() if not n.startswith(prefix)} | {
        prefix + n: v for n, v in branch.state_dict().items()
    }


def _check_shapes(own: Mapping[str, Tensor], loaded: Mapping[str, Tensor], origin: str) -> None:
    for name, value in own.items():
        if name not in loaded or loaded[name].shape == value.shape:
            continue
        hint = 'the network differs (depth, width or kind)'
        if 'conv_seg' in name or name.endswith('fusion.weight'):
            hint = (
                f'it has {loaded[name].shape[0]} classes and the config '
                f'{value.shape[0]}: set num_classes and the data set accordingly'
            )
        raise CheckpointError(
            f'{origin} does not fit: {name!r} has the shape {tuple(loaded[name].shape)}, the model '
            f'needs {tuple(value.shape)}; {hint}.'
        )


def _has_pretrained(net: nn.Module) -> bool:
    configs = (getattr(module, 'init_cfg', None) for module in net.modules())
    return any(isinstance(c, Mapping) and _is_pretrained(c) for c in configs)


def _is_pretrained(config: ConfigType) -> bool:
    return config.get('type') in ('Pretrained', PretrainedInit)


@contextmanager
def predicting(net: nn.Module) -> Iterator[None]:
    """Inside, passes are those of a prediction: in evaluation mode, without gradient.

    A pass in training mode moves batch-norm statistics, even without gradient, and drops values
    where there is dropout or drop path. Modes are restored afterwards.
    """
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def frozen_forward(net: nn.Module, *args: Tensor | None) -> Tensor:
    """`net(*args)`, :func:`predicting`."""
    with predicting(net):
        return net(*args)


def has_dropout(net: nn.Module) -> bool:
    """Whether passes of a net in training mode may drop values: dropout or drop path."""
    return any(
        'drop' in type(module).__name__.lower()
        or (isinstance(module, nn.MultiheadAttention) and module.dropout > 0)
        for module in net.modules()
    )
