"""SHIFT (Sun et al., A Synthetic Driving Dataset for Continuous Multi-Task Domain Adaptation)."""

from __future__ import annotations

import csv
import os.path as osp
from collections.abc import Sequence

from mmseg.registry import DATASETS

from mmdavss.utils.errors import InputError, MissingInputError
from mmdavss.utils.inputs import read_text

from .clip import ClipSegDataset, Sequences
from .label_maps import SHIFT_14

SHIFTS = ('discrete', 'continuous/1x', 'continuous/10x', 'continuous/100x')
FRAMERATES = ('images', 'videos')
SPLITS = ('train', 'val', 'minival', 'test', 'minitest')
VIEWS = ('front', 'left_45', 'left_90', 'right_45', 'right_90', 'left_stereo')
#: Distance of the frames in ``images``, of which there is one per second, not ten.
INTERVAL = 10
#: Column of ``seq.csv`` that each option compares.
COLUMNS = dict(
    weathers='start_weather_coarse', times='start_timeofday_coarse', shift_types='shift_type'
)


@DATASETS.register_module()
class SHIFTDataset(ClipSegDataset):
    """SHIFT, discrete and continuous shifts, with the 14 classes of its challenge.

    Files, in the folder of a `view`, which is ``discrete/{framerate}/{split}/{view}`` or
    ``continuous/{framerate}/{1x,10x,100x}/{split}/{view}``: the unpacked frames and labels,
    ``img/SEQUENCE/NNNNNNNN_img_{view}.jpg`` and ``semseg/SEQUENCE/NNNNNNNN_semseg_{view}.png``,
    which holds the id (0 to 22) in its first channel; and ``seq.csv``, a table with the conditions
    of the sequences. The labels of test are not public: use it with ``with_labels=False``.

    A sequence of a discrete shift has one condition; in one of a continuous shift the weather or
    the light changes while it lasts. Frame numbers are those of the videos, ten per second, also
    in ``images``, which has every tenth frame.

    Args:
        data_root: Folder with ``discrete`` and ``continuous``.
        split: ``train``, ``val``, ``minival``, ``test`` or ``minitest``.
        shift: ``discrete``, ``continuous/1x``, ``continuous/10x`` or ``continuous/100x``.
        framerate: ``videos`` (10 frames per second) or ``images`` (1 frame per second).
        view: Camera.
        weathers: Weather at the start of the sequences to use: some of the values in the column
            ``start_weather_coarse`` of ``seq.csv``, such as ``clear``, ``cloudy``, ``overcast``,
            ``rainy`` and ``foggy``; None for all. Only these three options read ``seq.csv``.
        times: Time of day at their start, some of ``start_timeofday_coarse``: ``daytime``,
            ``dawn/dusk`` and ``night``.
        shift_types: Continuous shifts to use, some of ``shift_type``: ``daytime_to_night``,
            ``clear_to_foggy`` and ``clear_to_rainy``.
        frame_distance: From one frame of a clip to the next, in frames of the videos; by default
            that of two successive frames, 1 or, in ``images``, 10.
        kwargs: Passed to :class:`ClipSegDataset`.

    Raises:
        FileNotFoundError: As in the base class, and if ``seq.csv`` is needed and missing.
        ValueError: As in the base class, and if ``seq.csv`` has no sequence with these conditions
            or is no such table.
    """

    LABELLED_FRAMES = 'all'
    METAINFO = SHIFT_14.metainfo
    DOCS = 'SHIFT'
    LAYOUT = (
        'discrete/{images,videos}/{train,val}/front/img/SEQUENCE/NNNNNNNN_img_front.jpg, '
        'discrete/.../front/semseg/SEQUENCE/NNNNNNNN_semseg_front.png, and the same in '
        'continuous/{images,videos}/{1x,10x,100x}'
    )

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        shift: str = 'discrete',
        framerate: str = 'videos',
        view: str = 'front',
        weathers: Sequence[str] | None = None,
        times: Sequence[str] | None = None,
        shift_types: Sequence[str] | None = None,
        frame_distance: int | None = None,
        **kwargs,
    ) -> None:
        tests = [name for name in SPLITS if name.endswith('test')]
        self.check_split(split, SPLITS, tests, kwargs.get('with_labels', True))
        for name, value, choices in (
            ('shift', shift, SHIFTS),
            ('framerate', framerate, FRAMERATES),
            ('view', view, VIEWS),
        ):
            if value not in choices:
                raise ValueError(f'SHIFTDataset: {name}={value!r} is not one of {choices}.')
        kind, *speed = shift.split('/')
        self.folder = osp.join(data_root, kind, framerate, *speed, split, view)
        self.view = view
        self.conditions = {
            name: (values,) if isinstance(values, str) else tuple(values)
            for name, values in (
                ('weathers', weathers),
                ('times', times),
                ('shift_types', shift_types),
            )
            if values is not None
        }
        self.NAME_TAILS = (f'_img_{view}', f'_semseg_{view}')
        if frame_distance is None:
            frame_distance = INTERVAL if framerate == 'images' else 1
        super().__init__(
            data_root=data_root, labels=SHIFT_14, frame_distance=frame_distance, **kwargs
        )

    def scan(self) -> Sequences:
        """Frames of every sequence, or of those with the chosen conditions."""
        images = osp.join(self.folder, 'img')
        packed = [
            f'{images}.{suffix}' for suffix in ('zip', 'tar') if osp.isfile(f'{images}.{suffix}')
        ]
        if packed and not osp.isdir(images):
            raise MissingInputError(
                f'SHIFTDataset: {images} does not exist, but {packed[0]} does: unpack it into that '
                'folder (a tar file holds videos: python -m shift_dev.io.decompress_videos of the '
                'release writes their frames).'
            )
        sequences = self.list_folders(images)
        if self.conditions:
            wanted = self._with_conditions()
            sequences = [name for name in sequences if name in wanted]
            if not sequences:
                raise InputError(
                    f'SHIFTDataset: no sequence of {images} has {self.conditions} in its seq.csv: '
                    'change these options.'
                )
        return {
            sequence: {
                int(match[1]): path
                for match, path in self.list_images(
                    osp.join(images, sequence), rf'(\d+)_img_{self.view}\.(?:jpg|png)'
                )
            }
            for sequence in sequences
        }

    def _with_conditions(self) -> set[str]:
        """Names of the sequences that ``seq.csv`` gives the chosen conditions."""
        path = osp.join(self.folder, 'seq.csv')
        if not osp.isfile(path):
            raise MissingInputError(
                f'SHIFTDataset: {path} does not exist, but {" and ".join(self.conditions)} '
                'can only be chosen with it: fetch the data group seq of the release, or leave '
                'the options out.'
            )
        table = csv.DictReader(read_text(path, 'table of sequences').splitlines())
        columns = ['video', *(COLUMNS[name] for name in self.conditions)]
        lacking = [name for name in columns if name not in (table.fieldnames or ())]
        if lacking:
            raise InputError(
                f'{path} has no column {" and ".join(lacking)}: use seq.csv of the release.'
            )
        rows = list(table)
        for name, values in self.conditions.items():
            known = sorted({row[COLUMNS[name]] or '' for row in rows})
            unknown = [value for value in values if value not in known]
            if unknown:
                raise InputError(
                    f'SHIFTDataset: {name}={values}: no sequence of {path} has {unknown}, the '
                    f'column {COLUMNS[name]} has {known}.'
                )
        return {
            row['video']
            for row in rows
            if all(row[COLUMNS[name]] in values for name, values in self.conditions.items())
        }

    def image_path(self, sequence: str, number: int) -> str:
        return osp.join(self.folder, 'img', sequence, f'{number:08d}_img_{self.view}.jpg')

    def label_path(self, sequence: str, number: int, image: str) -> str:
        return osp.join(
            self.folder, 'semseg', sequence, f'{self.frame_name(image)}_semseg_{self.view}.png'
        )
