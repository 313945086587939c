"""SFC: segmentation-based flow consistency (Gao et al., AAAI 2023), with what it pretrains.

The paper's symbols:

========================  ==================================================================
G                         ``student``
FlowNet, F                ``flow``, a frozen provider (``FrozenFlowNet`` for a trained FlowNet)
SFM                       ``sfm``: :class:`SFM`
SR, RF, SF                equations 3, 4 and 5: :class:`SFM`
hat L_flow                ``loss_epe`` of :class:`SFMPretraining` (equation 6)
L_src                     ``source.*.loss_ce`` (equation 1)
L_flow, lambda_f          ``*.loss_sfc``, ``flow_weight`` (equations 2 and 7)
lambda_s                  ``softmax_scale``
TPL                       ``*.loss_tpl``, ``pseudo_weight``, ``temporal_pseudo_labels`` (TPS)
========================  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from mmengine.model import BaseModel
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, SampleList, add_prefix
from torch import Tensor, nn

from mmdavss.losses import flow_epe
from mmdavss.modules import label_regions, nearest_labels
from mmdavss.modules.temporal_labels import IGNORE
from mmdavss.ops import resize_flow
from mmdavss.structures import Clip, DomainBatch
from mmdavss.utils.checkpoints import misfits, read_weights
from mmdavss.utils.distributed import mean_log
from mmdavss.utils.errors import check_factors, number_of
from mmdavss.video_nets.base import frame_scores, fused_scores, segmentor_heads
from mmdavss.video_nets.loading import missing_checkpoint

from .cross_frame import CrossFrameAdapter

#: Where the checkpoints of the pretraining and of SFC have the module.
SFM_PREFIX = 'sfm.'


@MODELS.register_module()
class FlowPretraining(BaseModel):
    """Trains a flow network on source clips, on the flow that a provider or the pipeline has.

    It stands in for a FlowNet pretrained on Flying Chairs where there is none: the network learns
    what, for example, DIS finds (the flow that a network needs here is that of one data set, at one
    size). Its checkpoint is a ``checkpoint`` of ``FlowNetS``, ``MMFlowNet`` and ``FrozenFlowNet``.

    Logged besides the loss: ``epe``, in pixels of the network's grid, and ``epe_zero``, that of a
    flow of zero, which says how much motion there is.

    Args:
        flow_net: Config of the network.
        flow: Config of the provider of the target; None takes the flow that the clips come with.
        flow_loss: Config of the loss, the end-point error by default.
        data_preprocessor: Config, a :class:`DomainDataPreprocessor`.
    """

    def __init__(
        self,
        flow_net: ConfigType,
        flow: OptConfigType = None,
        flow_loss: ConfigType | None = None,
        data_preprocessor: OptConfigType = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self._build_network(flow_net)
        self.flow = None if flow is None else MODELS.build(flow)
        self.flow_loss = MODELS.build(flow_loss or dict(type='FlowEPELoss'))

    def _build_network(self, cfg: ConfigType) -> None:
        self.flow_net = MODELS.build(cfg)

    def forward(
        self,
        inputs: Clip | Mapping[str, Clip],
        data_samples: SampleList | Mapping[str, SampleList],
        mode: str = 'tensor',
    ) -> Tensor | dict[str, Tensor]:
        """Losses (``mode='loss'``), or the flow (N, 2, h, w) of source clips (``'tensor'``).

        Raises:
            ValueError: For another mode: nothing is segmented.
        """
        clip, samples = DomainBatch(inputs, data_samples).source
        if mode == 'tensor':
            return self.estimate(clip, samples)[0]
        if mode != 'loss':
            raise ValueError(
                f'{type(self).__name__} is a pretraining and has no mode {mode!r}: '
                'set val_cfg, val_dataloader and val_evaluator to None, test_* too.'
            )
        target = frozen_flow(self, clip)  # first, see given_flow
        flow, labels = self.estimate(clip, samples)
        target = resize_flow(target, flow.shape[-2:])
        valid = None if labels is None else labels != self.flow_loss.ignore_index
        return dict(
            loss_epe=self.flow_loss(flow, target, labels=labels),
            epe=flow_epe(flow.detach(), target, valid),
            epe_zero=flow_epe(torch.zeros_like(target), target, valid),
        )

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        loss, log = super().parse_losses(losses)
        return loss, mean_log(log)

    def estimate(self, clip: Clip, samples: SampleList) -> tuple[Tensor, Tensor | None]:
        """Flow (N, 2, h, w) current->previous, and labels (N, h, w) of what counts, or None."""
        return self.flow_net(clip.raw[:, -1], clip.raw[:, -2]), None


@MODELS.register_module()
class SFMPretraining(FlowPretraining):
    """Pretrains SFM on the source (figure 4a, equation 6): labels as regions, FlowNet's flow.

    The labels of both frames are needed: ``label_clips=True`` of the source data set, whose frames
    must all have one (VIPER, SYNTHIA-Seq, CamVid; elsewhere the data set names the frames that have
    none). Labels carried from another frame would be no substitute: the flow that SFM is to find
    would be in them.

    Pixels whose label, at the flow's resolution, is ignored do not count. ``model.flow`` is the
    FlowNet: ``FrozenFlowNet`` with the source model of stage two, or any other provider.

    Args:
        sfm: Config of the :class:`SFM`; ``sfm.flow_net.checkpoint`` is where it starts, in the
            published training at the weights of the FlowNet.
        num_classes: Number of classes K.
        kwargs: Those of :class:`FlowPretraining` besides ``flow_net``.
    """

    def __init__(self, sfm: ConfigType, num_classes: int, **kwargs) -> None:
        super().__init__(sfm, **kwargs)
        self.num_classes = num_classes

    def _build_network(self, cfg: ConfigType) -> None:
        self.sfm = MODELS.build(cfg)

    def estimate(self, clip: Clip, samples: SampleList) -> tuple[Tensor, Tensor]:
        missing = next((s for s in samples if 'gt_clip_seg' not in s), None)
        if missing is not None:
            raise ValueError(
                f'SFMPretraining: {missing.metainfo.get("img_path")} comes without the labels of '
                'the earlier frames: set label_clips=True in the source data set.'
            )
        labels = torch.stack([sample.gt_clip_seg.data[-2:] for sample in samples])
        previous, current = (label_regions(labels[:, t], self.num_classes) for t in range(2))
        flow = self.sfm(clip.raw[:, -1], clip.raw[:, -2], current, previous)
        return flow, nearest_labels(labels[:, -1], flow.shape[-2:])


@MODELS.register_module()
class SFC(CrossFrameAdapter):
    """Labelled source clips, and target clips whose segmentation must explain their flow.

    The student segments the last two frames of a target clip; SFM makes a flow of the two maps,
    which is to be that of the frozen flow network. The gradient goes through SFM to the
    predictions of both frames, not into SFM. Prediction is the student's alone.

    A net that carries maps from frame to frame needs three target frames (``clip_length=3``), so
    that the previous frame has one before it too; in stage one, and frame by frame, two are enough.
    In stage one each segmentation network has an L_flow of its own.

    Both frames are passes of their own, as released: single frames in the order of time, clips that
    a net carries maps through the current one first. Batch norm normalises each by itself, and its
    running statistics move with each.

    With temporal pseudo-labels (TPL) the previous frame's prediction, carried along F^T, labels the
    current frame, which the student is to segment so in an augmented view, as in TPS.

    Args:
        sfm: Config of the :class:`SFM`, as in its pretraining.
        sfm_checkpoint: Checkpoint of :class:`SFMPretraining`.
        flow_weight: lambda_f, 0.005 in stage one and 0.001 in stage two; 0 for TPL alone.
        softmax_scale: lambda_s, which brings the student's maps near to the labels that SFM knows.
        pseudo_weight: Factor of the losses with temporal pseudo-labels; 0 for none.
        auxiliary_weight: As in :class:`CrossFrameAdapter`; 0 saves the auxiliary classifier's pass
            through SFM.
        flow: Config of the provider of F^T; None takes the flow that the clips come with.
        kwargs: The others of :class:`CrossFrameAdapter`.

    Raises:
        ValueError: For a value that an option cannot have.
    """

    def __init__(
        self,
        sfm: ConfigType,
        sfm_checkpoint: str | None = None,
        flow_weight: float = 0.005,
        softmax_scale: float = 100.0,
        pseudo_weight: float = 0.0,
        **kwargs,
    ) -> None:
        super().__init__(pseudo_weight=pseudo_weight, **kwargs)
        self.sfm = MODELS.build(sfm).requires_grad_(False)
        self.sfm_checkpoint = sfm_checkpoint
        check_factors('SFC', flow_weight=flow_weight)
        if not softmax_scale > 0:
            raise ValueError(f'SFC: softmax_scale={softmax_scale} must be above 0.')
        self.flow_weight = flow_weight
        self.softmax_scale = softmax_scale

    def init_weights(self) -> None:
        """As in :class:`BaseAdapter`; and SFM's weights are read.

        Raises:
            FileNotFoundError: If `sfm_checkpoint` does not exist.
            ValueError: If it is not set, or does not fit.
        """
        super().init_weights()
        if self.sfm_checkpoint is None:
            raise ValueError(
                'SFC: `model.sfm_checkpoint` is not set, and an untrained SFM says '
                'nothing about a segmentation. Train SFMPretraining first (its '
                'configs are configs/sfc/sfm_*.py).'
            )
        load_sfm(self.sfm, self.sfm_checkpoint)

    def train(self, mode: bool = True) -> SFC:
        super().train(mode)
        self.sfm.eval()
        return self

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        """See the base class: source, L_flow and TPL, in stage one each branch of Accel by itself.

        The previous frame's scores are cut off before they label anything, so that the graphs have
        nothing in common.
        """
        source, samples = batch.source
        clip = batch.target.clip
        self._check_length(clip)
        motion = frozen_flow(self, clip)  # first, see given_flow
        given = self.clip_flow(clip)
        yield from self._counted(
            'all',
            (
                add_prefix(losses, 'source')
                for losses in self.student.loss_groups(
                    source.frames, self.clip_flow(source), samples
                )
            ),
        )

        previous, current = (
            (clip.frames[:, part], None if given is None else given[:, part])
            for part in (slice(None, -1), slice(1, None))
        )
        # A pass for each frame, so that batch norm sees one at a time, in the release's order.
        in_order = self.net.single_frame
        labels: dict[str, Tensor] = {}
        for scores in self.score_groups(
            *((previous, current) if in_order else (current, previous))
        ):
            before, now = scores if in_order else scores[::-1]
            if self.pseudo_weight:
                labels |= self.carried_labels(before, motion)
            losses = self.flow_losses(clip, motion, before, now)
            if losses:
                yield losses
        if self.pseudo_weight:
            yield from self._counted('all', self.augmented_losses(clip, given, labels))

    def _counted(
        self, kind: str, groups: Iterator[dict[str, Tensor]]
    ) -> Iterator[dict[str, Tensor]]:
        """The groups, whose passes move the running statistics if those of this kind do.

        Between two groups there are backward passes, which have nothing to do with it.
        """
        while True:
            with self.counts_for(kind):
                losses = next(groups, None)
            if losses is None:
                return
            yield losses

    def flow_losses(
        self,
        clip: Clip,
        motion: Tensor,
        previous: Mapping[str, Tensor],
        current: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """L_flow (equation 7) of each classifier that has a weight.

        Args:
            clip: Of the target.
            motion: (N, 2, H', W'), F^T.
            previous: Scores (N, K, h, w) of the previous frame by classifier.
            current: Those of the current frame.
        """
        losses: dict[str, Tensor] = {}
        for name in previous:
            weight = self.flow_weight * self.head_weight(name)
            if not weight:  # SFM is what costs time
                continue
            flow = self.segmentation_flow(clip, previous[name], current[name])
            epe = flow_epe(flow, resize_flow(motion, flow.shape[-2:]))
            losses |= {f'{name}.loss_sfc': weight * epe, f'{name}.epe': epe.detach()}
        return losses

    def _check_length(self, clip: Clip) -> None:
        needed = 2 if self.net.single_frame else 3
        if clip.frames.shape[1] < needed:
            raise ValueError(
                f'SFC: target clips have {number_of(clip.frames.shape[1], "frame")} and need '
                f'{needed} or more for {type(self.net).__name__}: set '
                f'clip_length={needed} in the target data set.'
            )

    def score_groups(
        self, *clips: tuple[Tensor, Tensor | None]
    ) -> Iterator[tuple[dict[str, Tensor], ...]]:
        """Scores (N, K, h, w) of every classifier that is trained, named as its losses are.

        Args:
            clips: Frames (N, T, 3, H, W) with flow (N, T-1, 2, H, W), or None. Each is a pass by
                itself, in this order: statistics of batches are those of one clip, and the running
                ones move with each.

        Yields:
            Those of each clip whose graphs hang together: in stage one of a branch of Accel, else
            all.
        """
        if self.net.single_frame:
            for prefix, net in zip(('', 'reference.'), self.net.segmentors, strict=False):
                yield tuple(
                    self._single_frame_scores(prefix, net, frames[:, -1]) for frames, _ in clips
                )
        else:
            yield tuple(fused_scores(self.student, frames, flow) for frames, flow in clips)

    @staticmethod
    def _single_frame_scores(prefix: str, net: EncoderDecoder, frames: Tensor) -> dict[str, Tensor]:
        # In a function of its own: nothing holds the levels while another branch is run.
        levels = tuple(net.extract_feat(frames))
        scores = frame_scores(net, levels, frames, segmentor_heads(net), supervised=False)
        return {f'{prefix}{name}': cast(Tensor, own.fused) for name, own in scores.items()}

    def augmented_losses(
        self, clip: Clip, given: Tensor | None, labels: Mapping[str, Tensor]
    ) -> Iterator[dict[str, Tensor]]:
        """TPL: cross-entropy of the augmented clip with what the previous frame's scores say.

        Args:
            clip: Of the target.
            given: (N, T-1, 2, H, W), the student's flow, or None.
            labels: (N, h, w), those of the current frame for each classifier.

        Yields:
            Losses, grouped as :meth:`score_groups`.
        """
        log = dict(labelled=(labels['decode'] != IGNORE).float().mean())
        # The augmentation moves nothing, so the flow stays.
        augmented = self.augmented_frames(clip)[:, 1:], None if given is None else given[:, 1:]
        for (scores,) in self.score_groups(augmented):
            yield self.pseudo_losses(scores, labels, 'loss_tpl') | log
            log = {}

    def segmentation_flow(self, clip: Clip, previous: Tensor, current: Tensor) -> Tensor:
        """SF^T (N, 2, h, w), from scores (N, K, h, w) of both frames."""
        regions = [self.soft_regions(scores, clip.raw.shape[-2:]) for scores in (current, previous)]
        return self.sfm(clip.raw[:, -1], clip.raw[:, -2], *regions)

    def soft_regions(self, scores: Tensor, size: Sequence[int]) -> Tensor:
        """Class probabilities ``(N, K, *size)``, sharpened by lambda_s.

        In float32: a hundred times a score is out of the range of half precision.
        """
        scores = self.resized(scores.float(), size)
        return (self.softmax_scale * scores).softmax(1)


def frozen_flow(method: Any, clip: Clip) -> Tensor:
    """F: the flow current->previous of the method's provider, or that which clips come with.

    Returns:
        (N, 2, H', W') in pixels of its own grid, without gradient.

    Raises:
        ValueError: If there is neither, or clips have one frame.
    """
    name = type(method).__name__
    if clip.raw.shape[1] < 2:
        raise ValueError(f'{name}: clips have one frame: set clip_length=2 or more.')
    if method.flow is not None:
        return method.flow(clip.raw[:, -1], clip.raw[:, -2])
    if clip.flow is None:
        raise ValueError(
            f'{name}: clips come without flow and there is no provider: set '
            '`model.flow`, or add LoadFlow to the pipeline.'
        )
    return clip.flow[:, -1]


def load_sfm(sfm: nn.Module, path: str) -> None:
    """Loads an SFM from a checkpoint of its pretraining, or of SFC.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no SFM, or one of another network.
    """
    state = read_weights(
        path,
        missing_checkpoint(
            'sfm_checkpoint', path, 'SFMPretraining first (its configs are configs/sfc/sfm_*.py)'
        ),
    )
    state = {
        name.removeprefix(SFM_PREFIX): value
        for name, value in state.items()
        if name.startswith(SFM_PREFIX)
    }
    if not state:
        raise ValueError(
            f'{path} holds no SFM: `model.sfm_checkpoint` must be a checkpoint of SFMPretraining.'
        )
    own = sfm.state_dict()
    wrong = sorted({*misfits(sfm, state), *(state.keys() - own.keys())})
    if wrong:
        raise ValueError(
            f'{path} does not fit `model.sfm`: {len(wrong)} of {len(own)} tensors are missing, '
            f'unknown or of another shape, such as {wrong[:3]}. Give `model.sfm.flow_net` as in '
            'the config of its pretraining.'
        )
    sfm.load_state_dict(state)
