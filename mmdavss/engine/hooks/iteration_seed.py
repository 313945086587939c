"""The random numbers of training."""

from __future__ import annotations

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmdavss.utils.randomness import seed_everything

#: Key in the message hub of the seed of the sampler.
DATA_SEED = 'data_seed'


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
        """Notes the seed of the data's order; in a resumed run, checks that it is the same.

        Raises:
            ValueError: If a run is resumed with another seed than at its start.
        """
        sampler = runner.train_loop.dataloader.sampler
        if not isinstance(sampler, InfiniteSampler):
            return
        if runner.iter == 0:
            runner.message_hub.update_info(DATA_SEED, sampler.seed)
            return
        # Checkpoints of before it was noted have the run's seed, which was nearly always that of
        # the data. mmengine restores it after it has built the sampler.
        seed = runner.message_hub.runtime_info.get(DATA_SEED, runner.seed)
        if sampler.seed != seed:
            raise ValueError(
                f'The run to be resumed was started with {_option(runner, seed)}; its data would '
                f'continue in another order. Add --cfg-options {_option(runner, seed)}'
            )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        # The extra 1 keeps this stream distinct from the data's (seed, draw) stream.
        seed_everything(runner.seed, runner.iter, 1, get_rank())


def _option(runner: Runner, seed: int) -> str:
    """The option that gives the sampler a seed: its own one if it is not the run's."""
    option = 'randomness' if seed == runner.seed else 'train_dataloader.sampler'
    return f'{option}.seed={seed}'
