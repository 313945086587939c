"""RDA: robust domain adaptation (Huang et al., ICCV 2021).

======================================  ======================================================
what                                    here
======================================  ======================================================
base                                    :class:`AdvEnt`
Fourier adversarial attack (FAA)        :meth:`RDA.attack`; ``bands``, ``portion``
gate module G                           ``gate``: FourierGate, the third player
reference image x_ref                   ``reference``
limit on the change of shapes           ``loss_protection``
robust consistency on the attacked      ``*.loss_consistency``, :meth:`RDA.consistency`
image
======================================  ======================================================
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from mmengine.optim import OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.modules import FourierGate, attacked_images, most_wanted, random_rescale, spectra
from mmdavss.modules.domain_game import softmax
from mmdavss.modules.random_resize import check_rescale
from mmdavss.structures import DomainBatch
from mmdavss.utils.errors import rounded_up
from mmdavss.utils.wrappers import check_players

from .adaptsegnet import Levels
from .advent import AdvEnt

REFERENCES = ('source', 'previous', 'self')


@MODELS.register_module()
class RDA(AdvEnt):
    """AdvEnt, and predictions for target images that stay as they are under an attack.

    A gate scores the components of the spectrum of a target image, bands of frequencies of each
    channel; the amplitudes of those with the highest scores are replaced by those of a reference.
    The attacked image, rescaled at random, is to be segmented as the plain one, and to look like a
    source image to the discriminators. The gate plays against the student: its choice is passed
    straight through to its scores, with the reversed gradient of the student's losses. So it has
    an optimiser of its own, ``gate`` in ``optim_wrapper``.

    In the released code the reference is the image itself, and the gate gets no gradient: the
    amplitudes do not change, and only the consistency under rescaling is left
    (``reference='self'``, which builds no gate). The paper's attack is the default.

    Only current frames are attacked: those that the discriminators see.

    Args:
        reference: What gives the amplitudes: the current frame of the ``source`` clip, the
            ``previous`` frame of the clip, or the frame ``self``.
        bands: Number of bands, 2 or more.
        portion: Share of the components that are replaced, rounded down: one or more, not all.
        released_bands: As of :func:`frequency_bands`.
        protection_weight: Factor of the mean change of the amplitudes of the bands of shapes, from
            the sixteenth to the half of all bands, which the gate keeps low.
        consistency_weight: Factor of the consistency of each classifier.
        rescale: Range of the random factor of the attacked image's size, see
            :func:`random_rescale`. None for none.
        kwargs: Those of :class:`AdvEnt`.

    Raises:
        ValueError: For a value that an option cannot have.
    """

    def __init__(
        self,
        reference: str = 'source',
        bands: int = 32,
        portion: float = 0.1,
        released_bands: bool = False,
        protection_weight: float = 0.0002,
        consistency_weight: float = 1.0,
        rescale: tuple[float, float] | None = (0.8, 1.2),
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if reference not in REFERENCES:
            raise ValueError(f'RDA: reference={reference!r} is not one of {REFERENCES}.')
        if bands < 2:
            raise ValueError(f'RDA: bands={bands} must be 2 or more.')
        if not 1 <= portion * 3 * bands < 3 * bands:
            raise ValueError(
                f'RDA: portion={portion} must leave at least one of {3 * bands} components, three '
                f'channels of bands={bands}, and not all, which is 1 and no choice of the gate: '
                f'{rounded_up(1 / (3 * bands))} to 1.'
            )
        check_rescale('RDA', rescale)
        self.reference = reference
        self.bands = bands
        self.portion = portion
        self.released_bands = released_bands
        self.protection_weight = protection_weight
        self.consistency_weight = consistency_weight
        self.rescale = rescale
        self.gate = None if reference == 'self' else FourierGate(bands)

    @property
    def players(self) -> tuple[str, ...]:
        return (*super().players, *(() if self.gate is None else ('gate',)))

    def student_losses(
        self, batch: DomainBatch
    ) -> Iterator[tuple[dict[str, Tensor], dict[str, Levels]]]:
        losses, source = self.source_losses(batch.source)
        yield losses, dict(source=source)
        frames = batch.target.clip.frames
        plain = self.current_scores(frames)
        if self.discriminator is not None:
            yield {}, dict(target=self.enlarged(plain, frames))
        # The graph of the plain pass ends with the adversarial loss.
        losses, images = {}, frames[:, -1]
        if self.gate is not None:
            images, losses['loss_protection'] = self.attack(self.gate, images, batch)
        images = random_rescale(images[:, None], self.rescale, self.align_corners)
        with self.counts_for('all'):
            attacked = self.current_scores(images)
        attacked = {n: self.resized(own, plain[n].shape[-2:]) for n, own in attacked.items()}
        losses |= self.consistency(attacked, plain)
        if self.discriminator is not None:
            losses['loss_adversarial_attacked'] = self.game.student_loss(
                self.discriminator, self.enlarged(attacked, frames)
            )
        yield losses, {}

    def attack(self, gate: nn.Module, images: Tensor, batch: DomainBatch) -> tuple[Tensor, Tensor]:
        """Target images (N, 3, H, W) under attack, and minus the change of shapes, weighted.

        A choice of the gate is 0 or 1 and gets the gradient, which :meth:`train_step` hands on.
        """
        with torch.autocast(images.device.type, enabled=False):
            seen = spectra(images, self.references(batch), self.bands, self.released_bands)
            means, changes = seen.means(), seen.changes()
        scores = gate(means)
        chosen = most_wanted(scores.detach(), self.portion).requires_grad_()
        self._played = scores, chosen
        with torch.autocast(images.device.type, enabled=False):
            images = attacked_images(images, seen, chosen)
            shapes = (chosen * changes)[:, self.bands // 16 : self.bands // 2]
            return images, -self.protection_weight * shapes.mean()

    def references(self, batch: DomainBatch) -> Tensor:
        """Images (N, 3, h, w) whose amplitudes the attack takes.

        Raises:
            ValueError: If it is the previous frame, of clips of one frame.
        """
        if self.reference == 'source':
            return batch.source.clip.frames[:, -1]
        frames = batch.target.clip.frames
        if frames.shape[1] < 2:
            raise ValueError(
                "RDA: reference='previous' needs target clips of 2 frames or more: set "
                "clip_length=2 in the target data set, or reference='source'."
            )
        return frames[:, -2]

    def consistency(self, attacked: Levels, plain: Levels) -> dict[str, Tensor]:
        """Mean difference of the probabilities of each classifier; the plain ones are fixed."""
        return {
            f'{name}.loss_consistency': self.consistency_weight
            * (softmax(own) - softmax(plain[name].detach())).abs().mean()
            for name, own in attacked.items()
        }

    def train_step(self, data: dict, optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One step of each player, the gate last: up the gradient of the student's losses.

        Raises:
            TypeError: If there is no optimiser for each.
        """
        if self.gate is None:
            return super().train_step(data, optim_wrapper)
        check_players(type(self).__name__, optim_wrapper, self.players)
        student, gate = optim_wrapper['student'], optim_wrapper['gate']
        # What the student's losses are multiplied by: the gate's wrapper does that itself.
        device = next(self.gate.parameters()).device
        scale = student.scale_loss(torch.ones((), device=device))
        if hasattr(student, 'loss_scaler'):
            scale = student.loss_scaler.scale(scale)  # get_scale() would wait for the device
        log = super().train_step(data, optim_wrapper)
        scores, chosen = self._played
        del self._played
        gate.update_params(-(scores * chosen.grad).sum() / scale)
        return log
