"""Dark Zurich (Sakaridis et al., ICCV 2019)."""

from __future__ import annotations

import csv
import io
import os.path as osp
from collections.abc import Iterator, Sequence

from mmseg.registry import DATASETS

from mmdavss.utils.errors import InputError
from mmdavss.utils.inputs import read_text, walk

from .image import ImageSegDataset
from .label_maps import DARK_ZURICH_19

TIMES = ('night', 'twilight', 'day')
TAIL = '_rgb_anon.png'


@DATASETS.register_module()
class DarkZurichImageDataset(ImageSegDataset):
    """Dark Zurich with the 19 classes of Cityscapes.

    Files: ``rgb_anon/{split}/{time}/GOPRXXXX/NAME_rgb_anon.png`` and, for val, ``gt/val/night/
    GOPRXXXX/NAME_gt_labelTrainIds.png``, which holds the train ids of Cityscapes. The labels of
    train and test are not public: use them with ``with_labels=False``.

    Args:
        data_root: Folder with ``rgb_anon`` and ``gt``.
        split: ``train``, ``val`` or ``test``.
        time: One or several of ``night``, ``twilight`` and ``day``.
        day_pairs: List with the day image of each night image, relative to `data_root`: a csv file,
            or a folder whose csv files are read, such as ``corresp`` of the release. A line has
            the two images below ``rgb_anon``, without ``_rgb_anon.png``. An item is then a clip of
            two frames, the day image and the night image (the current one); they show roughly
            the same place, but are not aligned pixel by pixel.
        kwargs: Passed to :class:`ImageSegDataset`.

    Raises:
        FileNotFoundError: As in the base class, and if the list, an image's line in it, or a day
            image is missing.
        ValueError: As in the base class, and if the list is malformed.
    """

    METAINFO = DARK_ZURICH_19.metainfo
    DOCS = 'Dark Zurich'
    LAYOUT = (
        'rgb_anon/{train,val,test}/night/GOPRXXXX/NAME_rgb_anon.png and '
        'gt/val/night/GOPRXXXX/NAME_gt_labelTrainIds.png'
    )
    IMAGES = r'.+_rgb_anon\.png'
    NAME_TAILS = ('_rgb_anon', '_gt_labelTrainIds')

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        time: str | Sequence[str] = 'night',
        day_pairs: str | None = None,
        **kwargs,
    ) -> None:
        times = (time,) if isinstance(time, str) else tuple(time)
        if not times or not set(times) <= set(TIMES):
            raise ValueError(
                f'DarkZurichImageDataset: time={time!r} must name at least one of {TIMES}, and no '
                'other.'
            )
        if day_pairs is not None and kwargs.get('clip_length', 1) != 1:
            raise ValueError(
                'DarkZurichImageDataset: with day_pairs a clip is a day and a night '
                'image; leave clip_length out.'
            )
        self.split = split
        self.times = times
        self.day_pairs = day_pairs
        super().__init__(data_root=data_root, labels=DARK_ZURICH_19, **kwargs)

    def folders(self) -> list[str]:
        images = osp.join(self.data_root, 'rgb_anon', self.split)
        return [folder for time in self.times for folder in self.subfolders(osp.join(images, time))]

    def label_path(self, sequence: str, number: int, image: str) -> str:
        folder = osp.dirname(image)
        return osp.join(
            self.data_root,
            'gt',
            self.split,
            osp.basename(osp.dirname(folder)),
            osp.basename(folder),
            f'{sequence}_gt_labelTrainIds.png',
        )

    def load_data_list(self) -> list[dict]:
        """Same as in the base class, plus the day images."""
        data_list = super().load_data_list()
        if self.day_pairs is None:
            return data_list
        pairs = self._read_pairs(osp.join(self.data_root, self.day_pairs))
        images = osp.join(self.data_root, 'rgb_anon')
        for info in data_list:
            name = osp.relpath(info['img_path'], images).replace(osp.sep, '/')
            name = osp.splitext(name)[0] + osp.splitext(name)[1].lower()
            day = pairs.get(name.removesuffix(TAIL))
            if day is None:
                raise FileNotFoundError(
                    f'DarkZurichImageDataset: {self.day_pairs!r} (day_pairs) has no line for '
                    f'{name.removesuffix(TAIL)!r}; it has {len(pairs)}, of which the first is '
                    f'for {next(iter(pairs), None)!r}.'
                )
            path = self._on_disk(osp.join(images, day + TAIL))
            if not self._exists(path):
                raise FileNotFoundError(
                    f'DarkZurichImageDataset: {path} is missing, the day image of {name} in '
                    f'{self.day_pairs!r} (day_pairs).'
                )
            info.update(frame_paths=[path, info['img_path']], reference_path=path)
        self._listings.clear()
        return data_list

    def _read_pairs(self, path: str) -> dict[str, str]:
        files = (
            [path]
            if osp.isfile(path)
            else []
            if not osp.isdir(path)
            else [
                osp.join(folder, name)
                for folder, _, names in walk(path)
                for name in names
                if name.lower().endswith('.csv')
            ]
        )
        if not files:
            raise FileNotFoundError(
                f'DarkZurichImageDataset: {path} (day_pairs) is neither a csv file nor a folder '
                'with csv files. docs/datasets.md, section "Dark Zurich", says where to get them.'
            )
        images = osp.join(self.data_root, 'rgb_anon')
        pairs: dict[str, str] = {}
        for file in files:
            lines = io.StringIO(read_text(file, 'list of pairs (day_pairs)'), newline='')
            for number, row in enumerate(self._rows(lines, file), 1):
                row = [
                    self._inside(name.strip(), file, number, 'day_pairs', images) for name in row
                ]
                if not row:
                    continue
                if len(row) < 2:
                    raise InputError(
                        f'{file}, line {number}: {row[0]!r} is not NIGHT_IMAGE,DAY_IMAGE, '
                        'such as train/night/GOPR0351/GOPR0351_frame_000001,'
                        'train/day/GOPR0345/GOPR0345_frame_000081.'
                    )
                if '/day/' in row[1]:  # folders may list twilight partners too
                    pairs[row[0]] = row[1]
        return pairs

    @staticmethod
    def _rows(lines: io.StringIO, file: str) -> Iterator[list[str]]:
        try:
            yield from csv.reader(lines)
        except csv.Error as error:
            raise InputError(f'{file} is not a csv file ({error}).') from error
