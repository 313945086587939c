"""Whether pseudo-labels on disk are those that a config describes, before it trains on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdavss.datasets.label_folder import MANIFEST, read_manifest
from mmdavss.utils.errors import UserError

from . import generator, source_selection
from .generator import PseudoLabelGenerator, changed_settings
from .source_selection import SourceSelection


def check_label_settings(cfg: Config) -> None:
    """Checks that the labels of a training were made with the settings of its config.

    A folder that is there is taken as it is: after ``--cfg-options
    pseudo_label_generator.portion=0.4`` the masks would still be those of 0.2. That the config's
    model has made them is checked by :func:`mmdavss.launch.prepare.check_pseudo_labels`.

    Args:
        cfg: The config of the run.

    Raises:
        UserError: If labels of the target, or the selected source frames, were made with other
            settings; names those that differ.
    """
    # Of rounds, which only tools/run_phases.py trains, each has settings of its own.
    if not cfg.get(generator.KEY) or cfg.get('rounds'):
        return
    labels = PseudoLabelGenerator.from_config(cfg).settings
    _compare(cfg, 'target', generator.KEY, labels, 'generate_pseudo_labels.py')
    if cfg.get(source_selection.KEY):
        frames = SourceSelection.from_config(cfg).settings(labels)
        _compare(cfg, 'source', source_selection.KEY, frames, 'select_source.py')


def _compare(cfg: Config, branch: str, key: str, asked: Mapping[str, Any], tool: str) -> None:
    folder = (cfg.train_dataloader.dataset.get(branch) or {}).get('pseudo_labels')
    if not folder or not Path(folder, MANIFEST).is_file():
        return  # the data set says what is missing
    changed = changed_settings(read_manifest(folder, ['settings'])['settings'], asked)
    if changed:
        raise UserError(
            f'the pseudo-labels in {folder} were made with other settings: {key}: {changed}: make '
            f'them again with tools/{tool} --overwrite, or leave the settings as they were'
        )
