"""Easy and hard frames of the target, by the entropy of their predictions (IntraDA).

Pan et al., *Unsupervised Intra-domain Adaptation for Semantic Segmentation through
Self-Supervision*, CVPR 2020.
"""

from __future__ import annotations

import os.path as osp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from mmdavss.datasets.label_folder import mask_labels
from mmdavss.datasets.transforms.loading import read_label
from mmdavss.modules import normalised_entropy
from mmdavss.utils.errors import UserError, number_of
from mmdavss.utils.files import replace_file

from .folder import EASY, HARD

KEY = 'pseudo_label_generator.split'
UNITS = ('frame', 'sequence')


def frame_entropy(probabilities: Tensor) -> float:
    """Mean over classes and pixels of the weighted self-information, r(x) of IntraDA.

    It is the mean of the normalised entropy, divided by the number of classes.

    Args:
        probabilities: (K, H, W).
    """
    return float(normalised_entropy(probabilities[None]).mean()) / len(probabilities)


@dataclass(frozen=True)
class EntropySplit:
    """Splits frames into those with little entropy, easy, and the others, hard.

    Args:
        easy: Share of the easy frames, lambda: the int(N * easy) with the least entropy.
        per: ``frame``: each frame for itself, as published; ``sequence``: all frames of a sequence
            are easy or hard, by their mean, so that clips have no hard neighbours.
        rare_classes: Names of classes that make a frame count as easier: with c of these R classes
            in its labels its entropy is multiplied by (R - c) / R + 0.5, the option ``--normalize``
            of the release. None for no such factor.

    Raises:
        ValueError: If an option has an invalid value.
    """

    easy: float = 0.67
    per: str = 'frame'
    rare_classes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.easy < 1:
            raise ValueError(
                f'{KEY}.easy={self.easy} must be between 0 and 1: the easy or the hard split '
                'would be empty.'
            )
        if self.per not in UNITS:
            raise ValueError(f'{KEY}.per={self.per!r} is not one of {UNITS}.')
        if self.rare_classes is not None and not self.rare_classes:
            raise ValueError(f'{KEY}.rare_classes is empty: name classes, or set it to None.')

    def lists(
        self, entropies: Mapping[str, float], rare: Mapping[str, int] | None = None
    ) -> tuple[list[str], list[str]]:
        """Easy and hard frames, those with the least entropy first.

        Args:
            entropies: :func:`frame_entropy` of each frame, by its mask.
            rare: Number of rare classes in each frame; None for no factor.

        Raises:
            UserError: If one of the lists would be empty.
        """
        values = dict(entropies)
        if rare is not None:
            assert self.rare_classes is not None
            count = len(self.rare_classes)
            values = {
                mask: value * ((count - rare[mask]) / count + 0.5) for mask, value in values.items()
            }
        units: dict[str, list[str]] = {}
        for mask in values:
            units.setdefault(mask if self.per == 'frame' else osp.dirname(mask), []).append(mask)
        means = {name: np.mean([values[mask] for mask in masks]) for name, masks in units.items()}
        ranked = sorted(means, key=means.__getitem__)  # of equal ones the first stays the first
        first = int(len(ranked) * self.easy)
        for name, part in (('easy', ranked[:first]), ('hard', ranked[first:])):
            if not part:
                raise UserError(
                    f'{KEY}.easy={self.easy} of {number_of(len(ranked), self.per)} leaves no '
                    f'{name} one: change easy or per, or take more target data'
                )
        return (
            [mask for name in ranked[:first] for mask in units[name]],
            [mask for name in ranked[first:] for mask in units[name]],
        )

    def write(self, folder: str, state: Mapping[str, Any]) -> tuple[int, int]:
        """Writes ``easy.txt`` and ``hard.txt`` into a folder of pseudo-labels of all pixels.

        Data sets read them (``frame_list``).

        Args:
            folder: The folder.
            state: Content of its ``pseudo_labels.json``, with ``entropies``.

        Returns:
            Number of easy and of hard frames.

        Raises:
            UserError: If a list would be empty, there is no such class, or the entropies are
                missing.
        """
        if 'entropies' not in state:
            raise UserError(
                f'{folder} was made without entropies, from which frames are split: make the '
                'pseudo-labels anew with --overwrite'
            )
        rare = None
        if self.rare_classes is not None:
            unknown = [name for name in self.rare_classes if name not in state['classes']]
            if unknown:
                raise UserError(
                    f'{KEY}.rare_classes: there is no class {unknown[0]!r}, only '
                    f'{", ".join(state["classes"])}'
                )
            labels = mask_labels(state['classes'])
            indices = [state['classes'].index(name) for name in self.rare_classes]
            rare = {
                mask: int(np.isin(indices, read_label(osp.join(folder, mask), labels)).sum())
                for mask in state['entropies']
            }
        lists = self.lists(state['entropies'], rare)
        for name, masks in zip((EASY, HARD), lists, strict=True):
            text = ''.join(f'{mask.removesuffix(".png")}\n' for mask in masks)
            replace_file(osp.join(folder, name), text.encode())
        return len(lists[0]), len(lists[1])
