"""Source and target clips in one item."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from mmdavss.utils.randomness import randomness_of

from .rare_class import RareClassSampler
from .rare_patches import RarePatches
from .sampling import Draw

#: Largest number of pairs: keeps a sampler's permutation within tens of megabytes.
MAX_PAIRS = 1 << 20


@DATASETS.register_module()
class DomainPairDataset(Dataset):
    """Labelled source and unlabelled target, drawn independently of each other.

    An item is ``dict(inputs=dict(source=..., target=...), data_samples=dict(source=...,
    target=...))``; with a single branch, it has only that key. Use ``source=None`` for source-free
    adaptation and ``target=None`` for training on the source alone.

    With both branches, an index stands for a pair: source clip ``index % len(source)`` and a
    target clip drawn by a generator seeded with (`seed`, `index`). There are as many pairs as
    source and target clips can form, but at most 2**20 (rounded down to whole rounds of the
    source), so a shuffling sampler (:class:`DrawSampler`) keeps pairing each source clip with new
    target clips. An item's pair depends only on its index, and the sampler's order only on its
    seed: the draws are the same for any number of workers, the global order for any number of
    ranks.

    If the index is a :class:`Draw`, random numbers inside the transforms depend only on the draw:
    they are the same in a resumed run and for any number of workers and ranks. With a plain index
    they come from the state of the process that loads the item.

    With one branch, the index is that of its clip.

    With rare-class sampling, the source clip is also drawn from (`seed`, `index`), by
    :class:`RareClassSampler`. Its transforms find the class that it was drawn for in
    ``rare_class`` (:class:`ClipCrop` can keep it in view).

    Args:
        source: Data set or its config, or None.
        target: Data set or its config, or None.
        seed: Seed of the draws.
        rare_class_sampling: ``statistics`` (file), ``temperature`` and ``min_pixels`` of
            :class:`RareClassSampler`, or None to disable it. Without a source it has no effect.
        source_portion: Share of the source clips that take part, between 0 and 1 (CBST); None for
            all. The subset is drawn with `portion_seed`: with the same seed a larger one contains
            a smaller one.
        portion_seed: Seed of this draw.
        rare_patches: Arguments of :class:`RarePatches`, which adds images of rare classes to the
            source clips; None for none. Without a source it has no effect.

    Raises:
        FileNotFoundError: If the file with the class statistics does not exist.
        ValueError: If there is no branch, a branch is empty, the portion leaves none or all of the
            source, the classes differ, the class statistics do not belong to the source, or clips
            are to be chosen among several source data sets (ConcatDataset).
    """

    def __init__(
        self,
        source: dict | BaseDataset | None = None,
        target: dict | BaseDataset | None = None,
        seed: int = 0,
        rare_class_sampling: dict | None = None,
        source_portion: float | None = None,
        portion_seed: int = 0,
        rare_patches: dict | None = None,
    ) -> None:
        branches = dict(source=source, target=target)
        # Any: the methods of ClipSegDataset that are used here are not those of BaseDataset.
        self.branches: dict[str, Any] = {
            name: DATASETS.build(branch) if isinstance(branch, dict) else branch
            for name, branch in branches.items()
            if branch is not None
        }
        self.seed = seed
        if not self.branches:
            raise ValueError('DomainPairDataset: source and target are both None.')
        for name, branch in self.branches.items():
            if len(branch) == 0:
                raise ValueError(f'DomainPairDataset: the {name} data set is empty.')
        classes = {
            name: tuple(branch.metainfo['classes'])
            for name, branch in self.branches.items()
            if branch.metainfo.get('classes')
        }
        if len(set(classes.values())) > 1:
            raise ValueError(
                'DomainPairDataset: the branches have different classes: '
                f'{classes["source"]} of the source and {classes["target"]} of the target. '
                'Choose data sets or options (CityscapesSeqDataset: classes_from) with the same '
                'classes.'
            )
        # A target without classes (a user's own frames) uses those of the source.
        self._metainfo = self.branches[next(iter(classes or self.branches))].metainfo
        options = dict(
            source_portion=source_portion,
            rare_class_sampling=rare_class_sampling,
            rare_patches=rare_patches,
        )
        wanted = [name for name, value in options.items() if value is not None]
        if wanted and isinstance(self.branches.get('source'), ConcatDataset | RepeatDataset):
            raise ValueError(
                f'DomainPairDataset: {wanted[0]} chooses among the clips of one source data set, '
                f'which {type(self.branches["source"]).__name__} is not: set {wanted[0]}=None, or '
                'train on one data set.'
            )
        if source_portion is not None and 'source' in self.branches:
            self._take_portion(source_portion, portion_seed)
        self.rare_classes = None
        if rare_class_sampling is not None and 'source' in self.branches:
            self.rare_classes = RareClassSampler(self.branches['source'], **rare_class_sampling)
        self.rare_patches = None
        if rare_patches is not None and 'source' in self.branches:
            self.rare_patches = RarePatches(self.branches['source'], **rare_patches)
        sizes = [len(branch) for branch in self.branches.values()]
        if len(sizes) == 2:
            rounds = max(1, min(sizes[1], MAX_PAIRS // sizes[0]))
        else:
            rounds = 1 if self.rare_classes is None else max(1, MAX_PAIRS // sizes[0])
        self._length = sizes[0] * rounds

    def _take_portion(self, portion: float, seed: int) -> None:
        """Leaves a drawn subset of the source clips."""
        source = self.branches['source']
        if not 0 < portion < 1:
            raise ValueError(
                f'DomainPairDataset: source_portion={portion} must be between 0 and 1 (None for '
                'all of the source, source=None for none of it).'
            )
        count = int(len(source) * portion)
        if not count:
            raise ValueError(
                f'DomainPairDataset: source_portion={portion} of {len(source)} source clips leaves '
                'none: choose a larger portion.'
            )
        drawn = np.random.default_rng(seed).permutation(len(source))[:count]
        source.get_subset_(sorted(drawn.tolist()))

    @property
    def metainfo(self) -> dict:
        """Metainfo shared by the branches."""
        return self._metainfo

    def __len__(self) -> int:
        """Number of clips, or number of pairs with two branches."""
        return self._length

    def indices(self, index: int) -> dict[str, int]:
        """Index of the clip of each branch that an index stands for."""
        return self._draw(index)[0]

    def _draw(self, index: int) -> tuple[dict[str, int], int | None]:
        """Same as :meth:`indices`, plus the class that the source clip was drawn for."""
        if not -len(self) <= index < len(self):
            raise IndexError(f'DomainPairDataset: index {index} of {len(self)}.')
        index %= len(self)
        generator = np.random.default_rng((self.seed, index))
        names = tuple(self.branches)
        drawn = {names[0]: index % len(self.branches[names[0]])}
        for name in names[1:]:
            drawn[name] = int(generator.integers(len(self.branches[name])))
        if self.rare_classes is None:
            return drawn, None
        drawn['source'], rare_class = self.rare_classes.draw(generator)
        return drawn, rare_class

    def __getitem__(self, index: int) -> dict:
        """The packed clips of all branches.

        Raises:
            KeyError: If the pipeline of one does not pack them.
        """
        with randomness_of(*index.position) if isinstance(index, Draw) else nullcontext():
            return self._item(index)

    def _item(self, index: int) -> dict:
        drawn, rare_class = self._draw(index)
        items = {
            name: self.branches[name][i]
            if rare_class is None or name != 'source'
            else self.branches[name].prepare_data(i, rare_class)
            for name, i in drawn.items()
        }
        for name, item in items.items():
            if 'inputs' not in item:
                raise KeyError(
                    f'The clips of the {name} come without "inputs": the pipeline of '
                    f'train_dataloader.dataset.{name} must end with PackClipInputs.'
                )
        if self.rare_patches is not None:
            self.rare_patches.add(items['source'])
        return {
            key: {name: item[key] for name, item in items.items()}
            for key in ('inputs', 'data_samples')
        }
