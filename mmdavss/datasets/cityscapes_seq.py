"""Cityscapes with its video snippets (Cordts et al., CVPR 2016)."""

from __future__ import annotations

import os.path as osp

from mmseg.registry import DATASETS

from .clip import ClipSegDataset, Sequences
from .label_maps import CITYSCAPES_12, CITYSCAPES_15, CITYSCAPES_19

LABEL_SETS = {'viper': CITYSCAPES_15, 'synthia': CITYSCAPES_12, 'gta': CITYSCAPES_19}
SNIPPET = 30
#: Number of frames before the one that is annotated.
ANNOTATED = 19


@DATASETS.register_module()
class CityscapesSeqDataset(ClipSegDataset):
    """Cityscapes-Seq: snippets of 30 frames, the 20th of which has a label.

    Files: ``leftImg8bit_sequence/{split}/CITY/CITY_SSSSSS_FFFFFF_leftImg8bit.png`` and
    ``gtFine/{split}/CITY/CITY_SSSSSS_FFFFFF_gtFine_labelIds.png``.

    By default the current frames are the annotated ones, even without labels: as in DA-VSN and
    TPS, adaptation uses the annotated frame and its predecessors. Only the names of the label files
    are then used, not their contents.

    Args:
        data_root: Folder with ``leftImg8bit_sequence`` and ``gtFine``.
        split: ``train``, ``val`` or ``test``.
        classes_from: Source data set that decides the classes: ``viper`` (15 classes, rider
            joins person), ``synthia`` (12 classes, of which 11 are reported) or ``gta`` (the 19 of
            Cityscapes).
        kwargs: Passed to :class:`ClipSegDataset`.
    """

    METAINFO = CITYSCAPES_15.metainfo
    DOCS = 'Cityscapes-Seq'
    LAYOUT = (
        'leftImg8bit_sequence/{train,val}/CITY/CITY_SSSSSS_FFFFFF_leftImg8bit.png and '
        'gtFine/{train,val}/CITY/CITY_SSSSSS_FFFFFF_gtFine_labelIds.png'
    )
    UNLABELLED_FRAMES = 'annotated'
    UNIQUE_NAMES = True
    NAME_TAILS = ('_leftImg8bit', '_gtFine_labelIds')

    def __init__(
        self, data_root: str, split: str = 'train', classes_from: str = 'viper', **kwargs
    ) -> None:
        if classes_from not in LABEL_SETS:
            raise ValueError(
                f'CityscapesSeqDataset: classes_from={classes_from!r} is not one of '
                f'{tuple(LABEL_SETS)}.'
            )
        self.check_split(
            split, ('train', 'val', 'test', 'demoVideo'), ('test',), kwargs.get('with_labels', True)
        )
        self.split = split
        super().__init__(data_root=data_root, labels=LABEL_SETS[classes_from], **kwargs)

    def scan(self) -> Sequences:
        """Frames of every snippet. A snippet is named after its first frame on disk."""
        images = osp.join(self.data_root, 'leftImg8bit_sequence', self.split)
        found: Sequences = {}
        for city in self.list_folders(images):
            drives: dict[str, dict[int, str]] = {}
            for match, path in self.list_images(
                osp.join(images, city), rf'({city}_\d+)_(\d+)_leftImg8bit\.png'
            ):
                drives.setdefault(match[1], {})[int(match[2])] = path
            for drive, frames in drives.items():
                # Most cities have one snippet per drive, some have many: a jump by a whole
                # snippet starts the next one, and so does any behind a whole snippet (ten frames
                # in Frankfurt); others are gaps.
                start = previous = -2 * SNIPPET
                for number in sorted(frames):
                    jump = number - previous
                    if jump >= SNIPPET or (jump > 1 and number - start >= SNIPPET):
                        snippet = found.setdefault(f'{drive}_{number:06d}', {})
                        start = number
                    snippet[number] = frames[number]
                    previous = number
        return found

    def _clips(self, found: Sequences, current: list[tuple[str, int]]) -> list[dict]:
        # Before an annotated frame a snippet has 19 others; one with a pseudo-label can be any, and
        # one of a split file.
        if self.frames == 'annotated' and self.pseudo_labels is None:
            reach = min((self.clip_length - 1) * self.frame_distance, ANNOTATED)
            steps = range(self.frame_distance, reach + 1, self.frame_distance)
            lacking = {
                (s, n): lost
                for s, n in current
                if (lost := [n - step for step in steps if n - step < min(found[s])])
            }
            if len(lacking) < len(current):
                lacking = {
                    (s, n): lost
                    for (s, n), lost in lacking.items()
                    if self._exists(self._label_file(s, n, found[s][n]))
                }
            if lacking:
                (s, n), lost = next(iter(lacking.items()))
                raise FileNotFoundError(
                    f'CityscapesSeqDataset: {self.image_path(s, lost[0])} is missing: '
                    f'{found[s][n]} is annotated, the 20th frame of its snippet, and its clip '
                    f'(clip_length={self.clip_length}, frame_distance={self.frame_distance}) needs '
                    f'it, as those of {len(lacking)} of {len(current)} frames. Unpack the frames '
                    'of leftImg8bit_sequence; those of leftImg8bit are not enough.'
                )
        return super()._clips(found, current)

    def image_path(self, sequence: str, number: int) -> str:
        drive = sequence.rsplit('_', 1)[0]
        return osp.join(
            self.data_root,
            'leftImg8bit_sequence',
            self.split,
            drive.split('_')[0],
            f'{drive}_{number:06d}_leftImg8bit.png',
        )

    def label_path(self, sequence: str, number: int, image: str) -> str:
        drive = sequence.rsplit('_', 1)[0]
        return osp.join(
            self.data_root,
            'gtFine',
            self.split,
            drive.split('_')[0],
            f'{drive}_{number:06d}_gtFine_labelIds.png',
        )
