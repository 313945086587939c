"""Order in which training data are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized

from mmengine.dataset import InfiniteSampler
from mmseg.registry import DATA_SAMPLERS


class Draw(int):
    """A data set index that knows when it was drawn.

    It is an integer, so every data set accepts it.

    Args:
        index: The index.
        position: Seed of the run, and number of the draw within the run, over all processes.
    """

    position: tuple[int, int]

    def __new__(cls, index: int, position: tuple[int, int]) -> Draw:
        draw = super().__new__(cls, index)
        draw.position = position
        return draw

    def __getnewargs__(self) -> tuple[int, tuple[int, int]]:
        """Keeps the position when sent to a worker process."""
        return int(self), self.position


@DATA_SAMPLERS.register_module()
class DrawSampler(InfiniteSampler):
    """mmengine's InfiniteSampler with the same order, whose indices know when they were drawn.

    The random numbers of an item's transforms can then depend on the draw alone
    (:class:`DomainPairDataset`): workers have no state that a resumed run would need to restore,
    and the data are the same for any number of workers and training processes (with the same
    global batch).

    Args:
        dataset: The dataset.
        shuffle: Whether to shuffle it.
        seed: Seed of the order; by default one shared by all processes.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        super().__init__(dataset, shuffle, seed)
        self.indices = self._draws(self.indices, 0)

    def skip(self, num_samples: int) -> None:
        """Skips the first draws of this process, see mmengine."""
        super().skip(num_samples)
        self.indices = self._draws(self.indices, num_samples)

    def _draws(self, indices: Iterable[int], first: int) -> Iterator[Draw]:
        for number, index in enumerate(indices, first):
            yield Draw(index, (self.seed, self.rank + number * self.world_size))
