"""Data sets of single images, treated as clips."""

from __future__ import annotations

import os.path as osp

from mmdavss.utils.errors import InputError

from .clip import ClipSegDataset, Sequences
from .label_maps import LabelSet


class ImageSegDataset(ClipSegDataset):
    """Base of the image data sets: an item is a clip of one frame.

    The same transforms, video nets and methods can therefore use them. Every image is a sequence
    of its own: with a longer `clip_length` it is repeated, as if the camera stood still.

    Args:
        data_root: Folder of the data set, in its official layout.
        labels: How labels are stored and which classes they become.
        clip_length: Frames of a clip, T.
        kwargs: Passed to :class:`ClipSegDataset`.
    """

    #: Regular expression for the names of image files.
    IMAGES: str = r'.+\.png'
    UNIQUE_NAMES = True

    def __init__(self, data_root: str, labels: LabelSet, clip_length: int = 1, **kwargs) -> None:
        super().__init__(data_root=data_root, labels=labels, clip_length=clip_length, **kwargs)

    def folders(self) -> list[str]:
        """Folders that contain images."""
        raise NotImplementedError

    def scan(self) -> Sequences:
        """Every image, keyed by its name without folder and suffix.

        Raises:
            InputError: If two folders have images of the same name.
        """
        found: Sequences = {}
        for folder in self.folders():
            for _, path in self.list_images(folder, self.IMAGES):
                first = found.setdefault(self.frame_name(path), {0: path})[0]
                if first != path:
                    raise InputError(
                        f'{type(self).__name__}: {first} and {path} are two images of the same '
                        'name, which would be one: move or rename one of them.'
                    )
        return found

    def subfolders(self, folder: str) -> list[str]:
        """Paths of the folders in a folder.

        Raises:
            FileNotFoundError: If the folder does not exist.
        """
        return [osp.join(folder, name) for name in self.list_folders(folder)]
