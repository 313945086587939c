"""Cityscapes as single images (Cordts et al., CVPR 2016)."""

from __future__ import annotations

import os.path as osp

from mmseg.registry import DATASETS

from .image import ImageSegDataset
from .label_maps import CITYSCAPES_19


@DATASETS.register_module()
class CityscapesImageDataset(ImageSegDataset):
    """Cityscapes with its 19 classes.

    Files: ``leftImg8bit/{split}/CITY/NAME_leftImg8bit.png`` and
    ``gtFine/{split}/CITY/NAME_gtFine_labelIds.png``.

    Args:
        data_root: Folder with ``leftImg8bit`` and ``gtFine``.
        split: ``train``, ``val`` or ``test``.
        image_folder: ``leftImg8bit``, or ``leftImg8bit_sequence`` where only the video snippets
            exist; their annotated frames are used, even without labels.
        kwargs: Passed to :class:`ImageSegDataset`.
    """

    METAINFO = CITYSCAPES_19.metainfo
    DOCS = 'Cityscapes'
    LAYOUT = (
        'leftImg8bit/{train,val}/CITY/CITY_SSSSSS_FFFFFF_leftImg8bit.png and '
        'gtFine/{train,val}/CITY/CITY_SSSSSS_FFFFFF_gtFine_labelIds.png'
    )
    IMAGES = r'.+_leftImg8bit\.png'
    UNLABELLED_FRAMES = 'annotated'
    NAME_TAILS = ('_leftImg8bit', '_gtFine_labelIds')

    def __init__(
        self, data_root: str, split: str = 'train', image_folder: str = 'leftImg8bit', **kwargs
    ) -> None:
        self.check_split(
            split,
            ('train', 'val', 'test', 'train_extra'),
            ('test',),
            kwargs.get('with_labels', True),
        )
        self.split = split
        self.image_folder = image_folder
        super().__init__(data_root=data_root, labels=CITYSCAPES_19, **kwargs)

    def folders(self) -> list[str]:
        return self.subfolders(osp.join(self.data_root, self.image_folder, self.split))

    def label_path(self, sequence: str, number: int, image: str) -> str:
        city = osp.basename(osp.dirname(image))
        return osp.join(
            self.data_root, 'gtFine', self.split, city, f'{sequence}_gtFine_labelIds.png'
        )
