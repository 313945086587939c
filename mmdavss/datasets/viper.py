"""VIPER (Richter et al., Playing for Benchmarks, ICCV 2017)."""

from __future__ import annotations

import os.path as osp
from dataclasses import replace

from mmseg.registry import DATASETS

from .clip import ClipSegDataset, Sequences
from .label_maps import VIPER_15


@DATASETS.register_module()
class ViperSeqDataset(ClipSegDataset):
    """VIPER with the 15 classes of DA-VSN, TPS and SFC.

    Files: ``{split}/img/001/001_00001.jpg`` (or ``.png``) and ``{split}/cls/001/001_00001.png``;
    frame numbers are those of the video.

    Args:
        data_root: Folder with ``train`` and ``val``.
        split: ``train`` or ``val``.
        ignore_ego_vehicle: Whether to ignore the ego vehicle (labelled as a car): the region of id
            24 at the middle of the bottom row.
        kwargs: Passed to :class:`ClipSegDataset`. Papers use all frames, or every tenth
            (``annotated='*0'``).
    """

    METAINFO = VIPER_15.metainfo
    DOCS = 'VIPER'
    UNIQUE_NAMES = True
    LAYOUT = '{train,val}/img/NNN/NNN_FFFFF.jpg and {train,val}/cls/NNN/NNN_FFFFF.png'

    def __init__(
        self, data_root: str, split: str = 'train', ignore_ego_vehicle: bool = True, **kwargs
    ) -> None:
        self.split = split
        labels = VIPER_15 if ignore_ego_vehicle else replace(VIPER_15, ego_id=None)
        super().__init__(data_root=data_root, labels=labels, **kwargs)

    def scan(self) -> Sequences:
        """Frames of every sequence folder."""
        images = osp.join(self.data_root, self.split, 'img')
        return {
            sequence: {
                int(match[1]): path
                for match, path in self.list_images(
                    osp.join(images, sequence), rf'{sequence}_(\d+)\.(?:jpg|png)'
                )
            }
            for sequence in self.list_folders(images)
            if sequence.isdigit()
        }

    def image_path(self, sequence: str, number: int) -> str:
        return osp.join(self.data_root, self.split, 'img', sequence, f'{sequence}_{number:05d}.jpg')

    def label_path(self, sequence: str, number: int, image: str) -> str:
        return osp.join(self.data_root, self.split, 'cls', sequence, f'{sequence}_{number:05d}.png')
