"""KITTI-STEP (Weber et al., STEP: Segmenting and Tracking Every Pixel, NeurIPS 2021)."""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence

from mmseg.registry import DATASETS

from .clip import ClipSegDataset, Sequences
from .label_maps import KITTI_STEP_19

SPLITS = ('train', 'val', 'test')
#: Classes whose objects have numbers.
THINGS = ('person', 'car')


@DATASETS.register_module()
class KITTISTEPDataset(ClipSegDataset):
    """KITTI-STEP, drives in which every frame has a label, with the 19 classes of Cityscapes.

    Files: ``images/{split}/SSSS/FFFFFF.png`` and ``panoptic_maps/{split}/SSSS/FFFFFF.png``, which
    holds the train id of Cityscapes in red, and in green and blue the number of the person or car,
    which :class:`LoadTracks` reads for :class:`STQMetric`. The labels of test are not public: use
    it with ``with_labels=False``.

    ``metainfo['thing_classes']`` names the classes that are tracked.

    Args:
        data_root: Folder with ``images`` and ``panoptic_maps``.
        split: ``train`` (12 sequences), ``val`` (9) or ``test`` (29).
        metainfo: As in :class:`ClipSegDataset`.
        kwargs: Passed to :class:`ClipSegDataset`.

    Raises:
        FileNotFoundError: As in the base class.
        ValueError: As in the base class, and if test is to be read with labels.
    """

    LABELLED_FRAMES = 'all'
    METAINFO = {**KITTI_STEP_19.metainfo, 'thing_classes': THINGS}
    DOCS = 'KITTI-STEP'
    LAYOUT = 'images/{train,val,test}/SSSS/FFFFFF.png and panoptic_maps/{train,val}/SSSS/FFFFFF.png'

    def __init__(
        self, data_root: str, split: str = 'train', metainfo: dict | None = None, **kwargs
    ) -> None:
        self.check_split(split, SPLITS, ('test',), kwargs.get('with_labels', True))
        self.split = split
        metainfo = dict(metainfo or {})
        classes: Sequence[str] = metainfo.get('classes', KITTI_STEP_19.classes)
        metainfo.setdefault('thing_classes', tuple(name for name in THINGS if name in classes))
        super().__init__(data_root=data_root, labels=KITTI_STEP_19, metainfo=metainfo, **kwargs)

    def scan(self) -> Sequences:
        """Frames of every sequence folder."""
        images = osp.join(self.data_root, 'images', self.split)
        return {
            sequence: {
                int(match[1]): path
                for match, path in self.list_images(osp.join(images, sequence), r'(\d+)\.png')
            }
            for sequence in self.list_folders(images)
            if sequence.isdigit()
        }

    def image_path(self, sequence: str, number: int) -> str:
        return osp.join(self.data_root, 'images', self.split, sequence, f'{number:06d}.png')

    def label_path(self, sequence: str, number: int, image: str) -> str:
        return osp.join(self.data_root, 'panoptic_maps', self.split, sequence, f'{number:06d}.png')
