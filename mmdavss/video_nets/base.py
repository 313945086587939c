"""The interface between video nets and the methods that adapt them."""

from __future__ import annotations

import copy
import math
from abc import ABCMeta, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import torch
from mmengine.model import BaseModule
from mmengine.structures import PixelData
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.models.decode_heads import DDRHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import ConfigType, SampleList, add_prefix
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdavss.ops import at_least_float32
from mmdavss.structures import sample_labels
from mmdavss.utils.distributed import visit_gradients
from mmdavss.utils.errors import number_of
from mmdavss.utils.passes import is_dropout, norm_layers, predicting
from mmdavss.utils.wrappers import unwrapped

from .hrda import HRDA, Box
from .main_head import check_size, fitting_size
from .split_head import is_plain, split_head, with_features
from .windows import windows_of


class HeadScores(NamedTuple):
    """Scores that one classifier gives to a clip; parts that were not requested may be None.

    Attributes:
        fused: (N, K, h, w), for the current frame, from all frames.
        current: (N, K, h, w), for the current frame, from it alone.
        key: (N, K, h, w), for the first frame, from it alone, on its own grid. No gradient.
        losses: The net's own label-free losses, by name.
        features: (N, C, h, w), what the decode head classifies for ``current``, with its gradient.
        box: The part of the image that the maps show; None: all of it.
        factor: Factor of the supervised loss.
    """

    fused: Tensor | None = None
    current: Tensor | None = None
    key: Tensor | None = None
    losses: Mapping[str, Tensor] = MappingProxyType({})
    features: Tensor | None = None
    box: Box | None = None
    factor: float = 1.0


#: The parts of :class:`HeadScores` that are given unless others are asked for.
HEAD_PARTS = HeadScores._fields[:4]
#: Those of frames alone.
SINGLE_FRAMES = ('current', 'key')
#: In how many forms a compiled module may exist: student, teacher and others share those of their
#: class, each with and without gradient, in training and tests, and so on. Beyond it, torch runs
#: what is not compiled.
RECOMPILE_LIMIT = 64


