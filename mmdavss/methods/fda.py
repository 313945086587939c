"""FDA: Fourier domain adaptation (Yang and Soatto, CVPR 2020).

======================================  ======================================================
what                                    here
======================================  ======================================================
x^{s->t}, M_beta                        :meth:`FDA.styled`, ``fourier_swap``; ``beta``, ``window``
L_ce(x^{s->t}, y)                       ``source.*``
L_ent, rho, lambda_ent                  ``entropy``: RobustEntropyLoss, ``loss_entropy``
self-supervised training (SST),         ``learn_labels=True``, ``loss_ce``; labels of
L_ce(x^t, y^t)                          ``tools/generate_pseudo_labels.py``
multi-band transfer (MBT)               three runs with another ``beta`` each, and their mean
======================================  ======================================================
"""

from __future__ import annotations

from collections.abc import Iterator

from mmseg.registry import MODELS
from mmseg.utils import OptConfigType
from torch import Tensor

from mmdavss.ops import fourier_swap, window_half_width
from mmdavss.structures import Clip, DomainBatch, DomainClips

from .offline_self_training import OfflineSelfTraining


@MODELS.register_module()
class FDA(OfflineSelfTraining):
    """Labelled source clips in the style of the target, and confident predictions in the target.

    All frames of a source clip get the low-frequency amplitudes of the current frame of one target
    clip, so that the clip stays consistent. Source and target frames have one size.

    Args:
        beta: Share of the shorter side that the window of exchanged amplitudes extends to on each
            side of frequency 0. The paper trains with 0.01, 0.05 and 0.09.
        window: ``symmetric``, as in the paper, or a window of the release
            (:data:`mmdavss.ops.fourier.WINDOWS`).
        entropy: Config of the loss of target scores at their own resolution, None for none.
        learn_labels: Whether the target's pseudo-labels are learnt too (SST).
        source_weight: As in :class:`OfflineSelfTraining`, above 0.
        kwargs: Those of :class:`OfflineSelfTraining`.

    Raises:
        ValueError: For a value that an option cannot have, or options of labels that are not
            learnt.
    """

    def __init__(
        self,
        beta: float = 0.01,
        window: str = 'symmetric',
        entropy: OptConfigType = None,
        learn_labels: bool = False,
        source_weight: float = 1.0,
        **kwargs,
    ) -> None:
        super().__init__(source_weight=source_weight, **kwargs)
        if not learn_labels and (self.soft_labels or self.regulariser is not None):
            raise ValueError(
                'FDA: without learn_labels=True no pseudo-labels are learnt: remove '
                'model.soft_labels and model.regulariser.'
            )
        if not source_weight:
            raise ValueError('FDA: source_weight=0 leaves nothing to learn of: it must be above 0.')
        window_half_width((2**20, 2**20), beta, window)  # says what is wrong before training
        self.beta = beta
        self.window = window
        self.entropy = None if entropy is None else MODELS.build(entropy)
        self.learn_labels = learn_labels
        self.schedule_self_training(True)

    def schedule_self_training(self, learns: bool) -> None:
        """Whether the next iteration learns in the target: ``switch2entropy`` of the release."""
        self._learns_target = learns

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        source, target = self.with_flow(batch.source), self.with_flow(batch.target)
        styled = source.clip._replace(frames=self.styled(source.clip, target.clip))
        yield self.source_loss(source._replace(clip=styled))
        if self._learns_target and (self.learn_labels or self.entropy is not None):
            yield self.target_loss(target)

    def styled(self, source: Clip, target: Clip) -> Tensor:
        """Frames (N, T, 3, H, W) of source clips in the style of the target's current ones.

        The amplitudes are those of the images before they are normalised, as released.
        """
        style = target.raw[:, -1:]
        width = window_half_width(style.shape[-2:], self.beta, self.window)
        return self.data_preprocessor.normalise(fourier_swap(source.raw, style, width, self.window))

    def target_loss(self, target: DomainClips) -> dict[str, Tensor]:
        """Robust entropy of the target, and cross-entropy with its pseudo-labels."""
        clip = target.clip
        scores = self.student(clip.frames, self.clip_flow(clip))
        losses = {}
        if self.entropy is not None:
            losses['loss_entropy'] = self.entropy(scores)
        if self.learn_labels:
            scores = self.resized(scores, clip.frames.shape[-2:])
            losses |= self.label_losses(target, scores[:, None])
        return losses
