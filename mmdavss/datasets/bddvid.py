"""BDDVid: video clips of BDD100K with one labelled frame (Kareer et al., TMLR 2024)."""

from __future__ import annotations

import os.path as osp
from dataclasses import replace

from mmseg.registry import DATASETS

from .clip import ClipSegDataset, Sequences
from .label_maps import CITYSCAPES_12, CITYSCAPES_15, CLASSES_19, DARK_ZURICH_19, LabelSet

#: Number of the labelled frame of a video, from 0: ten seconds from the beginning.
LABELLED = 307
#: Frames of each clip.
FRAMES = range(LABELLED - 4, LABELLED + 5)
SPLITS = ('train', 'val', 'train_orig_10k', 'val_orig_10k')


def _in_classes_of(labels: LabelSet) -> LabelSet:
    """The train ids of Cityscapes, in other classes; a class that is not among them is ignored."""
    train_ids = {CLASSES_19.index(name): k for k, name in enumerate(labels.classes)}
    return replace(
        DARK_ZURICH_19,
        name='BDDVid',
        classes=labels.classes,
        palette=labels.palette,
        train_ids=train_ids,
    )


LABEL_SETS = {
    'gta': replace(DARK_ZURICH_19, name='BDDVid'),
    'viper': _in_classes_of(CITYSCAPES_15),
    'synthia': _in_classes_of(CITYSCAPES_12),
}


@DATASETS.register_module()
class BDDVidDataset(ClipSegDataset):
    """BDDVid: clips of 9 frames of BDD100K's videos, the fifth of which (number 307) has a label.

    Files, made by ``tools/make_bddvid.py`` or by the scripts of UnifiedVideoDA: ``{split}/images/
    VIDEO_NNN.jpg``, the frames 303 to 311, and ``{train,val}/labels/VIDEO_307.png``, which holds
    the train ids of Cityscapes.

    The labels belong to images of BDD10K, which are not always exactly frame 307 of their videos.
    In the splits ``*_orig_10k``, that image is frame 307: UnifiedVideoDA adapts to ``train``,
    always scores ``val_orig_10k``, and trains its oracle on ``train_orig_10k``.

    Args:
        data_root: Folder with the splits.
        split: ``train``, ``val``, ``train_orig_10k`` or ``val_orig_10k``.
        classes_from: Source data set that decides the classes: ``gta`` (the 19 of Cityscapes),
            ``viper`` (15; rider is ignored, as published, and does not join person) or ``synthia``
            (12, of which 11 are reported).
        clip_length: Frames of a clip, T.
        frame_distance: From one frame of a clip to the next; 2 as published.
        annotated: Pattern for the names of the current frames, see :class:`ClipSegDataset`.
        kwargs: Passed to :class:`ClipSegDataset`.

    Raises:
        FileNotFoundError: As in the base class.
        ValueError: As in the base class.
    """

    METAINFO = LABEL_SETS['gta'].metainfo
    DOCS = 'BDDVid'
    LAYOUT = '{train,val_orig_10k}/images/VIDEO_307.jpg and {train,val}/labels/VIDEO_307.png'
    UNLABELLED_FRAMES = 'annotated'
    UNIQUE_NAMES = True

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        classes_from: str = 'gta',
        clip_length: int = 2,
        frame_distance: int = 2,
        annotated: str = f'*_{LABELLED}',
        **kwargs,
    ) -> None:
        self.check_split(split, SPLITS)
        if classes_from not in LABEL_SETS:
            raise ValueError(
                f'BDDVidDataset: classes_from={classes_from!r} is not one of {tuple(LABEL_SETS)}.'
            )
        self.split = split
        super().__init__(
            data_root=data_root,
            labels=LABEL_SETS[classes_from],
            clip_length=clip_length,
            frame_distance=frame_distance,
            annotated=annotated,
            **kwargs,
        )

    def scan(self) -> Sequences:
        """Frames of every video, which gives its clip the name."""
        found: Sequences = {}
        folder = osp.join(self.data_root, self.split, 'images')
        for match, path in self.list_images(folder, r'(.+)_(\d+)\.jpg'):
            found.setdefault(match[1], {})[int(match[2])] = path
        return found

    def _clips(self, found: Sequences, current: list[tuple[str, int]]) -> list[dict]:
        # Videos go on before the frames that were cut from them.
        reach = (self.clip_length - 1) * self.frame_distance
        for s, n in current if self.frames == 'annotated' else ():
            if n - reach < min(found[s]):
                raise ValueError(
                    f'BDDVidDataset: clip_length={self.clip_length}, frame_distance='
                    f'{self.frame_distance} need {self.image_path(s, n - reach)}, and the clips of '
                    f'BDDVid begin at frame {min(found[s])}: choose smaller ones.'
                )
        return super()._clips(found, current)

    def image_path(self, sequence: str, number: int) -> str:
        return osp.join(self.data_root, self.split, 'images', f'{sequence}_{number}.jpg')

    def label_path(self, sequence: str, number: int, image: str) -> str:
        name = f'{sequence}_{number}.png'
        own = osp.join(self.data_root, self.split, 'labels')
        if osp.isdir(own):
            return osp.join(own, name)
        return osp.join(self.data_root, self.split.removesuffix('_orig_10k'), 'labels', name)
