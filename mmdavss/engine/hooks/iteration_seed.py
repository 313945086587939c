"""The random numbers of training."""

from __future__ import annotations

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmdavss.utils.randomness import seed_everything


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Draws the random numbers of each iteration from the run's seed and the iteration.

    This covers dropout, mixing, augmentation on the device and everything else that a method
    draws: resuming needs no generator state of any process or device, and a validation in between
    changes nothing. The random numbers of the data come from :class:`DrawSampler`.

    Each process draws different numbers. mmengine seeds all processes alike, so that ClassMix and
    augmentation would be the same in all of them.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Checks that the sampler uses the run's seed.

        Raises:
            ValueError: If a run is resumed with another seed than at its start.
        """
        sampler = runner.train_loop.dataloader.sampler
        if isinstance(sampler, InfiniteSampler) and sampler.seed != runner.seed:
            # mmengine restores the seed of the checkpoint after it has built the sampler.
            raise ValueError(
                f'The run to be resumed was started with randomness.seed={runner.seed}; its data '
                f'would continue in another order. Add --cfg-options randomness.seed={runner.seed}'
            )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        # The extra 1 keeps this stream distinct from the data's (seed, draw) stream.
        seed_everything(runner.seed, runner.iter, 1, get_rank())
