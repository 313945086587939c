"""The target data of a config: frames to predict, labelled frames, folder of the results."""

from __future__ import annotations

from typing import TypeVar

from mmengine.config import Config
from mmseg.registry import DATASETS

from mmdavss.datasets.clip import ClipSegDataset
from mmdavss.launch.config_file import require
from mmdavss.utils.errors import UserError
from mmdavss.utils.journal import as_json

T = TypeVar('T')


def from_config(kind: type[T], cfg: Config, key: str, folder: str) -> T:
    """Builds the object that a config describes under a key.

    Args:
        kind: Its class.
        cfg: The config.
        key: The key, whose value are the arguments.
        folder: Where configs that have the key are, for the message.

    Raises:
        UserError: If the config has none, or one with unknown arguments.
    """
    options = cfg.get(key)
    if not options:
        raise UserError(f'{cfg.filename} has no {key}: {folder} have one')
    try:
        return kind(**options.to_dict())
    except TypeError as error:
        reason = str(error).split('__init__() ')[-1]
        raise UserError(f'{cfg.filename}: {key}: {reason}') from error


def output_folder(cfg: Config) -> str:
    """The folder that a config reads its pseudo-labels from.

    Raises:
        UserError: If the config does not set it.
    """
    folder = _target_config(cfg).get('pseudo_labels')
    if not folder:
        raise UserError(
            f'{cfg.filename}: train_dataloader.dataset.target.pseudo_labels is not '
            'set: name the folder there, or with --out'
        )
    return folder


def target_frames(
    cfg: Config, pipeline: list, every: bool
) -> tuple[ClipSegDataset, tuple[str, ...], list | None]:
    """Frames of a config's target data set, as clips of one frame.

    Args:
        cfg: Config of the training.
        pipeline: Transforms of a clip of one frame.
        every: Whether all frames of the sequences are taken (with a split file: of those that it
            has frames of), instead of those that the data set has as current frames without its
            pseudo-labels and its list of frames.

    Returns:
        The data set, the names of its classes and its palette, as json stores it.

    Raises:
        UserError: If the config has no target, or no classes are known for it.
    """
    # A list of clips may skip frames between its own.
    options = {
        key: value
        for key, value in _target_config(cfg).items()
        if key not in ('pseudo_labels', 'label_clips', 'clips', 'frame_list')
    }
    options.update(clip_length=1, with_labels=False, pipeline=pipeline)
    if every:
        options['frames'] = 'all'
    dataset = DATASETS.build(options)
    if every and options.pop('ann_file', ''):
        names = (dataset.get_data_info(i)['seq_name'] for i in range(len(dataset)))
        dataset = DATASETS.build(dict(options, sequences=list(dict.fromkeys(names))))
    metainfo = dataset.metainfo
    if not metainfo.get('classes'):  # frames of a user, which come without metainfo
        source = cfg.train_dataloader.dataset.get('source')
        if not source:
            raise UserError(
                f'{cfg.filename}: the target has no classes: give it '
                'metainfo=dict(classes=...), or a source data set'
            )
        metainfo = DATASETS.build(dict(source, lazy_init=True, pipeline=[])).metainfo
    palette = metainfo.get('palette')
    return dataset, tuple(metainfo['classes']), as_json(palette and list(map(list, palette)))


def labelled_target(cfg: Config) -> ClipSegDataset:
    """The labelled data set ``target_train_labelled`` of a config, without its pipeline.

    Raises:
        UserError: If the config has none.
    """
    options = cfg.get('target_train_labelled')
    if not options:
        raise UserError(
            f'{cfg.filename}: --score needs target_train_labelled, the target data '
            'set with its labels'
        )
    options = {
        key: value for key, value in options.items() if key not in ('label_clips', 'pseudo_labels')
    }
    return DATASETS.build(dict(options, clip_length=1, pipeline=[]))


def _target_config(cfg: Config) -> dict:
    require(cfg, 'train_dataloader.dataset')
    target = cfg.train_dataloader.dataset.get('target')
    if not target:
        raise UserError(f'{cfg.filename}: train_dataloader.dataset has no target')
    return target
