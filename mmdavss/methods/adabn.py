"""AdaBN (Li et al., Pattern Recognition 2018): re-estimated batch-norm statistics."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce_params
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from mmdavss.structures import DomainBatch
from mmdavss.utils.distributed import mean_log
from mmdavss.video_nets.base import segmentor_norms

from .base import BaseAdapter


@MODELS.register_module()
class AdaBN(BaseAdapter):
    """Re-estimates the batch-norm statistics on the target, and nothing else.

    The floor of every source-free method: no weight changes, no optimiser acts. A statistic is
    the plain average over all batches since the start (not the usual exponential one), so
    that it does not hang on the last few; under several processes it is that of all of them.
    There each process normalises by its own batch and a variance is that within the batch of a
    process, unless the config sets ``sync_bn``. Every frame of a clip counts.

    Its config sets ``model_wrapper_cfg=dict(type='MMSeparateDistributedDataParallel')``, because
    there is no gradient to reduce.

    Args:
        kwargs: Those of :class:`BaseAdapter`; ``source_checkpoint`` is the model to re-estimate.

    Raises:
        ValueError: If the student has no batch-norm layers, or an option has no effect.
    """

    source_free = True

    def __init__(self, **kwargs) -> None:
        for option in ('norm_eval', 'train_norm_only'):
            if kwargs.get(option):
                raise ValueError(
                    f'AdaBN: {option}=True has no effect, since batch-norm statistics are all that '
                    'is adapted: leave it out.'
                )
        super().__init__(**kwargs)
        self.student.requires_grad_(False)
        if not self.norms:
            raise ValueError('AdaBN: the student has no batch-norm layers to re-estimate.')
        for norm in self.norms:
            norm.momentum = None
        #: Batches seen, the number that the layers keep on the device; None where not known.
        self._seen: int | None = None

    @property
    def norms(self) -> list[_BatchNorm]:
        """The layers; not a list kept for good, since ``sync_bn`` of a config replaces them.

        Those of a flow branch are none of them: it is no segmentor.
        """
        return segmentor_norms(self.net)

    def start_from_weights(self) -> None:
        """As in :class:`BaseAdapter`; and no batch has been seen."""
        super().start_from_weights()
        for norm in self.norms:
            # The first batch takes the place of what is there. Layers that only serve losses (in
            # auxiliary heads) see none and stay as they are.
            assert norm.num_batches_tracked is not None
            norm.num_batches_tracked.zero_()
        self._seen = None

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._seen = None

    def train(self, mode: bool = True) -> AdaBN:
        """Only batch-norm layers train; dropout and the like stay off."""
        super().train(mode)
        if mode:
            self.student.eval()
            for norm in self.norms:
                norm.train()
        return self

    def losses(self, batch: DomainBatch) -> dict:
        raise RuntimeError(
            'AdaBN has no loss: train it with its own train_step; under several '
            'processes wrap it in MMSeparateDistributedDataParallel.'
        )

    @torch.no_grad()
    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Moves the statistics by one batch; the optimiser is left alone."""
        clip = self.domain_batch(**self.data_preprocessor(data, True)).target.clip
        frames = clip.frames.flatten(0, 1)
        self._average_plainly()
        with optim_wrapper.optim_context(self):
            *_, features = self.net.branch_features(frames)
        # Averages of every process have the same weight: so has their mean.
        all_reduce_params(
            [b for n in self.norms for b in (n.running_mean, n.running_var)], op='mean'
        )
        return mean_log(dict(feature_norm=features.float().norm(dim=1).mean()))

    def _average_plainly(self) -> None:
        """Gives this batch the same weight as each one before it.

        With a momentum of None each layer does so itself and reads its count, which waits for the
        device; here that is read once.
        """
        tracked = self.norms[0].num_batches_tracked
        assert tracked is not None  # it tracks
        self._seen = (int(tracked) if self._seen is None else self._seen) + 1
        for norm in self.norms:
            norm.momentum = 1 / self._seen
