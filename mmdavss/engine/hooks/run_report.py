"""A machine-readable report of the inputs of a run."""

from __future__ import annotations

import hashlib
import os
import os.path as osp
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import mmcv
import mmengine
import mmseg
import numpy as np
import torch
from mmengine.dist import get_world_size, master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmdavss.utils.addresses import without_password
from mmdavss.utils.checkpoints import checkpoint_file
from mmdavss.utils.journal import as_json, file_digest, write_json
from mmdavss.version import __version__

from .resumed_run import compare_config, compare_data, loaded_checkpoint

NAME = 'report.json'
#: Keys of a data set's items that hold files.
FILES = ('frame_paths', 'img_path', 'seg_map_path', 'earlier_seg_map_paths')


@HOOKS.register_module()
class RunReportHook(Hook):
    """Writes ``report.json`` beside the log, before the first iteration.

    It holds the command (without passwords of addresses), versions, the seed, the config, the git
    revisions of this package and of the current directory with whether there were uncommitted
    changes, the checkpoint that the run starts from, and a fingerprint of the files of each data
    set. Two runs whose reports differ only in paths and times were made from the same inputs.

    A resumed run is compared with the report of its last start: another method, network, optimiser
    or schedule, other classes or other training data are an error. A warning lists all other
    changes of the config.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares the config.

        Raises:
            UserError: If a run is resumed with another run's config.
        """
        if runner._resume:
            compare_config(runner, checkpoint.get('meta', {}).get('dataset_meta'))

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Writes the file.

        Raises:
            UserError: If a run is resumed with other training data than before.
        """
        path, made = Path(runner.log_dir, NAME), report(runner)
        if runner._resume:
            compare_data(runner, made['data'])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, as_json(made, str))


def report(runner: Runner) -> dict[str, Any]:
    """Makes the content of the file."""
    start = loaded_checkpoint(runner) or runner.cfg.get('model', {}).get('source_checkpoint')
    file = checkpoint_file(start or '')
    return dict(
        command=[without_password(part) for part in sys.argv],
        versions=dict(
            python=platform.python_version(),
            platform=platform.platform(),
            mmdavss=__version__,
            mmengine=mmengine.__version__,
            mmcv=mmcv.__version__,
            mmseg=mmseg.__version__,
            torch=torch.__version__,
            numpy=np.__version__,
            opencv=cv2.__version__,
            cuda=torch.version.cuda,
            cudnn=torch.backends.cudnn.version(),
        ),
        devices=dict(
            processes=get_world_size(),
            threads=torch.get_num_threads(),
            gpus=[torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())],
        ),
        seed=runner.seed,
        deterministic=torch.are_deterministic_algorithms_enabled(),
        git=dict(
            mmdavss=revision(Path(__file__).parent, 'run_report.py'), here=revision(Path.cwd())
        ),
        starts_from=None
        if start is None
        else dict(
            path=str(start),
            sha256=file_digest(file) if file.is_file() else None,  # a URL
            resumed=bool(runner._resume),
        ),
        data={name: fingerprint(dataset) for name, dataset in _datasets(runner)},
        config=runner.cfg.to_dict(),
    )


def revision(folder: Path, file: str = '.') -> dict[str, Any] | None:
    """The commit that a folder is at, and whether tracked files differ from it.

    Args:
        folder: The folder.
        file: A file in it that must be tracked, since an installed package may lie inside an
            unrelated repository.

    Returns:
        None outside of a git repository, or without git.
    """
    try:
        _, commit, changes = (
            subprocess.run(
                ['git', '-C', str(folder), *command], capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in (
                ['ls-files', '--error-unmatch', file],
                ['rev-parse', 'HEAD'],
                ['status', '--porcelain', '--untracked-files=no'],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return dict(commit=commit, changed=bool(changes))


def revision_name(folder: Path, file: str = '.') -> str:
    """As :func:`revision` in a word, with ``+changes`` if tracked files differ; empty if None."""
    found = revision(folder, file)
    return '' if found is None else found['commit'][:12] + '+changes' * found['changed']


def fingerprint(dataset: Any) -> dict[str, Any] | None:
    """Hashes the names and sizes of a data set's files, not their contents.

    Args:
        dataset: A data set of clips or of plain mmseg.

    Returns:
        ``items``, ``files``, ``bytes`` and ``hash``, with names relative to the data set's root, so
        that it may be moved. None for other kinds of data sets.
    """
    if not hasattr(dataset, 'get_data_info'):
        return None
    files: set[str] = set()
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        for key in FILES:
            value = info.get(key)
            files.update([value] if isinstance(value, str) else value or ())
    root, total = getattr(dataset, 'data_root', None) or os.curdir, 0
    digest = hashlib.sha256()
    for name, path in sorted((osp.relpath(path, root), path) for path in files):
        size = osp.getsize(path) if osp.isfile(path) else -1
        total += max(size, 0)
        # Names of files are bytes, and need not be UTF-8.
        line = f'{Path(name).as_posix()}\t{size}\n'
        digest.update(line.encode('utf-8', 'surrogateescape'))
    return dict(items=len(dataset), files=len(files), bytes=total, hash=digest.hexdigest())


def _datasets(runner: Runner) -> Iterator[tuple[str, Any]]:
    """Yields the training and validation data sets, by domain for a :class:`DomainPairDataset`."""
    found = dict(train=runner.train_dataloader.dataset)
    if runner.val_loop is not None:
        found['val'] = runner.val_dataloader.dataset
    for name, dataset in found.items():
        domains = getattr(dataset, 'branches', None)
        if domains is None:
            yield name, dataset
        else:
            yield from ((f'{name}.{domain}', own) for domain, own in domains.items())
