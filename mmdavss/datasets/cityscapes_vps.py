"""Cityscapes-VPS (Kim et al., Video Panoptic Segmentation, CVPR 2020)."""

from __future__ import annotations

import os.path as osp
import re
from dataclasses import replace

from mmseg.registry import DATASETS

from mmdavss.utils.errors import InputError
from mmdavss.utils.inputs import read_json

from .cityscapes_seq import SNIPPET
from .clip import ClipSegDataset, Sequences
from .label_maps import CITYSCAPES_VPS_12, CITYSCAPES_VPS_15, LabelSet

LABEL_SETS = {'viper': CITYSCAPES_VPS_15, 'synthia': CITYSCAPES_VPS_12}
#: Label folders, in order of preference: masks of train ids, of train ids with instances, and of
#: segments that a json file describes.
LABEL_FOLDERS = ('labelmap', 'panoptic_inst', 'panoptic_video')
#: Suffixes of image and label names, and the 0-based position in the clip of the first frame that
#: can have them: the 20th is the one that Cityscapes annotates, the 5th, 10th, ... are new.
KINDS = {'leftImg8bit': ('gtFine_color', 19), 'newImg8bit': ('final_mask', 4)}
INTERVAL = 5


@DATASETS.register_module()
class CityscapesVPSDataset(ClipSegDataset):
    """Cityscapes-VPS: clips of 30 frames, the 5th, 10th, ... 30th of which have labels.

    Files, for each split: the frames with labels in ``img``, named
    ``CCCC_NNNN_CITY_DDDDDD_FFFFFF_newImg8bit.png`` (``leftImg8bit`` for the 20th of a clip), where
    CCCC is the clip and CITY_DDDDDD_FFFFFF the name in Cityscapes; all frames under those names,
    ``img_all/CITY_DDDDDD_FFFFFF_leftImg8bit.png``; and the labels, named as in ``img`` except for
    the suffix ``final_mask`` (``gtFine_color`` for the 20th).

    A sequence is a clip, named CCCC. By default the current frames are those with labels, even
    when used without labels; then only their names in ``img`` are read.

    Args:
        data_root: Folder with ``train``, ``val`` and ``test``.
        split: ``train``, ``val`` or ``test`` (no labels).
        classes_from: Source data set that decides the classes: ``viper`` (15 classes, rider
            joins person) or ``synthia`` (12 classes, of which 11 are reported).
        frame_root: Folder with all frames, directly or in folders of their cities, for example
            ``leftImg8bit_sequence/val`` of Cityscapes, from which the clips were taken. By default
            ``img_all`` of the split. Frames missing there are taken from ``img``.
        label_folder: Which labels: ``labelmap`` (semantic), ``panoptic_inst`` or
            ``panoptic_video`` (needs ``panoptic_gt_{split}_city_vps.json``). By default the first
            of these that exists. In the panoptic labels, objects without an instance are void.
        kwargs: Passed to :class:`ClipSegDataset`.

    Raises:
        FileNotFoundError: As in the base class; also if clips need more frames than those of
            ``img`` and no folder has them, or the json file of ``panoptic_video`` is missing.
        ValueError: As in the base class, and if that json file does not fit the labels.
    """

    METAINFO = CITYSCAPES_VPS_15.metainfo
    DOCS = 'Cityscapes-VPS'
    LAYOUT = (
        '{train,val}/img/CCCC_NNNN_CITY_DDDDDD_FFFFFF_newImg8bit.png, {train,val}/img_all/'
        'CITY_DDDDDD_FFFFFF_leftImg8bit.png and '
        '{train,val}/labelmap/CCCC_NNNN_CITY_DDDDDD_FFFFFF_final_mask.png'
    )
    UNLABELLED_FRAMES = 'annotated'
    UNIQUE_NAMES = True
    NAME_TAILS = tuple(f'_{tail}' for kind, (label, _) in KINDS.items() for tail in (kind, label))

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        classes_from: str = 'viper',
        frame_root: str | None = None,
        label_folder: str | None = None,
        **kwargs,
    ) -> None:
        if classes_from not in LABEL_SETS:
            raise ValueError(
                f'CityscapesVPSDataset: classes_from={classes_from!r} is not one of '
                f'{tuple(LABEL_SETS)}.'
            )
        if label_folder is None:
            label_folder = next(
                (name for name in LABEL_FOLDERS if osp.isdir(osp.join(data_root, split, name))),
                LABEL_FOLDERS[0],
            )
        elif label_folder not in LABEL_FOLDERS:
            raise ValueError(
                f'CityscapesVPSDataset: label_folder={label_folder!r} is not one of '
                f'{LABEL_FOLDERS}.'
            )
        self.split = split
        self.frame_root = frame_root
        self.label_folder = label_folder
        self._drives: dict[str, str] = {}
        self._label_names: dict[tuple[str, int], str] = {}
        self._segments: dict[str, dict[int, int]] = {}
        labels = LABEL_SETS[classes_from]
        if label_folder == 'panoptic_inst':
            labels = replace(labels, encoding='panoptic')
        super().__init__(data_root=data_root, labels=labels, **kwargs)

    @property
    def frame_folder(self) -> str:
        """Folder with all frames."""
        return self.frame_root or osp.join(self.data_root, self.split, 'img_all')

    def scan(self) -> Sequences:
        """Frames of every clip: those in ``img`` and their neighbours."""
        found: Sequences = {}
        starts: dict[str, int] = {}
        for match, path in self.list_images(
            osp.join(self.data_root, self.split, 'img'),
            rf'((\d+)_\d+_([^_]+_\d+)_(\d+)_)({"|".join(KINDS)})\.png',
        ):
            stem, clip, drive, number, kind = match.groups()
            label, position = KINDS[kind]
            number = int(number)
            found.setdefault(clip, {})[number] = path
            self._label_names[clip, number] = f'{stem}{label}.png'
            self._drives[clip] = drive
            # For a complete clip, both kinds give the same start.
            starts[clip] = min(starts.get(clip, number), number - position)
        frames = self._all_frames()
        for clip, numbers in found.items():
            drive = frames.get(self._drives[clip], {})
            numbers.update(
                (n, drive[n]) for n in range(starts[clip], starts[clip] + SNIPPET) if n in drive
            )
        return found

    def _all_frames(self) -> Sequences:
        """The frames of each drive; a drive may hold many clips."""
        folder = self.frame_folder
        if self.frame_root is None and not osp.isdir(folder):
            if self.clip_length > 1 and self.frame_distance % INTERVAL:
                raise self.not_the_data_set(
                    f'{folder} does not exist, {osp.join(self.data_root, self.split, "img")} has '
                    f'only every {INTERVAL}th frame of a clip. Set frame_root to the folder '
                    'leftImg8bit_sequence/val of Cityscapes, the source of all clips (the '
                    'official preparation makes img_all for val and test only), or '
                    f'frame_distance={INTERVAL}'
                )
            return {}
        found: Sequences = {}
        for place in (folder, *(osp.join(folder, city) for city in self.list_folders(folder))):
            for match, path in self.list_images(place, r'([^_]+_\d+)_(\d+)_leftImg8bit\.png'):
                found.setdefault(match[1], {})[int(match[2])] = path
        return found

    def image_path(self, sequence: str, number: int) -> str:
        return osp.join(self.frame_folder, f'{self._drives[sequence]}_{number:06d}_leftImg8bit.png')

    def label_path(self, sequence: str, number: int, image: str) -> str:
        name = self._label_names.get(
            (sequence, number), f'{sequence}_NNNN_{self.frame_name(image)}_final_mask.png'
        )
        return osp.join(self.data_root, self.split, self.label_folder, name)

    def frame_name(self, image: str) -> str:
        """Name in Cityscapes, whichever folder the image comes from."""
        return re.sub(r'^\d+_\d+_', '', super().frame_name(image))

    def load_data_list(self) -> list[dict]:
        """Same as in the base class, plus the segment table for labels that need one."""
        data_list = super().load_data_list()
        if self.with_labels and self.label_folder == 'panoptic_video':
            self._segments = self._read_segments()
            for info in data_list:
                for path in (info['seg_map_path'], *info['earlier_seg_map_paths']):
                    if osp.basename(path) not in self._segments:
                        raise ValueError(
                            f'CityscapesVPSDataset: panoptic_gt_{self.split}_city_vps.json does '
                            f'not know {path}: create both again from the same release.'
                        )
        return data_list

    def _from_options(self, found: Sequences) -> list[tuple[str, int]]:
        if self.with_labels or self.frames == 'all' or self.annotated is not None:
            return super()._from_options(found)
        return [(clip, number) for clip, number in sorted(self._label_names) if clip in found]

    def _read_segments(self) -> dict[str, dict[int, int]]:
        """Train id of each segment of each label file."""
        path = osp.join(self.data_root, f'panoptic_gt_{self.split}_city_vps.json')
        if not osp.isfile(path):
            raise FileNotFoundError(
                f'CityscapesVPSDataset: {path} does not exist; it describes the segments in '
                f'{osp.join(self.data_root, self.split, "panoptic_video")}. '
                'create_panoptic_video_labels.py of the release writes it.'
            )
        what = 'table of segments'
        remedy = (
            'Create it again with create_panoptic_video_labels.py of the release, which writes '
            'annotations with file_name and segments_info.'
        )
        content = read_json(path, what, remedy)
        try:
            found = {
                image['file_name']: {
                    segment['id']: segment['category_id'] for segment in image['segments_info']
                }
                for image in content['annotations']
            }
        except (KeyError, TypeError) as error:
            raise InputError(f'{path} holds no {what} ({error!r}). {remedy}') from error
        for name, segments in found.items():
            if not isinstance(name, str) or not all(
                type(number) is int and 0 <= number < 1 << 24
                for number in (*segments, *segments.values())
            ):
                raise InputError(
                    f'{path} holds no {what}: {name!r} has an id that is not between '
                    f'0 and 2**24. {remedy}'
                )
        return found

    def get_data_info(self, idx: int) -> dict:
        """Information about one clip; segment labels get a table for each image."""
        info = super().get_data_info(idx)
        if self._segments:
            info['label_spec'] = self._segment_labels(info['seg_map_path'])
            info['earlier_label_specs'] = [
                self._segment_labels(path) for path in info['earlier_seg_map_paths']
            ]
        return info

    def _segment_labels(self, path: str) -> LabelSet:
        """How one label file stores its segments."""
        labels, segments = self.labels, self._segments[osp.basename(path)]
        assert labels is not None
        # Each segment has an id of its own; black is void.
        return replace(
            labels,
            encoding='colour',
            official=len(segments) + 1,
            colours=((0, 0, 0), *((i & 255, i >> 8 & 255, i >> 16) for i in segments)),
            train_ids={
                k: labels.train_ids[category]
                for k, category in enumerate(segments.values(), 1)
                if category in labels.train_ids
            },
        )
