"""Patches of rare classes from other images of the source (QuadMix)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.structures import PixelData

from mmdavss.utils.errors import number_of

from .clip import ClipSegDataset
from .label_maps import IGNORE
from .rare_class import count_pixels, label_sets, read_statistics
from .transforms import LoadFlow

#: How often an image is redrawn whose crop has too few pixels of its class.
TRIES = 10


class RarePatches:
    """Draws a crop for a source clip, and images with rare classes cropped likewise.

    A few of the classes are drawn, and for each of them an image that has it; the image is drawn
    anew, up to ten times, until its crop has enough pixels. Images go through the transforms of the
    source, without flow.

    Args:
        dataset: Source data set.
        classes: The rare classes, as numbers.
        count: How many of them are drawn for each clip.
        size: (height, width) of the crops; clips that have this size are not cropped. In an image
            of another size than the clip's, the crop is moved as far as it would reach outside.
        rows: Smallest and largest first row of a crop, both inclusive; None for all that fit.
        columns: The same for its first column.
        min_pixels: An image serves for a class if it has more pixels of it than this, in its label
            file and in its crop: one number, or one for each class.
        statistics: File with the class statistics of the source, from
            ``tools/class_statistics.py``; None reads all labels when the data set is built, for
            small data sets.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an option has an invalid value, the file does not fit, or no image has one
            of the classes.
    """

    def __init__(
        self,
        dataset: ClipSegDataset,
        classes: Sequence[int],
        count: int,
        size: tuple[int, int],
        rows: tuple[int, int] | None = None,
        columns: tuple[int, int] | None = None,
        min_pixels: int | Sequence[int] = 5,
        statistics: str | None = None,
    ) -> None:
        names = dataset.metainfo['classes']
        self.classes = sorted(set(classes))
        if not self.classes or not 0 <= self.classes[0] <= self.classes[-1] < len(names):
            raise ValueError(
                f'rare_patches: classes={tuple(classes)} must be numbers of the {len(names)} '
                f'classes of the source, 0 to {len(names) - 1}.'
            )
        for name, limits in (('rows', rows), ('columns', columns)):
            if limits is not None and not 0 <= limits[0] <= limits[1]:
                raise ValueError(f'rare_patches: {name}={limits} must be 0 <= first <= last.')
        if not 1 <= count <= len(self.classes):
            raise ValueError(
                f'rare_patches: count={count} must be 1 to {len(self.classes)}, the number of '
                '`classes`.'
            )
        each = [min_pixels] * len(classes) if isinstance(min_pixels, int) else list(min_pixels)
        if len(each) != len(classes):
            raise ValueError(
                f'rare_patches: min_pixels has {number_of(len(each), "number")} for '
                f'{len(classes)} of `classes`: give one number, or one for each.'
            )
        if min(each) < 0:
            raise ValueError(f'rare_patches: min_pixels={min_pixels} must be 0 or more.')
        self.min_pixels = dict(zip(classes, each, strict=True))
        self.dataset = dataset
        self.count = count
        self.size = tuple(size)
        self.rows, self.columns = rows, columns
        transforms = dataset.pipeline.transforms
        self.pipeline = Compose([t for t in transforms if not isinstance(t, LoadFlow)])
        if statistics is None:
            files = label_sets(dataset).values()
            pixels = np.array([count_pixels(*file) for file in files], np.int64)
        else:
            pixels = read_statistics(statistics, dataset, 'rare_patches.statistics')
        self.images = {c: np.flatnonzero(pixels[:, c] > self.min_pixels[c]) for c in self.classes}
        missing = [c for c in self.classes if not len(self.images[c])]
        if missing:
            raise ValueError(
                f'rare_patches: no label of the {number_of(len(dataset), "image")} in '
                f'{dataset.data_root!r} has enough pixels of '
                f'{", ".join(repr(names[c]) for c in missing)}: take {missing} out of '
                '`rare_patches.classes` and of `model.rare_classes`.'
            )

    def add(self, item: dict) -> None:
        """Adds patches to a packed source clip.

        Random numbers are NumPy's, as those of the transforms.

        Args:
            item: ``inputs`` and ``data_samples`` of the clip. ``inputs['rare']`` (R, 3, h, w),
                uint8, BGR, are the images, ``gt_rare_seg`` (R, h, w) has the class of each at its
                pixels and 255 elsewhere, ``mix_box`` (y, x) is the first pixel of the crop.

        Raises:
            ValueError: If the clip or an image is smaller than the crop.
        """
        shape = item['inputs']['frames'].shape[-2:]
        top, left = (
            self._first(side, crop, limits)
            for side, crop, limits in zip(shape, self.size, (self.rows, self.columns), strict=True)
        )
        classes = sorted(np.random.choice(self.classes, self.count, replace=False).tolist())
        images, labels = zip(*(self._patch(c, top, left) for c in classes), strict=True)
        sample = item['data_samples']
        item['inputs']['rare'] = torch.stack(images)
        sample.gt_rare_seg = PixelData(data=torch.stack(labels))
        sample.set_metainfo(dict(mix_box=(top, left)))

    def _first(self, side: int, crop: int, limits: tuple[int, int] | None) -> int:
        """Draws the first row or column of a crop."""
        if side < crop:
            raise ValueError(
                f'rare_patches: size={self.size} exceeds the source clips, one of whose sides is '
                f'{side}: set it to the size of the target clips, and give the source that size '
                'or a larger one.'
            )
        low, high = (0, side - crop) if limits is None else limits
        return int(np.random.randint(min(low, side - crop), min(high, side - crop) + 1))

    def _patch(self, c: int, top: int, left: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Image (3, h, w) and label (h, w) of a patch of class c."""
        height, width = self.size
        for _ in range(TRIES):
            info: dict[str, Any] = self.dataset.get_data_info(int(np.random.choice(self.images[c])))
            info.update(frame_paths=info['frame_paths'][-1:], earlier_seg_map_paths=[])
            packed: Any = self.pipeline(info)
            label = packed['data_samples'].gt_sem_seg.data[0]
            rows, columns = label.shape
            if rows < height or columns < width:
                raise ValueError(
                    f'rare_patches: size={self.size} exceeds the image {info["img_path"]}, which '
                    f'the pipeline of the source makes {columns}x{rows}: lower it, give the source '
                    'a larger size, or leave the image out with a split file (ann_file).'
                )
            y, x = min(top, rows - height), min(left, columns - width)
            window = (..., slice(y, y + height), slice(x, x + width))
            label = label[window]
            own = label == c
            if own.sum() > self.min_pixels[c]:
                break
        image = packed['inputs']['frames'][-1][window]
        return image, torch.where(own, label, IGNORE)
