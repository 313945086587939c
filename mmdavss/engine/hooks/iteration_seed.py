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

    Dropout, mixing, augmentation on the device and everything else that a method draws: a resumed
    run needs no state of a generator, of whatever process and device, and validation in between
    changes nothing. The random numbers of the data come from :class:`DrawSampler`.

    Each process draws others: mmengine seeds all alike, and ClassMix or augmentation would be the
    same in all of them.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Checks that the data are drawn with the seed of the run.

        Raises:
            ValueError: If a run is resumed with another seed than it was begun with.
        """
        sampler = runner.train_loop.dataloader.sampler
        if isinstance(sampler, InfiniteSampler) and sampler.seed != runner.seed:
            # mmengine takes the seed of the checkpoint, but has the sampler already.
            raise ValueError(
                f'The run that is to be resumed was begun with randomness.seed='
                f'{runner.seed}; its data would go on in another order. Add '
                f'--cfg-options randomness.seed={runner.seed}'
            )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        # 1: others than those of the data, whose positions are pairs.
        seed_everything(runner.seed, runner.iter, 1, get_rank())
