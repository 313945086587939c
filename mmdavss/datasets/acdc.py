"""ACDC (Sakaridis et al., ICCV 2021)."""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from dataclasses import replace

from mmseg.registry import DATASETS

from .clip import ClipSegDataset, Sequences
from .label_maps import DARK_ZURICH_19

CONDITIONS = ('fog', 'night', 'rain', 'snow')
SPLITS = ('train', 'val', 'test', 'train_ref', 'val_ref', 'test_ref')
TAIL = '_rgb_anon.png'
REFERENCE_TAIL = '_rgb_ref_anon.png'
# Both store the train ids of Cityscapes.
ACDC_19 = replace(DARK_ZURICH_19, name='ACDC')


@DATASETS.register_module()
class ACDCDataset(ClipSegDataset):
    """ACDC, fog, night, rain and snow, with the 19 classes of Cityscapes.

    Files: ``rgb_anon/{condition}/{split}/RECORDING/NAME_rgb_anon.png`` and ``gt/{condition}/
    {split}/RECORDING/NAME_gt_labelTrainIds.png``, which holds the train ids of Cityscapes. The
    labels of test are not public: use it with ``with_labels=False``. Every image has a reference
    image, taken at the same place by day and in good weather: ``rgb_anon/{condition}/{split}_ref/
    RECORDING/NAME_rgb_ref_anon.png``.

    A sequence is a recording, named ``{condition}/RECORDING``. Its images are the labelled frames
    of a video and are seconds apart, so `frame_distance` counts images and the motion within a
    clip is large.

    Args:
        data_root: Folder with ``rgb_anon`` and ``gt``.
        split: ``train``, ``val`` or ``test``; or ``train_ref``, ``val_ref`` or ``test_ref`` for the
            reference images by themselves, whose labels are ``NAME_gt_ref_labelTrainIds.png``.
        conditions: One or several of ``fog``, ``night``, ``rain`` and ``snow``.
        reference_pairs: Whether an item is a clip of two frames, the reference image and the image
            (the current one). They show the same place, but are not aligned pixel by pixel.
        clip_length: Frames of a clip, T.
        kwargs: Passed to :class:`ClipSegDataset`.

    Raises:
        FileNotFoundError: As in the base class, and if a reference image is missing.
        ValueError: As in the base class, and if test is to be read with labels.
    """

    METAINFO = ACDC_19.metainfo
    DOCS = 'ACDC'
    LAYOUT = (
        'rgb_anon/{fog,night,rain,snow}/{train,val,test}/GOPRXXXX/NAME_rgb_anon.png and '
        'gt/{fog,night,rain,snow}/{train,val}/GOPRXXXX/NAME_gt_labelTrainIds.png'
    )
    NAME_TAILS = ('_rgb_anon', '_rgb_ref_anon', '_gt_labelTrainIds', '_gt_ref_labelTrainIds')

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        conditions: Sequence[str] = CONDITIONS,
        reference_pairs: bool = False,
        clip_length: int = 1,
        **kwargs,
    ) -> None:
        conditions = (conditions,) if isinstance(conditions, str) else tuple(conditions)
        unknown = [name for name in conditions if name not in CONDITIONS]
        if unknown or not conditions:
            raise ValueError(
                f'ACDCDataset: conditions={conditions} must name at least one of {CONDITIONS}, '
                'and no other.'
            )
        self.check_split(split, SPLITS, ('test',), kwargs.get('with_labels', True))
        self.reference = split.endswith('_ref')
        if reference_pairs and (clip_length != 1 or self.reference):
            raise ValueError(
                'ACDCDataset: with reference_pairs a clip is a reference image and its image: '
                "leave clip_length out, and use split='train', 'val' or 'test'."
            )
        self.split = split
        self.conditions = conditions
        self.reference_pairs = reference_pairs
        super().__init__(data_root=data_root, labels=ACDC_19, clip_length=clip_length, **kwargs)

    def scan(self) -> Sequences:
        """The images of each recording, numbered by their position in it."""
        pattern = rf'.+{REFERENCE_TAIL if self.reference else TAIL}'.replace('.png', r'\.png')
        found: Sequences = {}
        for condition in self.conditions:
            images = osp.join(self.data_root, 'rgb_anon', condition, self.split)
            for recording in self.list_folders(images):
                files = self.list_images(osp.join(images, recording), pattern)
                frames = {i: path for i, (_, path) in enumerate(files)}
                if frames:
                    found[f'{condition}/{recording}'] = frames
        return found

    def label_path(self, sequence: str, number: int, image: str) -> str:
        condition, recording = sequence.split('/')
        tail = '_gt_ref_labelTrainIds.png' if self.reference else '_gt_labelTrainIds.png'
        return osp.join(
            self.data_root, 'gt', condition, self.split, recording, self.frame_name(image) + tail
        )

    def load_data_list(self) -> list[dict]:
        """Same as in the base class, plus the reference images."""
        data_list = super().load_data_list()
        if not self.reference_pairs:
            return data_list
        for info in data_list:
            condition, recording = info['seq_name'].split('/')
            path = self._on_disk(
                osp.join(
                    self.data_root,
                    'rgb_anon',
                    condition,
                    f'{self.split}_ref',
                    recording,
                    info['frame_name'] + REFERENCE_TAIL,
                )
            )
            if not self._exists(path):
                raise FileNotFoundError(
                    f'ACDCDataset: {path} is missing, the reference image of {info["img_path"]}. '
                    'Unpack all of rgb_anon, or set reference_pairs=False.'
                )
            info.update(frame_paths=[path, info['img_path']], reference_path=path)
        self._listings.clear()
        return data_list
