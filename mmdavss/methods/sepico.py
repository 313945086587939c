"""SePiCo: semantic-guided pixel contrast (Xie et al., TPAMI 2023).

DACS with a contrast of pixel features against class statistics of the source. The paper's symbols:

===========================  ===============================================================
Theta_e, Theta_c             ``student``
Theta_p                      ``projection``
Theta'_e, Theta'_c, Theta'_p ``teacher``, ``teacher_projection``
mu, Sigma, B                 buffers of ``statistics``, a :class:`ClassStatistics`
M_s, M_t                     ``downscale_labels`` of labels and pseudo-labels
l^protocl, bankcl, distcl    ``contrastive_loss``: ProtoCLLoss, BankCLLoss, DistCLLoss
L_w                          ``OnlineStatisticsHook(contrast_start=...)``
===========================  ===============================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, add_prefix
from torch import Tensor, nn

from mmdavss.losses.semantic_contrast import SemanticContrast
from mmdavss.modules import ClassStatistics, Decisions, downscale_labels
from mmdavss.utils.errors import check_unit

from .dacs import DACS, Labelled


@MODELS.register_module()
class SePiCo(DACS):
    """SePiCo with any of its three contrasts (section 3.3, algorithm 2, equation 20).

    The two domains are two losses, each a mean over its own pixels with its own regulariser, as
    published (equation 12 takes one mean over the union). The contrast of the target sees strongly
    augmented but unmixed clips. Of a clip only the current frame is contrasted.

    Args:
        contrastive_loss: Config of ``ProtoCLLoss``, ``BankCLLoss`` or ``DistCLLoss``.
        projection: Config of the projection head; its ``in_channels`` are those of the stages.
        statistics: Config of the :class:`ClassStatistics`, without classes and channels.
        contrast_stages: Stages of the backbone whose maps, resized to the largest of them and
            concatenated, are contrasted (table 8): ``(3, )`` is layer 4.
        label_ratio: Least share of its class among the pixels of a feature cell, else the cell
            is ignored.
        augment_source: Whether the student sees the source strongly augmented too, for its
            cross-entropy and its contrast, as published. The statistics are of the plain source in
            any case.
        self_training: Whether the student learns the mix; False leaves the contrast and the
            source's cross-entropy (table 5).
        kwargs: Those of :class:`DACS`.

    Raises:
        ValueError: For a `discriminator`.
    """

    shared_augmentation = True
    teacher_projection: nn.Module

    def __init__(
        self,
        contrastive_loss: ConfigType,
        projection: ConfigType,
        statistics: ConfigType,
        contrast_stages: Sequence[int] = (3,),
        label_ratio: float = 0.75,
        augment_source: bool = False,
        self_training: bool = True,
        **kwargs,
    ) -> None:
        self.self_training = self_training  # decides which losses may be configured
        super().__init__(**kwargs)
        if self.discriminator is not None:
            raise ValueError(
                'SePiCo: no discriminator goes with it: of its two players, the student and the '
                'discriminator, neither owns the projection, which nothing would train.'
            )
        if augment_source and self.source_augment is not None:
            raise ValueError(
                'SePiCo: augment_source and source_augment are mutually exclusive: the former is '
                'the augmentation of the mix.'
            )
        self.contrastive_loss = MODELS.build(contrastive_loss)
        self.contrast_stages = tuple(contrast_stages)
        channels = self.student.level_channels()
        if not self.contrast_stages or not {*self.contrast_stages} <= {*range(len(channels))}:
            raise ValueError(
                f'SePiCo: contrast_stages={self.contrast_stages} must be one or more of the levels '
                f'0 to {len(channels) - 1} of the backbone.'
            )
        check_unit('SePiCo', label_ratio=label_ratio)
        self.projection = MODELS.build(
            dict(projection, in_channels=sum(channels[i] for i in self.contrast_stages))
        )
        self.add_companion(
            'teacher_projection', kind='ema', follows='projection', norm=self.teacher_norm
        )
        self.statistics: ClassStatistics = MODELS.build(
            dict(statistics, num_classes=self.num_classes, channels=self.projection.out_channels)
        )
        if isinstance(self.contrastive_loss, SemanticContrast):  # not first when it contrasts
            self.contrastive_loss.check(self.statistics)
        self.label_ratio = label_ratio
        self.augment_source = augment_source
        self.schedule_contrast(update=True, contrast=True)

    def schedule_contrast(self, update: bool, contrast: bool) -> None:
        """Whether the next iteration updates the statistics, and whether it contrasts."""
        self._update_statistics = update
        self._contrasts = contrast

    def source_loss(self, source: Labelled, decisions: Decisions | None) -> dict[str, Tensor]:
        """Cross-entropy and contrast of the source, from one pass."""
        if self._update_statistics:
            self._learn_statistics(source.clip.frames[:, -1], source.labels)
        if self.augment_source:
            frames = self.strong(source.clip.raw, decisions)
        else:
            frames = self.source_frames(source)
        with self.counts_for('all'):
            levels = self.student.levels(frames[:, -1]) if self._contrasts else None
            losses = self.student.loss(frames, source.flow, source.samples, levels)
        if levels is not None:
            losses |= self._contrast(levels, source.labels)
        return add_prefix(losses, 'source')

    def extra_losses(
        self, source: Labelled, target: Labelled, decisions: Decisions | None
    ) -> Iterator[dict[str, Tensor]]:
        """The contrast of the target."""
        if not self._contrasts:
            return
        # Every pseudo-label that weighs something takes part: the threshold of equation 3 is not
        # one for pixels.
        labels = target.labels.masked_fill(target.weights == 0, 255)
        frames = self.strong(target.clip.raw[:, -1:], decisions)[:, 0]
        with self.counts_for('all', 'mixed'):
            levels = self.student.levels(frames)
        yield add_prefix(self._contrast(levels, labels), 'target')

    @torch.no_grad()
    def _learn_statistics(self, frames: Tensor, labels: Tensor) -> None:
        features = self._embed(self.teacher.levels(frames), self.teacher_projection)
        labels = self._downscale(labels, features)
        self.watch('the features of the statistics', features)
        self.statistics.update(features.transpose(0, 1).flatten(1).T, labels.flatten())

    def _contrast(self, levels: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
        features = self._embed(levels, self.projection)
        return self.contrastive_loss(features, self._downscale(labels, features), self.statistics)

    def _embed(self, levels: Sequence[Tensor], projection: nn.Module) -> Tensor:
        """Stages (N, C_i, h_i, w_i) to unit features (N, A, h, w)."""
        chosen = [levels[i] for i in self.contrast_stages]
        size = max(tuple(stage.shape[-2:]) for stage in chosen)
        fused = torch.cat([self.resized(stage, size) for stage in chosen], dim=1)
        return projection(fused)

    def _downscale(self, labels: Tensor, features: Tensor) -> Tensor:
        return downscale_labels(labels, features.shape[-2:], self.num_classes, self.label_ratio)
