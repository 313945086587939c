"""SYNTHIA-RAND-CITYSCAPES (Ros et al., The SYNTHIA dataset, CVPR 2016)."""

from __future__ import annotations

import os.path as osp

from mmseg.registry import DATASETS

from .image import ImageSegDataset
from .label_maps import SYNTHIA_RAND_19


@DATASETS.register_module()
class SynthiaDataset(ImageSegDataset):
    """SYNTHIA-RAND-CITYSCAPES with the classes of Cityscapes, 16 of which occur.

    Files: ``RGB/0000000.png`` and ``GT/LABELS/0000000.png``, a 16-bit image with the id in the red
    channel. As published, all 19 classes are trained, and 16 or 13 of them are scored; `metainfo`
    can select fewer.

    Args:
        data_root: Folder with ``RGB`` and ``GT``.
        kwargs: Passed to :class:`ImageSegDataset`.
    """

    METAINFO = SYNTHIA_RAND_19.metainfo
    DOCS = 'SYNTHIA-RAND-CITYSCAPES'
    LAYOUT = 'RGB/NNNNNNN.png and GT/LABELS/NNNNNNN.png'
    IMAGES = r'\d+\.png'

    def __init__(self, data_root: str, **kwargs) -> None:
        super().__init__(data_root=data_root, labels=SYNTHIA_RAND_19, **kwargs)

    def folders(self) -> list[str]:
        return [osp.join(self.data_root, 'RGB')]

    def label_path(self, sequence: str, number: int, image: str) -> str:
        return osp.join(self.data_root, 'GT', 'LABELS', osp.basename(image))
