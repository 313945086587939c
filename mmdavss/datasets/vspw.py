"""VSPW (Miao et al., A Large-scale Dataset for Video Scene Parsing in the Wild, CVPR 2021)."""

from __future__ import annotations

import os.path as osp

from mmseg.registry import DATASETS

from .clip import ClipSegDataset, Sequences
from .label_maps import VSPW_124

SPLITS = ('train', 'val', 'test')


@DATASETS.register_module()
class VSPWDataset(ClipSegDataset):
    """VSPW, videos of any scene in which every frame has a label, with its 124 classes.

    Files: ``{split}.txt`` with one name of a video per line, ``data/VIDEO/origin/NNNNNNNN.jpg`` and
    ``data/VIDEO/mask/NNNNNNNN.png``; the layout of the whole release and of its 480p version.

    Frames are numbered by their position in the video, so `frame_distance` counts frames.

    Args:
        data_root: Folder with ``data`` and the lists of videos.
        split: ``train``, ``val`` or ``test``; use test with ``with_labels=False``, unless you have
            its masks.
        kwargs: Passed to :class:`ClipSegDataset`.

    Raises:
        FileNotFoundError: As in the base class, and if the list or a video of it is missing.
        ValueError: As in the base class.
    """

    LABELLED_FRAMES = 'all'
    METAINFO = VSPW_124.metainfo
    DOCS = 'VSPW'
    LAYOUT = '{train,val,test}.txt, data/VIDEO/origin/NNNNNNNN.jpg and data/VIDEO/mask/NNNNNNNN.png'

    def __init__(self, data_root: str, split: str = 'train', **kwargs) -> None:
        self.check_split(split, SPLITS)
        self.split = split
        super().__init__(data_root=data_root, labels=VSPW_124, **kwargs)

    def scan(self) -> Sequences:
        """Frames of the videos of the list."""
        for name in ('data', f'{self.split}.txt'):
            path = osp.join(self.data_root, name)
            if not osp.exists(path):
                raise self.not_the_data_set(f'{path} does not exist')
        found: Sequences = {}
        for video in self._listed_sequences(f'{self.split}.txt'):
            images = self.list_images(self._folder(video, 'origin'), r'(\d+)\.(?:jpg|png)')
            paths = sorted(images, key=lambda image: int(image[0][1]))
            found[video] = {i: path for i, (_, path) in enumerate(paths)}
        return found

    def _folder(self, video: str, kind: str) -> str:
        return osp.join(self.data_root, 'data', video, kind)

    def label_path(self, sequence: str, number: int, image: str) -> str:
        return osp.join(self._folder(sequence, 'mask'), f'{self.frame_name(image)}.png')
