"""Rare-class sampling: source clips are drawn by the classes that they contain.

DAFormer (Hoyer et al., CVPR 2022), equations 5 and 6; SePiCo adopts it (section 3.4.1).
"""

from __future__ import annotations

import json
import os
import os.path as osp
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from mmdavss.utils.errors import InputError
from mmdavss.utils.files import replace_file
from mmdavss.utils.inputs import read_json

from .clip import ClipSegDataset
from .label_folder import are_counts, are_names
from .label_maps import LabelSet
from .transforms.loading import read_label

KIND = 'mmdavss class statistics'


def class_probabilities(
    pixels: Sequence[int] | np.ndarray, temperature: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """Probability of drawing each class: softmax((1 - frequency) / temperature).

    Args:
        pixels: (C,), pixels of each class in all images.
        temperature: Smaller values draw rare classes more often.

    Returns:
        The classes that occur, the rarest first, and their probabilities; (K,) each.
    """
    pixels = np.asarray(pixels, np.float64)
    order = np.argsort(pixels, kind='stable')
    order = order[pixels[order] > 0]
    exponent = -pixels[order] / max(pixels.sum(), 1) / temperature
    weight = np.exp(exponent - exponent.max(initial=-np.inf))
    return order, weight / weight.sum()


def count_pixels(path: str, labels: LabelSet) -> list[int]:
    """Pixels of each class in a label file, at the file's own resolution.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken or has ids that are not official.
    """
    label = read_label(path, labels)
    return np.bincount(label.ravel(), minlength=256)[: len(labels.classes)].tolist()


def label_files(dataset: ClipSegDataset) -> dict[str, str]:
    """Label files of the current frames, as ``{path relative to data_root: path}``.

    Raises:
        ValueError: If the data set is used without labels.
    """
    return {name: path for name, (path, _) in label_sets(dataset).items()}


def label_sets(dataset: ClipSegDataset) -> dict[str, tuple[str, LabelSet]]:
    """:func:`label_files`, each path with how the file stores its labels.

    Labels of segments have a set for each image, which is not that of the data set.
    """
    found = {}
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        path = info['seg_map_path']
        if path is None:
            raise ValueError(
                f'Class statistics: {type(dataset).__name__} in {dataset.data_root!r} '
                'has no labels (with_labels=False).'
            )
        name = osp.relpath(path, dataset.data_root).replace(osp.sep, '/')
        found[name] = path, info['label_spec']
    return found


def write_statistics(file: str, classes: Sequence[str], pixels: dict[str, list[int]]) -> None:
    """Writes class statistics.

    Args:
        file: Output file; replaced as a whole, so that an interrupted run leaves nothing broken.
        classes: Names of the classes.
        pixels: Pixels of each class for each label file, named as in :func:`label_files`.
    """
    os.makedirs(osp.dirname(file) or '.', exist_ok=True)
    rows = ',\n'.join(f'{json.dumps(name)}: {row}' for name, row in pixels.items())
    text = (
        f'{{"kind": "{KIND}",\n"classes": {json.dumps(list(classes))},\n'
        f'"pixels": {{\n{rows}\n}}}}\n'
    )
    replace_file(file, text.encode())


def read_statistics(
    file: str, dataset: ClipSegDataset, option: str = 'rare_class_sampling.statistics'
) -> np.ndarray:
    """Reads class statistics.

    Args:
        file: File written by :func:`write_statistics`.
        dataset: Data set that the statistics describe.
        option: Name of the option that names the file, for the message.

    Returns:
        (len(dataset), C), int64: pixels of each class in the label of each clip.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has other content, or belongs to another data set.
    """
    advice = f'Make it with: python tools/class_statistics.py CONFIG --out {file}'
    if not osp.isfile(file):
        raise FileNotFoundError(
            f'{file}: these class statistics ({option}) do not exist. '
            f'{advice} (CONFIG is the config of the training).'
        )
    advice = f'{advice} --overwrite'
    content = read_json(file, 'class statistics', advice)
    if not isinstance(content, dict) or content.get('kind') != KIND:
        raise InputError(f'{file} holds no class statistics. {advice}')
    classes: Any = content.get('classes')
    pixels: Any = content.get('pixels')
    if not are_names(classes) or not isinstance(pixels, dict):
        raise InputError(
            f'{file} holds no class statistics: classes must be a list of names, '
            f'pixels must have counts for each label. {advice}'
        )
    if classes != list(dataset.metainfo['classes']):
        raise InputError(
            f'{file} is for the classes {tuple(classes)}, the source has '
            f'{tuple(dataset.metainfo["classes"])}. {advice}'
        )
    names = label_files(dataset)
    missing = [name for name in names if name not in pixels]
    if missing:
        raise InputError(
            f'{file} belongs to another data set: it lacks {len(missing)} of the '
            f'{len(names)} labels below {dataset.data_root!r}, for example {missing[0]!r}. {advice}'
        )
    wrong = [name for name in names if not are_counts(pixels[name], len(classes))]
    if wrong:
        raise InputError(
            f'{file}: {wrong[0]!r} must have {len(classes)} numbers of pixels, not '
            f'{str(pixels[wrong[0]])[:60]}. {advice}'
        )
    return np.array([pixels[name] for name in names], np.int64)


class RareClassSampler:
    """Draws a class by its rarity, then a clip whose label contains it.

    A class that never has more than `min_pixels` in a label is never drawn.

    Args:
        dataset: Source data set.
        statistics: File with its class statistics, from ``tools/class_statistics.py``.
        temperature: Passed to :func:`class_probabilities`.
        min_pixels: A clip counts for a class if its label file has more pixels of it than this.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file does not fit, or no label has more than `min_pixels` of any class.
    """

    def __init__(
        self,
        dataset: ClipSegDataset,
        statistics: str,
        temperature: float = 0.01,
        min_pixels: int = 3000,
    ) -> None:
        if temperature <= 0:
            raise ValueError(f'rare_class_sampling: temperature={temperature} must be above 0.')
        if min_pixels < 0:
            raise ValueError(f'rare_class_sampling: min_pixels={min_pixels} must be 0 or more.')
        pixels = read_statistics(statistics, dataset)
        classes, probabilities = class_probabilities(pixels.sum(0), temperature)
        clips = [np.flatnonzero(pixels[:, c] > min_pixels) for c in classes]
        kept = np.array([len(holders) > 0 for holders in clips], bool)
        if not kept.any():
            raise ValueError(
                f'rare_class_sampling: no label has more than min_pixels={min_pixels} of any class '
                f'({statistics}). The most is {pixels.max(initial=0)}.'
            )
        if not kept.all():
            names = [dataset.metainfo['classes'][c] for c in classes[~kept]]
            print_log(
                f'Rare-class sampling never draws {names}: no label has more than '
                f'{min_pixels} pixels of them.',
                'current',
            )
        self.classes = classes[kept]
        self.probabilities = probabilities[kept] / probabilities[kept].sum()
        self.clips = [holders for holders, keep in zip(clips, kept, strict=True) if keep]

    def draw(self, generator: np.random.Generator) -> tuple[int, int]:
        """Draws the index of a clip, and the class that it was drawn for."""
        k = generator.choice(len(self.classes), p=self.probabilities)
        return int(generator.choice(self.clips[k])), int(self.classes[k])
