"""Saves the predictions of a test, one file per frame."""

from __future__ import annotations

import os.path as osp
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from mmengine.dist import barrier
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from mmdavss.datasets.label_folder import mask_name
from mmdavss.datasets.transforms.loading import read_image
from mmdavss.utils.classes import class_names
from mmdavss.utils.errors import UserError
from mmdavss.utils.files import distinct_targets, refuse_existing, replace_file
from mmdavss.utils.images import write_png

from .samples import SAME_NAMES


@HOOKS.register_module()
class SavePredictionsHook(Hook):
    """Writes ``FOLDER/SEQUENCE/FRAME.png`` for each frame of a test.

    Files are named like pseudo-labels (:func:`mask_name`). mmseg's own writers leave out the
    sequence, so that frames with the same name overwrite each other. For a data set without
    sequences, files keep the folders of the images below their common folder.

    Args:
        out: Folder of label images (8 bits, the class of each pixel), or None.
        show_dir: Folder of images with the predictions drawn on them, or None.
        overwrite: Whether existing files are replaced.
    """

    def __init__(
        self, out: str | None = None, show_dir: str | None = None, overwrite: bool = False
    ) -> None:
        self.out = out
        self.show_dir = show_dir
        self.overwrite = overwrite
        self._names: dict[str, str] = {}

    def before_test(self, runner: Runner) -> None:
        """Determines all file names before anything is predicted.

        Raises:
            UserError: If two frames would get the same file, or one exists, or labels and pictures
                would, or there are pictures to draw and the data set names no classes.
        """
        if self.show_dir is not None:
            class_names(runner.visualizer.dataset_meta, '--show-dir: the data set')
        folders = [osp.realpath(path) for path in (self.out, self.show_dir) if path is not None]
        if len(folders) == 2 and folders[0] == folders[1]:
            raise UserError(
                f'--out and --show-dir are both {self.out}, where pictures would replace '
                'predictions of the same names: choose two folders'
            )
        self._names = frame_files(runner.test_dataloader.dataset)
        for option, folder in (('--out', self.out), ('--show-dir', self.show_dir)):
            if folder is not None:
                files = (Path(folder, name) for name in self._names.values())
                refuse_existing(files, self.overwrite, option)
        barrier()  # no process writes while another one still looks

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Writes the files of a batch, each completely or not at all."""
        for sample in outputs or ():
            name = self._names[sample.img_path]
            if self.out is not None:
                labels = sample.pred_sem_seg.data.squeeze().cpu().numpy()
                # As in mmseg, for data sets whose classes count from 1.
                labels = labels + bool(sample.metainfo.get('reduce_zero_label'))
                write_png(Path(self.out, name), labels.astype(np.uint8))
            if self.show_dir is not None:
                image = np.ascontiguousarray(read_image(sample.img_path)[..., ::-1])
                with TemporaryDirectory() as folder:
                    picture = Path(folder, 'picture.png')
                    runner.visualizer.add_datasample(
                        name, image, data_sample=sample, out_file=str(picture)
                    )
                    written = Path(self.show_dir, name)
                    written.parent.mkdir(parents=True, exist_ok=True)
                    replace_file(written, picture.read_bytes())


def frame_files(dataset: Any) -> dict[str, str]:
    """Relative output file of each image of a data set.

    Args:
        dataset: Data set with mmengine's ``get_data_info``.

    Returns:
        ``{image: 'SEQUENCE/FRAME.png'}``.

    Raises:
        UserError: If the data set does not name its images, or two would get the same file.
    """
    find = getattr(dataset, 'get_data_info', None)
    infos = [] if find is None else [find(i) for i in range(len(dataset))]
    if not infos or any('img_path' not in info for info in infos):
        raise UserError(
            f'--out and --show-dir need a data set that names its images (img_path): '
            f'{type(dataset).__name__} does not'
        )
    folder = osp.commonpath([osp.dirname(osp.abspath(info['img_path'])) for info in infos])
    names = {info['img_path']: _file(info, folder) for info in infos}
    distinct_targets(names.items(), SAME_NAMES)
    return names


def _file(info: Mapping[str, Any], folder: str) -> str:
    if 'seq_name' in info and 'frame_name' in info:
        return mask_name(info['seq_name'], info['frame_name'])
    path = osp.splitext(osp.relpath(osp.abspath(info['img_path']), folder))[0]
    return mask_name(*osp.split(path))
