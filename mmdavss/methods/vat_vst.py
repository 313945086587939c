"""VAT-VST: video adversarial training, then video self-training (Shin et al., 2021).

The paper's symbols:

======================  ==================================================================
G                       ``student``, frame by frame
P, U~                   softmax of its scores, for one frame and for the frames of a clip
D_I, D_V                ``discriminator``: ImageDiscriminator, SequenceDiscriminator
L_tube, Dice            ``tube_loss``: TubeDiceLoss
L_Adv,I, L_Adv,V        ``gan_loss``: DomainGANLoss
======================  ==================================================================
"""
from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapperDict
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, SampleList
from torch import Tensor

from mmdavss.engine import Clip
from mmdavss.modules import SequenceDiscriminator

from .base import BaseAdapter, branch

PLAYERS = ('student', 'discriminator')


@MODELS.register_module()
class VAT(BaseAdapter):
    """Phase 1: labelled source clips, and an adversary that tells the domains apart (equation 9).

    In each iteration the student learns first, with the discriminator fixed, then the
    discriminator on the same predictions, cut off from the student. Each has an optimiser and a
    schedule of its own, under the names ``student`` and ``discriminator``; under several processes
    the config sets ``model_wrapper_cfg=dict(type='MMSeparateDistributedDataParallel',
    find_unused_parameters=True)``.

    Source clips need the labels of all their frames (``label_clips=True`` of the data set).

    Args:
        tube_loss: Config of the tube loss, None for none (ablation).
        discriminator: Config of the discriminator, without ``in_channels``; None for none.
        gan_loss: Config of the adversarial loss.
        adversarial_weight: lambda_V of equation 9. The paper does not give it; 0.001 is that of
            AdaptSegNet, on whose discriminator it builds.
        kwargs: Those of :class:`BaseAdapter`; the student sees single frames.
    """

    def __init__(self,
                 tube_loss: OptConfigType = None,
                 discriminator: OptConfigType = None,
                 gan_loss: ConfigType | None = None,
                 adversarial_weight: float = 0.001,
                 **kwargs) -> None:
        super().__init__(**kwargs)
        if self.student.needs_flow:
            raise ValueError('VAT: the student predicts frame by frame and cannot be '
                             f'{type(self.student).__name__}; use PerFrame.')
        self.student.freeze_auxiliary()
        # Children are wrapped in DDP, which hides attributes: what is needed is kept here.
        self._num_classes, self._align_corners = self.student.num_classes, \
            self.student.align_corners
        self.tube_loss = None if tube_loss is None else MODELS.build(tube_loss)
        self.gan_loss = MODELS.build(gan_loss or dict(type='DomainGANLoss'))
        self.adversarial_weight = adversarial_weight
        self.discriminator = None if discriminator is None else MODELS.build(
            dict(discriminator, in_channels=self._num_classes))
        self._sequence = isinstance(self.discriminator, SequenceDiscriminator)

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self._num_classes

    @property
    def align_corners(self) -> bool:
        """How score maps are resized."""
        return self._align_corners

    def loss(self, inputs: Clip | Mapping[str, Clip],
             data_samples: SampleList | Mapping[str, SampleList]) -> dict:
        raise RuntimeError('VAT has two players and no single loss: train it with its own '
                           'train_step, under several processes wrapped in '
                           'MMSeparateDistributedDataParallel.')

    def train_step(self, data: dict, optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One step of each player.

        Raises:
            TypeError: If there is no optimiser for each.
        """
        players = PLAYERS if self.discriminator is not None else PLAYERS[:1]
        if not isinstance(optim_wrapper, OptimWrapperDict) or \
                set(optim_wrapper.keys()) != set(players):
            raise TypeError(f'VAT: optim_wrapper must be an OptimWrapperDict with {players}: see '
                            'configs/vat_vst, `constructor` and the two optimisers.')
        data = self.data_preprocessor(data, True)
        source, samples = branch(data['inputs'], data['data_samples'], 'source')
        labels = torch.stack([self._clip_labels(sample) for sample in samples])

        student = optim_wrapper['student']
        if self.discriminator is not None:
            self.discriminator.requires_grad_(False)
        with student.optim_context(self):
            scores = [self.clip_scores(source)]
            losses = self.supervised_losses(scores[0], labels)
            if self.discriminator is not None:
                target, _ = branch(data['inputs'], data['data_samples'], 'target')
                scores.append(self.clip_scores(target))
                losses['loss_adversarial'] = self.adversarial_weight * self.gan_loss(
                    self._judge(scores[1]), is_source=True)
        total, log = self.parse_losses(losses)
        student.update_params(total)
        if self.discriminator is None:
            return log

        adversary = optim_wrapper['discriminator']
        self.discriminator.requires_grad_(True)
        with adversary.optim_context(self):
            # Half each, as published: one domain is one half of the discriminator's batch.
            losses = {f'discriminator.loss_{name}': 0.5 * self.gan_loss(
                self._judge(maps.detach()), is_source=name == 'source')
                for name, maps in zip(('source', 'target'), scores, strict=True)}
        total, own = self.parse_losses(losses)
        adversary.update_params(total)
        log.update({key: value for key, value in own.items() if key != 'loss'})
        return log

    def clip_scores(self, clip: Clip) -> Tensor:
        """Scores (N, T, K, H, W) of all frames of clips, each frame by itself."""
        frames = clip.frames.flatten(0, 1)
        scores = resize(self.student(frames[:, None]), frames.shape[-2:], mode='bilinear',
                        align_corners=self.align_corners)
        return scores.unflatten(0, clip.frames.shape[:2])

    def supervised_losses(self, scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy summed over the frames (equation 9), and the tube loss (equation 6).

        Args:
            scores: (N, T, K, H, W).
            labels: (N, T, H, W).
        """
        losses = F.cross_entropy(
            scores.transpose(1, 2).float(), labels, ignore_index=255, reduction='none')
        counts = (labels != 255).sum((0, 2, 3)).clamp(min=1)
        result = dict(loss_ce=(losses.sum((0, 2, 3)) / counts).sum())
        if self.tube_loss is not None:
            result['loss_tube'] = self.tube_loss(scores, labels)
        return result

    def _judge(self, scores: Tensor) -> Tensor:
        """The discriminator's scores for clips (N, T, K, H, W), or for each of their frames."""
        maps = scores.softmax(2)
        return self.discriminator(maps if self._sequence else maps.flatten(0, 1))

    @staticmethod
    def _clip_labels(sample: object) -> Tensor:
        if 'gt_clip_seg' not in sample:
            raise KeyError('VAT: the source clips come without the labels of all frames: set '
                           '`label_clips=True` in the source data set.')
        return sample.gt_clip_seg.data.long()