class VideoNet(BaseModule, metaclass=ABCMeta):
    """A network from a clip (and flow) to the class scores of the clip's last frame.

    Methods use this interface only: :meth:`levels`, :meth:`features`, :meth:`classify`, calling
    the net, :meth:`head_scores` and :meth:`supervise`, :meth:`loss`, and for predictions
    :meth:`predict` or, for a video frame by frame, :meth:`predict_next`. It wraps a plain mmseg
    segmentor, whose decode head ends in its classifier, ``cls_seg`` (see :meth:`split`). Subclasses
    implement :meth:`scores`, :meth:`loss` and :meth:`step`, if they see more than the current frame
    :meth:`head_scores`, and if not all frames decide :meth:`frames_read`.

    Args:
        segmentor: Config of a mmseg segmentor with backbone, decode head, and maybe neck and
            auxiliary head. Its ``test_cfg`` decides whether predictions see whole frames or sliding
            windows (``dict(mode='slide', crop_size=(h, w), stride=(h, w))``); losses see what they
            are given.
        allow_random_init: Whether training may start from a backbone without pretrained weights.

    Raises:
        ValueError: If ``test_cfg`` is neither.
        TypeError: If the net cannot do with the segmentor.
    """

    #: Whether the net must be given the flow between its frames.
    needs_flow: bool = False
    #: Whether the net sees more than the current frame.
    temporal: bool = False
    #: Whether the net is of no use without a ``source_checkpoint``: parts of it are never trained.
    needs_checkpoint: bool = False
    #: Whether its segmentor may be an :class:`HRDA`.
    takes_scales: bool = False
    #: Whether :meth:`step` chooses the frames that it looks back to: it takes every frame of a
    #: video, whatever the distance of the frames of a data set's clips.
    chooses_key_frames: bool = False

    def __init__(self, segmentor: ConfigType, allow_random_init: bool = False) -> None:
        super().__init__()
        self.segmentor = MODELS.build(segmentor)
        self.allow_random_init = allow_random_init
        if isinstance(self.segmentor, HRDA) and not self.takes_scales:
            raise TypeError(
                f'{type(self).__name__} carries features, and HRDA joins scores of two scales: use '
                "PerFrame, or Accel with fusion='score'."
            )
        self.windows = windows_of(self.segmentor.test_cfg)
        self.split(self.segmentor)

    def split(self, segmentor: EncoderDecoder) -> None:
        """Splits the decode head of a segmentor into features and classifier, in place.

        Raises:
            TypeError: If that cannot be done.
        """
        if segmentor.out_channels != segmentor.num_classes:
            raise TypeError(
                f'{type(self).__name__} needs a decode head with one channel for each class; one '
                'with a single channel for two classes (out_channels=1) works in PerFrame.'
            )
        split_head(segmentor.decode_head)

    def check_size(self, height: int, width: int) -> None:
        """Checks that the net can take frames of a size; every pass does.

        Raises:
            ValueError: If it cannot; says which it can take.
        """
        for segmentor in self.segmentors:
            _check_size(segmentor, height, width)

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.segmentor.num_classes

    @property
    def align_corners(self) -> bool:
        """How score maps are resized."""
        return self.segmentor.align_corners

    @property
    def single_frame(self) -> bool:
        """Whether scores depend on the current frame alone, in this stage of training."""
        return not self.temporal

    @property
    def feature_channels(self) -> int:
        """Channels C of :meth:`features`."""
        return feature_channels(self.segmentor)

    @property
    def segmentors(self) -> tuple[EncoderDecoder, ...]:
        """All segmentation networks, that of the current frame first."""
        return (self.segmentor,)

    @property
    def heads(self) -> dict[str, BaseDecodeHead]:
        """The classifiers, see :func:`segmentor_heads`.

        Raises:
            TypeError: If an auxiliary one has other channels than one for each class.
        """
        heads = segmentor_heads(self.segmentor)
        for name, head in heads.items():
            channels = getattr(head, 'out_channels', self.num_classes)
            if name != 'decode' and channels != self.num_classes:
                raise TypeError(
                    f'{type(self).__name__}: auxiliary_head: {type(head).__name__} has '
                    f'{number_of(channels, "channel")} for {self.num_classes} classes: leave it '
                    'out.'
                )
        return heads

    def levels(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Frames (N, 3, H, W) to the maps (N, C_i, h_i, w_i) of all levels of the backbone."""
        return levels_of(self.segmentor, frames)

    def level_channels(self) -> tuple[int, ...]:
        """Channels C_i of :meth:`levels`, found by a pass over a small image."""
        with predicting(self):
            size = _small_size(self.segmentor)
            levels = self.levels(next(self.parameters()).new_zeros(1, 3, *size))
        return tuple(level.shape[1] for level in levels)

    def features(self, frames: Tensor) -> Tensor:
        """Frames (N, 3, H, W) to the input (N, C, h, w) of the classifier."""
        return self.level_features(self.levels(frames))

    def level_features(self, levels: tuple[Tensor, ...]) -> Tensor:
        """:meth:`levels` to :meth:`features`."""
        return self.segmentor.decode_head._forward_feature(levels)

    def branch_features(self, frames: Tensor) -> tuple[Tensor, ...]:
        """:meth:`features` of each of :attr:`segmentors`, for frames (N, 3, H, W)."""
        return tuple(
            net.decode_head._forward_feature(levels_of(net, frames)) for net in self.segmentors
        )

    def classify(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to single-frame scores (N, K, h, w)."""
        return self.segmentor.decode_head.cls_seg(features)

    def trains_as_it_predicts(self) -> bool:
        """Whether scores in the current mode are those of a prediction.

        In training mode they are if batch norm uses running statistics and nothing is dropped;
        those of an :class:`HRDA` never are: its detail is one box. Auxiliary heads do not matter.
        """
        if any(isinstance(net, HRDA) and net.training for net in self.segmentors):
            return False
        left_out = {
            id(module)
            for segmentor in self.segmentors
            if segmentor.with_auxiliary_head
            for module in segmentor.auxiliary_head.modules()
        }
        return not any(
            module.training and (isinstance(module, _BatchNorm) or is_dropout(module))
            for module in self.modules()
            if id(module) not in left_out
        )

    def freeze_auxiliary(self) -> None:
        """Takes auxiliary heads out of training, for losses that give them no gradient."""
        for segmentor in self.segmentors:
            if segmentor.with_auxiliary_head:
                segmentor.auxiliary_head.requires_grad_(False)

    def freeze_classifier(self) -> None:
        """Takes everything behind :meth:`features` out of training (hypothesis transfer)."""
        self.freeze_auxiliary()
        for segmentor in self.segmentors:
            if isinstance(segmentor, HRDA):
                segmentor.attention_head.requires_grad_(False)
        # Where the scores are the features nothing is behind them.
        if hasattr(self.segmentor.decode_head, 'conv_seg'):
            self.segmentor.decode_head.conv_seg.requires_grad_(False)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compiles in place what costs the time, the backbones and necks; weights keep their names.

        ``torch.nn.Module`` would compile :meth:`forward`, one of several ways into a video net.

        Args:
            args: As of ``torch.compile``.
            kwargs: As of ``torch.compile``: ``backend``, ``mode`` and the like.
        """
        limits = torch._dynamo.config
        limits.recompile_limit = max(limits.recompile_limit, RECOMPILE_LIMIT)
        for segmentor in self.segmentors:
            segmentor.backbone.compile(*args, **kwargs)
            if segmentor.with_neck:
                segmentor.neck.compile(*args, **kwargs)

    def set_normalisation(self, preprocessor: SegDataPreProcessor) -> None:
        """Tells the net how its frames are normalised; for nets that look at the images too."""

    def forward(
        self,
        frames: Tensor | None,
        flow: Tensor | None = None,
        features: Tensor | None = None,
        heads: bool = False,
        parts: Collection[str] = HEAD_PARTS,
        detached: Collection[str] = (),
        single: Collection[str] | None = None,
    ) -> Tensor | dict[str, HeadScores]:
        """Scores of the current frame.

        Args:
            frames: (N, T, 3, H, W), normalised, the last frame is the current one. None runs
                nothing and returns :func:`visit_gradients`, so that a DDP wrapper reduces them.
            flow: (N, T-1, 2, H, W) in pixels, ``flow[:, k]`` from frame k+1 to frame k. Nets
                with a flow branch of their own take it instead of estimating theirs.
            features: (N, F, C, h, w), :meth:`shared` of all frames, or of some in their order,
                among them :meth:`frames_shared`, if they are at hand: saves passes through the
                backbone.
            heads: Whether to return :meth:`head_scores`: under several processes the players of an
                adversarial method have to be called, their methods reduce no gradient.
            parts: As of :meth:`head_scores`.
            detached: As of :meth:`head_scores`.
            single: As of :meth:`head_scores`.

        Returns:
            (N, K, h, w), or :meth:`head_scores`.
        """
        if frames is None:
            return visit_gradients(self)
        if heads:
            return self.head_scores(frames, flow, parts=parts, detached=detached, single=single)
        return self.scores(frames, flow, features)

    @abstractmethod
    def scores(
        self, frames: Tensor, flow: Tensor | None = None, features: Tensor | None = None
    ) -> Tensor:
        """Scores (N, K, h, w) of the current frame, see :meth:`forward`."""

    def frames_read(self, length: int) -> tuple[int, ...]:
        """Frames, in order, whose :meth:`features` decide the scores of a clip of `length`.

        All of a net that is ``temporal``, or the current one alone; none of an :class:`HRDA`, whose
        scores also come from its details.
        """
        if isinstance(self.segmentor, HRDA):
            return ()
        return tuple(range(length)) if self.temporal else (length - 1,)

    def frames_shared(self, length: int) -> tuple[int, ...]:
        """Frames, in order, whose :meth:`shared` decide the scores of a clip of `length`."""
        return self.frames_read(length)

    def shared(self, frame: Tensor) -> Tensor:
        """What several scores may take of a frame (N, 3, H, W): its :meth:`features`."""
        return self.features(frame)

    def predict(self, frames: Tensor, flow: Tensor | None = None) -> Tensor:
        """Scores of a prediction, of whole frames or from sliding windows.

        Args:
            frames: (N, T, 3, H, W).
            flow: (N, T-1, 2, H, W) or None.

        Returns:
            (N, K, h, w) at the resolution of the net; (N, K, H, W) from sliding windows.
        """
        if self.windows is None:
            return self.predicted(frames, flow)
        return self.windows.predict(
            lambda crop, own_flow, number: self.predicted(crop, own_flow),
            frames,
            flow,
            self.align_corners,
        )

    def predicted(self, frames: Tensor, flow: Tensor | None = None) -> Tensor:
        """Scores (N, K, h, w) of a frame or window: :meth:`forward`, or finer ones than these."""
        return self(frames, flow)

    def head_scores(
        self,
        frames: Tensor,
        flow: Tensor | None = None,
        levels: tuple[Tensor, ...] | None = None,
        parts: Collection[str] = HEAD_PARTS,
        detached: Collection[str] = (),
        single: Collection[str] | None = None,
    ) -> dict[str, HeadScores]:
        """Scores of every classifier, for losses over time.

        Args:
            frames: (N, T, 3, H, W).
            flow: (N, T-1, 2, H, W) or None.
            levels: :meth:`levels` of the current frame if they are at hand: saves a pass.
            parts: What is wanted, of :data:`HEAD_PARTS` and, with ``current``, ``features``. What
                serves other parts only is left out; :meth:`supervise` needs ``fused`` and
                ``losses``.
            detached: Parts that get no gradient, ``current``: a pass that serves them only keeps no
                graph.
            single: Classifiers of which ``current`` and ``key`` are wanted; None: of all.

        Returns:
            For each of :attr:`heads` its scores, if any are wanted; with ``losses`` among `parts`
            also maps that only supervised losses need: ``detail`` and ``context`` of :class:`HRDA`.
            Here the current frame is seen alone.
        """
        fused, current, key = {}, {}, {}
        alone = self._single_heads(single)
        if 'fused' in parts or 'current' in parts:
            featured = 'features' in parts
            with graph_for('fused' in parts or featured or 'current' not in detached):
                seen = self.levels(frames[:, -1]) if levels is None else levels
                heads = self.heads if 'fused' in parts else alone
                fused = frame_scores(
                    self.segmentor, seen, frames[:, -1], heads, 'losses' in parts, featured
                )
        if 'current' in parts:
            current = {
                name: maps.fused for name, maps in fused.items() if single is None or name in single
            }
            if 'current' in detached:
                current = {name: maps.detach() for name, maps in current.items()}
        if 'key' in parts:
            with torch.no_grad():
                key = frame_scores(
                    self.segmentor, self.levels(frames[:, 0]), frames[:, 0], alone, False
                )
        return {
            name: maps._replace(
                fused=fused[name].fused if name in fused else None,
                current=current.get(name),
                key=key[name].fused if name in key else None,
            )
            for name, maps in (fused or key).items()
        }

    def _single_heads(self, single: Collection[str] | None) -> dict[str, BaseDecodeHead]:
        """Those of which :meth:`head_scores` of single frames are wanted."""
        return {n: head for n, head in self.heads.items() if single is None or n in single}

    def supervise(
        self,
        scores: Tensor | Mapping[str, HeadScores],
        labels: Tensor,
        weights: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> dict[str, Tensor]:
        """Supervised losses of score maps: those that the heads are configured with.

        Whether a mean is over the labelled or over all pixels, the weights of classes and of heads
        and the label to ignore are the heads' (``loss_decode``). A net that trains other maps than
        those of its heads overrides this.

        Args:
            scores: :meth:`head_scores`, or (N, K, h, w) of the decode head alone.
            labels: (N, H, W), int64. Scores are resized to their size.
            weights: (N, H, W), factor of each pixel, for pseudo-labels. It does not change the
                divisor.
            avg_factor: With `weights`: the divisor, whatever the heads' is.

        Returns:
            Losses named as mmseg names them (``decode.loss_ce``), the net's own ones, and without
            `weights` the accuracy (``decode.acc_seg``).
        """
        if isinstance(scores, Tensor):
            scores = dict(decode=HeadScores(scores))
        losses = {}
        for name, of_head in scores.items():
            # Further maps of a net are those of its decode head.
            head = self.heads[name if name in self.heads else 'decode']
            own = _part_losses(head, of_head, labels, weights, avg_factor)
            losses |= add_prefix(own, name) | of_head.losses
        return losses

    def check_weights(self) -> None:
        """Checks that weights of pixels reach the decode head's losses, see :meth:`supervise`.

        Many losses of mmseg cannot take them, and some drop them without a word.

        Raises:
            ValueError: If one is no sum over pixels, each times its weight; names it.
        """
        head = self.segmentor.decode_head
        for loss in decode_losses(head):
            fault, cause = 'ignores them', None
            try:
                if _obeys_weights(loss, head):
                    continue
            except Exception as error:
                fault, cause = f'cannot take them ({error!r})', error
            raise ValueError(
                f'{type(self).__name__}: pixels of pseudo-labels have weights, and '
                f'{type(loss).__name__} of the decode head {fault}: set its `loss_decode` to '
                'losses of single pixels, such as BatchCrossEntropyLoss.'
            ) from cause

    @abstractmethod
    def loss(
        self,
        frames: Tensor,
        flow: Tensor | None,
        data_samples: SampleList,
        levels: tuple[Tensor, ...] | None = None,
    ) -> dict:
        """Supervised losses of the current frame, named as mmseg names them.

        Args:
            frames: (N, T, 3, H, W).
            flow: (N, T-1, 2, H, W) or None.
            data_samples: N samples with ``gt_sem_seg`` of the current frame.
            levels: :meth:`levels` of the current frame if they are at hand: saves a pass.
        """

    def loss_groups(
        self, frames: Tensor, flow: Tensor | None, data_samples: SampleList
    ) -> Iterator[dict]:
        """:meth:`loss` in groups whose graphs share nothing, see :meth:`BaseAdapter.loss_groups`.

        Yields:
            Losses. Here all of them are one group.
        """
        yield self.loss(frames, flow, data_samples)

    @abstractmethod
    def step(
        self, frame: Tensor, flow: Tensor | None = None, state: Any = None, clip_length: int = 2
    ) -> tuple[Tensor, Any]:
        """Scores of the next frame of a video, or of a window of it; each frame is encoded once.

        The same as :meth:`forward` in evaluation mode for the clip that ends with this frame
        (clips at the start of a video repeat its first frame).

        Args:
            frame: (N, 3, H, W), normalised.
            flow: (N, 2, H, W) from this frame to the one before it, of the first frame to itself;
                None for nets that need none.
            state: What the step before returned; None starts a video. Never changed in place.
            clip_length: T of the clips that this is to equal.

        Returns:
            Scores (N, K, h, w), and the state.
        """

    def predict_next(
        self, frame: Tensor, flow: Tensor | None = None, state: Any = None, clip_length: int = 2
    ) -> tuple[Tensor, Any]:
        """:meth:`step` as :meth:`predict` does it: from sliding windows each has its own state.

        Args and returns are those of :meth:`step`; scores from windows are (N, K, H, W).
        """
        if self.windows is None:
            return self.step(frame, flow, state, clip_length)
        states = []

        def step(crop: Tensor, own_flow: Tensor | None, number: int) -> Tensor:
            scores, new = self.step(
                crop[:, -1],
                None if own_flow is None else own_flow[:, -1],
                None if state is None else state[number],
                clip_length,
            )
            states.append(new)
            return scores

        scores = self.windows.predict(
            step, frame[:, None], None if flow is None else flow[:, None], self.align_corners
        )
        return scores, tuple(states)


def graph_for(wanted: bool) -> AbstractContextManager[None]:
    """Context manager: keeps a graph only if it is wanted, and if one is kept around it."""
    return torch.set_grad_enabled(wanted and torch.is_grad_enabled())


def levels_of(segmentor: EncoderDecoder, frames: Tensor) -> tuple[Tensor, ...]:
    """Frames (N, 3, H, W) to the maps (N, C_i, h_i, w_i) that the heads of a segmentor get."""
    _check_size(segmentor, *frames.shape[-2:])
    maps = segmentor.extract_feat(frames)
    # DDRNet and PIDNet have one map, without a tuple around it, in a prediction.
    return (maps,) if isinstance(maps, Tensor) else tuple(maps)


def _check_size(segmentor: EncoderDecoder, height: int, width: int) -> None:
    if isinstance(segmentor, HRDA):
        segmentor.check_size(height, width)
    else:
        check_size(segmentor, height, width)


def _small_size(segmentor: EncoderDecoder) -> tuple[int, int]:
    """A (height, width) that a segmentor can take: 64 where it has the choice."""
    if not isinstance(segmentor, HRDA):
        return fitting_size(segmentor, 64, 64)[0]
    side = 32 + -32 % segmentor.output_stride
    (height, width), _ = fitting_size(segmentor, side, side)  # of the context
    return 2 * height, 2 * width


def feature_channels(segmentor: EncoderDecoder) -> int:
    """Channels of what the classifier of a segmentor sees."""
    head = segmentor.decode_head
    return head.feature_channels if hasattr(head, 'feature_channels') else head.channels


def segmentor_norms(net: nn.Module) -> list[_BatchNorm]:
    """The batch-norm layers of a video net's segmentors, or all of another module.

    Those of a flow branch are none of them: its own ``train`` decides about them.
    """
    parts = net.segmentors if isinstance(net, VideoNet) else (net,)
    return [norm for part in parts for norm in norm_layers(part)]


def segmentor_heads(segmentor: EncoderDecoder) -> dict[str, BaseDecodeHead]:
    """The classifiers of a segmentor, under the names that their losses begin with in mmseg.

    ``decode``, and ``aux``, or of a list of auxiliary heads ``aux_0``, ``aux_1``, ...
    """
    heads = dict(decode=segmentor.decode_head)
    if segmentor.with_auxiliary_head:
        own = segmentor.auxiliary_head
        if isinstance(own, nn.ModuleList):
            heads |= {f'aux_{number}': head for number, head in enumerate(own)}
        else:
            heads['aux'] = own
    return heads


def frame_scores(
    segmentor: EncoderDecoder,
    levels: tuple[Tensor, ...],
    frames: Tensor,
    heads: Mapping[str, BaseDecodeHead],
    supervised: bool,
    featured: bool = False,
) -> dict[str, HeadScores]:
    """Score maps of a segmentor for single frames, as ``fused``.

    Args:
        segmentor: The segmentor.
        levels: Those of the frames.
        frames: (N, 3, H, W).
        heads: :attr:`VideoNet.heads`.
        supervised: Whether to add what only supervised losses need. It is of no use to other
            losses: boxes of two passes are different parts of the image.
        featured: Whether to add ``features``; :class:`HRDA` has none.

    Returns:
        For each of `heads`; of :class:`HRDA` ``decode``, and in training, if `supervised`,
        ``detail`` and ``context`` where they have a loss.

    Raises:
        TypeError: If a head gives several results.
    """
    if not isinstance(segmentor, HRDA):
        scores = {}
        for name, head in heads.items():
            maps, features = with_features(head, levels, featured and name == 'decode')
            if not isinstance(maps, Tensor):
                raise not_one_map(head)
            scores[name] = HeadScores(maps, features=features)
        return scores
    scales = segmentor.scales(levels, frames)
    factors = segmentor.loss_factors(scales, tuple(frames.shape[-2:]))
    maps = dict(
        decode=HeadScores(scales.fused, factor=factors['decode']),
        detail=HeadScores(scales.detail, box=scales.box, factor=factors['detail']),
        context=HeadScores(scales.context, factor=factors['context']),
    )
    return {
        name: own
        for name, own in maps.items()
        if name == 'decode' or (supervised and segmentor.training and own.factor)
    }


def not_one_map(head: nn.Module) -> TypeError:
    """The error for a head whose scores are not one map with a channel for each class."""
    return TypeError(
        f'{type(head).__name__}: methods with losses of their own for each classifier need one '
        'that has a channel for each class, gives one map in training and is no cascade. AdaBN, '
        'SelfTraining and STPL do not.'
    )


def weighted_losses(
    student: VideoNet,
    frames: Tensor,
    flow: Tensor | None,
    labels: Tensor,
    weights: Tensor,
    avg_factor: float | None = None,
) -> dict[str, Tensor]:
    """Losses of one pass for labels that weigh, such as a teacher's; without auxiliary heads.

    Args:
        student: The net, or the DDP wrapper around it.
        frames: (N, T, 3, H, W).
        flow: (N, T-1, 2, H, W) or None.
        labels: As of :meth:`VideoNet.supervise`, like the others.
        weights: (N, H, W).
        avg_factor: The divisor.
    """
    net = unwrapped(student)
    # A net of several scales has several maps to train, another one its prediction.
    options: dict[str, Any] = {}
    if isinstance(net.segmentor, HRDA):
        options = dict(heads=True, parts=('fused', 'losses'))
    return net.supervise(student(frames, flow, **options), labels, weights, avg_factor)


def head_losses(
    head: BaseDecodeHead,
    scores: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    avg_factor: float | None = None,
) -> dict[str, Tensor]:
    """A head's ``loss_by_feat``, and the same with a weight for each pixel, which mmseg has not.

    A head with a ``loss_by_feat`` of its own keeps it where there are no weights. mmseg's waits for
    the device to compute the accuracy; this one does not.

    Args:
        head: The head.
        scores: (N, K, h, w).
        labels: (N, H, W), int64.
        weights: (N, H, W).
        avg_factor: With `weights`: what the sum over the pixels is divided by.

    Returns:
        Losses by their names, and without weights ``acc_seg``.
    """
    if weights is None and not is_plain(head):
        samples = [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in labels]
        return head.loss_by_feat(scores, samples)
    if weights is not None:
        scores = at_least_float32(scores)
    scores = resize(scores, labels.shape[-2:], mode='bilinear', align_corners=head.align_corners)
    factors = weights
    if head.sampler is not None:
        drawn = head.sampler.sample(scores, labels[:, None])
        factors = drawn if weights is None else weights * drawn
    divisor = {} if avg_factor is None or weights is None else dict(avg_factor=avg_factor)
    losses: dict[str, Tensor] = {}
    for loss in decode_losses(head):
        value = loss(scores, labels, weight=factors, ignore_index=head.ignore_index, **divisor)
        name = loss.loss_name
        losses[name] = losses[name] + value if name in losses else value
    if weights is None:
        losses['acc_seg'] = accuracy(scores, labels, head.ignore_index)
    return losses


def decode_losses(head: BaseDecodeHead) -> list[nn.Module]:
    """The losses of the map that a head predicts by: all that it has (``loss_decode``).

    Of DDRNet's head, which has one for each of its two branches, that of the context branch.
    """
    given = head.loss_decode
    losses = list(given) if isinstance(given, nn.ModuleList) else [given]
    return losses[:1] if isinstance(head, DDRHead) else losses


def class_factors(head: BaseDecodeHead) -> Tensor | None:
    """(K,), how the first of a head's losses that weighs the classes does so, or None."""
    for loss in decode_losses(head):
        factors = getattr(loss, 'class_factors', None)
        if factors is not None:
            return factors.clone()
        given = getattr(loss, 'class_weight', None)  # mmseg's losses: numbers
        if given is not None:
            return torch.tensor(given, dtype=torch.get_default_dtype())
    return None


def _obeys_weights(loss: nn.Module, head: BaseDecodeHead) -> bool:
    """Whether a loss of a head multiplies the gradient at each pixel by its weight; by trial."""
    shape = (2, 2, 3)
    count = math.prod(shape)
    labels = torch.arange(count).reshape(shape) % head.num_classes
    if labels.is_meta:  # nothing can be tried on a device without numbers
        return True
    scores = torch.linspace(-1, 1, count * head.out_channels).reshape(2, -1, *shape[1:])
    scores.requires_grad_()
    tried = copy.deepcopy(loss)  # it may keep statistics

    def gradient(weights: Tensor) -> Tensor:
        value = tried(
            scores, labels, weight=weights, ignore_index=head.ignore_index, avg_factor=count
        )
        return torch.autograd.grad(value.sum(), scores)[0]

    weights = torch.linspace(0, 1, count).reshape(shape)
    with torch.enable_grad():
        expected = weights[:, None] * gradient(torch.ones(shape))
        return torch.allclose(gradient(weights), expected, atol=1e-7)


def _part_losses(
    head: BaseDecodeHead,
    scores: HeadScores,
    labels: Tensor,
    weights: Tensor | None,
    avg_factor: float | None,
) -> dict[str, Tensor]:
    """:func:`head_losses` of maps of a part of the image, with their factor."""
    box = scores.box
    if box is not None:
        pixels = labels.numel()
        labels = box.crop(labels)
        weights = None if weights is None else box.crop(weights)
        avg_factor = None if avg_factor is None else avg_factor * labels.numel() / pixels
    losses = head_losses(head, scores.fused, labels, weights, avg_factor)
    if scores.factor == 1:
        return losses
    return {n: scores.factor * value if 'loss' in n else value for n, value in losses.items()}


def accuracy(scores: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """mmseg's accuracy, which does not wait for the device.

    Args:
        scores: (N, K, H, W).
        labels: (N, H, W), int64.
        ignore_index: Label of the pixels to leave out.

    Returns:
        (1,), percentage of the labelled pixels whose class is the most probable one.
    """
    eps = torch.finfo(torch.float32).eps
    correct = (scores.argmax(1) == labels) & (labels != ignore_index)
    count = (labels != ignore_index).sum().double() + eps
    percent = torch.full_like(count, 100.0) / count  # `100 / count` would round twice
    return ((correct.sum().float() + eps) * percent.float())[None]


def fused_scores(
    net: VideoNet,
    frames: Tensor,
    flow: Tensor | None = None,
    levels: tuple[Tensor, ...] | None = None,
) -> dict[str, Tensor]:
    """Scores (N, K, h, w) of every classifier, see :meth:`VideoNet.head_scores`."""
    at_hand = {} if levels is None else dict(levels=levels)
    scores = net.head_scores(frames, flow, **at_hand, parts=('fused',))
    return {name: cast(Tensor, of_head.fused) for name, of_head in scores.items()}


def segmentor_losses(
    segmentor: EncoderDecoder, levels: tuple[Tensor, ...], data_samples: SampleList
) -> dict[str, Tensor]:
    """A segmentor's ``loss`` from levels at hand, whatever its heads are: they own their losses."""
    losses = {}
    if is_plain(segmentor.decode_head):
        losses |= add_prefix(_plain_losses(segmentor.decode_head, levels, data_samples), 'decode')
    else:
        losses |= segmentor._decode_head_forward_train(levels, data_samples)
    if segmentor.with_auxiliary_head:
        if is_plain(segmentor.auxiliary_head):
            losses |= add_prefix(
                _plain_losses(segmentor.auxiliary_head, levels, data_samples), 'aux'
            )
        else:
            losses |= segmentor._auxiliary_head_forward_train(levels, data_samples)
    return losses


def _plain_losses(
    head: nn.Module, levels: tuple[Tensor, ...], data_samples: SampleList
) -> dict[str, Tensor]:
    return head_losses(cast(BaseDecodeHead, head), head(levels), sample_labels(data_samples))
