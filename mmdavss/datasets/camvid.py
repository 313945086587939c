"""CamVid (Brostow et al., Semantic object classes in video, 2009)."""

from __future__ import annotations

import os.path as osp

from mmseg.registry import DATASETS

from .clip import ClipSegDataset, Sequences
from .label_maps import CAMVID_COLOUR, CAMVID_IDS

#: For each form of the masks: label set, image folder, label folder, suffix of label names.
FORMS = {
    'colour': (CAMVID_COLOUR, '701_StillsRaw_full', 'LabeledApproved_full', '_L.png'),
    'ids': (CAMVID_IDS, 'images', 'labels', '.png'),
}
HALVES = ('first', 'second')


@DATASETS.register_module()
class CamVidDataset(ClipSegDataset):
    """CamVid with the 11 classes of SegNet.

    Files, as the authors give them: ``701_StillsRaw_full/NAME.png`` and
    ``LabeledApproved_full/NAME_L.png``, colour-coded; or ``images/NAME.{png,jpg}`` and
    ``labels/NAME.png`` with ids (0 to 10, 11 void). NAME is SEQUENCE_FRAME, for example
    0006R0_f00930. The folders decide which form is read.

    The release has only every 30th frame of the videos (every 2nd in one part of 0016E5): the
    frames of a sequence are numbered by their position, and the previous frame of a clip is the
    previous one on disk, mostly one second earlier.

    Args:
        data_root: Folder of the data set.
        sequences: Any of ``0001TP`` (dusk), ``0006R0``, ``0016E5`` and ``Seq05VD`` (day).
        half: ``first`` or ``second``, the earlier or later half of the frames of each sequence:
            to adapt to one and to score the other. None for all.
        kwargs: Passed to :class:`ClipSegDataset`.

    Raises:
        ValueError: If the folder has both forms, or for another `half`.
    """

    METAINFO = CAMVID_IDS.metainfo
    DOCS = 'CamVid'
    UNIQUE_NAMES = True
    LAYOUT = (
        '701_StillsRaw_full/NAME.png and LabeledApproved_full/NAME_L.png, or '
        'images/NAME.{png,jpg} and labels/NAME.png'
    )

    def __init__(self, data_root: str, half: str | None = None, **kwargs) -> None:
        if half not in (None, *HALVES):
            raise ValueError(f'CamVidDataset: half={half!r} is not one of {HALVES}.')
        self.half = half
        forms = [
            form
            for form, (_, images, _, _) in FORMS.items()
            if osp.isdir(osp.join(data_root, images))
        ]
        if len(forms) > 1:
            raise ValueError(
                f'CamVidDataset: {data_root!r} has the folders of both forms, '
                f'{[FORMS[form][1] for form in forms]}: keep one of them there.'
            )
        # With neither, the official form is assumed, and the scan reports what is missing.
        labels, self.image_folder, self.label_folder, self.label_tail = FORMS[
            forms[0] if forms else 'colour'
        ]
        super().__init__(data_root=data_root, labels=labels, **kwargs)

    def scan(self) -> Sequences:
        """Frames of every sequence, numbered by their position."""
        frames: dict[str, list[tuple[int, str]]] = {}
        for match, path in self.list_images(
            osp.join(self.data_root, self.image_folder), r'([^_]+)_f?(\d+)\.(?:png|jpg)'
        ):
            frames.setdefault(match[1], []).append((int(match[2]), path))
        return {
            sequence: {i: path for i, (_, path) in enumerate(self._chosen(sorted(listed)))}
            for sequence, listed in frames.items()
        }

    def _chosen(self, frames: list[tuple[int, str]]) -> list[tuple[int, str]]:
        middle = len(frames) // 2
        return {None: frames, 'first': frames[:middle], 'second': frames[middle:]}[self.half]

    def label_path(self, sequence: str, number: int, image: str) -> str:
        return osp.join(self.data_root, self.label_folder, self.frame_name(image) + self.label_tail)
