"""GTAV (Richter et al., Playing for Data, ECCV 2016)."""

from __future__ import annotations

import os.path as osp

from mmseg.registry import DATASETS

from .image import ImageSegDataset
from .label_maps import GTA_19


@DATASETS.register_module()
class GTADataset(ImageSegDataset):
    """GTAV with the 19 classes of Cityscapes.

    Files: ``images/00001.png`` and ``labels/00001.png``. The masks are palette images, whose
    indices are the label ids of Cityscapes. Converted masks beside them
    (``00001_labelTrainIds.png``) are not read.

    Args:
        data_root: Folder with ``images`` and ``labels``.
        kwargs: Passed to :class:`ImageSegDataset`.
    """

    METAINFO = GTA_19.metainfo
    DOCS = 'GTAV'
    LAYOUT = 'images/NNNNN.png and labels/NNNNN.png'
    IMAGES = r'\d+\.png'

    def __init__(self, data_root: str, **kwargs) -> None:
        super().__init__(data_root=data_root, labels=GTA_19, **kwargs)

    def folders(self) -> list[str]:
        return [osp.join(self.data_root, 'images')]

    def label_path(self, sequence: str, number: int, image: str) -> str:
        return osp.join(self.data_root, 'labels', osp.basename(image))
