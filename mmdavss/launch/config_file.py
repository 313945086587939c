"""Reads config files and the options of the command line."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import Registry
from mmseg.utils import ConfigType

from mmdavss.launch.config_keys import check_groups, existing_part, unknown_keys
from mmdavss.launch.packages import check_packages
from mmdavss.utils.checkpoints import checkpoint_file
from mmdavss.utils.configs import find_config
from mmdavss.utils.errors import UserError, missing_module, not_installed
from mmdavss.utils.journal import digest_of, file_digest
from mmdavss.utils.processes import is_main_process

#: Suffixes that mmengine reads.
CONFIG_SUFFIXES = ('.py', '.yml', '.yaml', '.json')


def default_work_dir(config: str | Path) -> str:
    """Output folder of a config: ``work_dirs/`` and the config's place below ``configs/``.

    Two methods have configs of the same name (``stpl/accel_viper2city.py`` and
    ``source_only/accel_viper2city.py``), so the folder is part of it. For a config that is not
    below a folder ``configs``, the name of its own folder is used.

    Args:
        config: Path of the config file.

    Returns:
        The folder, relative to the current directory.
    """
    parts = Path(config).resolve().with_suffix('').parts
    if 'configs' in parts[:-1]:
        start = len(parts) - 1 - parts[:-1][::-1].index('configs')
    else:
        start = max(len(parts) - 2, 1)
    return str(Path('work_dirs', *parts[start:]))


def read_config_file(path: str | Path) -> Config:
    """Reads a config file of the user or of the package (:func:`find_config`).

    Raises:
        UserError: If it does not exist or cannot be read; names the cause and, if Python reports
            it, the line.
    """
    try:
        path = find_config(path)
    except FileNotFoundError as error:
        raise UserError(str(error)) from None
    if Path(path).suffix not in CONFIG_SUFFIXES:
        raise UserError(
            f'{path} cannot be read as a config ({", ".join(CONFIG_SUFFIXES)}): '
            'the config comes first, then the checkpoint'
        )
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is a program: it can raise anything
        missing = missing_module(error)
        if missing is not None:
            raise not_installed(path, missing) from error
        kind = type(error).__name__
        raise UserError(
            f'{path} cannot be read as a config, correct it or a file that it inherits '
            f'(_base_): {kind}: {error}'
        ) from error
    values = cfg.to_dict()
    check_packages(values, path)
    # A pure Python config may hold imported objects, of which to_dict() leaves the names.
    if dict(cfg.items()) != values:
        return cfg
    # A run writes its config into the log and into each checkpoint; to format it as Python code
    # takes half a second each time. fromfile() passes the option on to the other kind only.
    return Config(
        values,
        cfg_text=cfg.text,
        filename=cfg.filename,
        env_variables=cfg.env_variables,
        format_python_code=False,
    )


def as_config(config: str | Path | Config) -> Config:
    """A config itself, or that of a file, see :func:`read_config_file`."""
    return config if isinstance(config, Config) else read_config_file(config)


def without_pipeline(path: str | None, dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Config of a data set whose files are listed, not read.

    Args:
        path: The config, for the message.
        dataset: Its config.

    Raises:
        UserError: If it is one of several data sets, which have a pipeline each.
    """
    if 'datasets' in dataset or isinstance(dataset.get('dataset'), Mapping):
        raise UserError(
            f'{path}: {dataset.get("type")} is made of other data sets, and this takes one at a '
            'time: name one of them in a config of its own'
        )
    return dict(dataset, pipeline=[])


def require(cfg: Config, *keys: str) -> None:
    """Checks that a config has the keys that a tool needs.

    Args:
        cfg: The config.
        keys: Dotted keys, as in ``--cfg-options``.

    Raises:
        UserError: If a key, or a part of the config that should hold it, is missing or None.
    """
    missing = list(dict.fromkeys(filter(None, (_absent(cfg, key) for key in keys))))
    if missing:
        raise UserError(
            f'{cfg.filename or "the config"} has no {", ".join(missing)}: inherit a config of '
            'configs/ (_base_), or name another one'
        )


def _absent(cfg: Config, key: str) -> str | None:
    """The first part of a dotted key that a config lacks, with all before it; None if it has it."""
    parts = key.split('.')
    depth, node = existing_part(cfg, parts)
    if node is None:  # the last one that is there
        return '.'.join(parts[:depth])
    return '.'.join(parts[: depth + 1]) if depth < len(parts) else None


def check_part(registry: Registry, cfg: Mapping[str, Any], option: str) -> None:
    """Checks the class and the arguments of a command-line option before the object is built.

    Args:
        registry: Registry of its class.
        cfg: Config with ``type``.
        option: For the message.

    Raises:
        UserError: If there is no such class, or it does not take these arguments.
    """
    kind = registry.get(cfg['type'])
    if kind is None:
        raise UserError(
            f'{option} {cfg["type"]}: {cfg["type"]} is not in the {registry.scope}::'
            f'{registry.name} registry: correct the name, or import the module that registers it'
        )
    arguments = {key: value for key, value in cfg.items() if key != 'type'}
    try:
        inspect.signature(kind).bind(**arguments)
    except TypeError as error:
        raise UserError(
            f'{option} {cfg["type"]}: {error}: it takes '
            f'{", ".join(inspect.signature(kind).parameters)}'
        ) from None


def load_config(path: str, options: Mapping[str, Any] | None, work_dir: str | None) -> Config:
    """Reads a config, applies the options of the command line and sets the output folder.

    Args:
        path: The config file.
        options: Dotted keys and values that override the file.
        work_dir: Output folder; None takes the config's, or :func:`default_work_dir`.

    Returns:
        The config, with ``work_dir`` set.

    Raises:
        UserError: If the file does not exist or cannot be read, or the options do not fit it.
    """
    cfg = read_config_file(path)
    merge_options(cfg, options, path)
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = default_work_dir(cfg.filename)
    elif isinstance(cfg.work_dir, int):  # --cfg-options reads the name 20240713 as a number
        cfg.work_dir = str(cfg.work_dir)
    return cfg


def merge_options(cfg: Config, options: Mapping[str, Any] | None, path: str | Path) -> None:
    """Replaces values of a config, in place; warns about keys that nothing reads.

    Args:
        cfg: The config.
        options: Dotted keys and values.
        path: The config's file.

    Raises:
        UserError: If the options do not fit the config.
    """
    if not options:
        return
    check_groups(cfg, options)
    if is_main_process():
        for warning in unknown_keys(cfg, options):
            print_log(warning, logger='current', level=logging.WARNING)
    try:
        cfg.merge_from_dict(dict(options))
    except (KeyError, TypeError, IndexError) as error:
        raise UserError(f'--cfg-options does not fit {path}: {error}') from error


def final_checkpoint(cfg: Config, work_dir: str | Path | None = None) -> Path:
    """Path of the last checkpoint of a finished training.

    Args:
        cfg: The config of the training.
        work_dir: Output folder, by default the config's.

    Raises:
        UserError: If the training does not count iterations.
    """
    return Path(work_dir or cfg.work_dir, f'iter_{iterations_of(cfg)}.pth')


def iterations_of(cfg: Config) -> int:
    """Number of iterations of a training.

    Raises:
        UserError: If the training does not count iterations.
    """
    iterations = (cfg.get('train_cfg') or {}).get('max_iters')
    if iterations is None:
        raise UserError(
            f'{cfg.filename} has no train_cfg.max_iters: only trainings that count iterations are '
            "supported here (train_cfg=dict(type='IterBasedTrainLoop', max_iters=N))"
        )
    return iterations


def start_checkpoints(part: Any, key: str = '') -> Iterator[tuple[str, str]]:
    """Yields the checkpoints that a config, or a part of one, starts from, with their keys.

    These are the values of ``load_from``, ``checkpoint`` and keys that end in ``_checkpoint``.

    Args:
        part: The config's dict, or anything in it.
        key: Its own dotted key.
    """
    if isinstance(part, Mapping):
        for name, value in part.items():
            yield from start_checkpoints(value, f'{key}.{name}' if key else str(name))
    elif isinstance(part, list | tuple):
        # Several checkpoints have the key of their list.
        for number, value in enumerate(part):
            own = key if isinstance(value, str) else f'{key}.{number}'
            yield from start_checkpoints(value, own)
    elif isinstance(part, str):
        name = key.rpartition('.')[2]
        if name in ('load_from', 'checkpoint') or name.endswith('_checkpoint'):
            yield key, part


def labelling_checkpoints(cfg: Config) -> list[str]:
    """The checkpoints that label the target of a config: by default the one that it starts from.

    Raises:
        UserError: If the config names none.
    """
    require(cfg, 'model')
    named = (cfg.get('pseudo_label_generator') or {}).get('checkpoint')
    named = cfg.model.get('source_checkpoint') if named is None else named
    if not named:
        raise UserError(
            f'{cfg.filename}: model.source_checkpoint is not set, which predicts the '
            'pseudo-labels (nor pseudo_label_generator.checkpoint)'
        )
    return [named] if isinstance(named, str) else list(named)


def checkpoint_fingerprint(checkpoints: Sequence[str]) -> dict:
    """``path``, ``size`` and ``sha256`` of a checkpoint, or of several together.

    Raises:
        UserError: If one does not exist.
    """
    files = [checkpoint_file(path) for path in checkpoints]
    for path, file in zip(checkpoints, files, strict=True):
        if not file.is_file():
            raise UserError(f'checkpoint not found: {path}')
    digests = [file_digest(file) for file in files]
    return dict(
        path=', '.join(map(str, checkpoints)),
        size=sum(file.stat().st_size for file in files),
        sha256=digests[0] if len(digests) == 1 else digest_of(digests),
    )


def imports_of(cfg: Config) -> dict[str, Any]:
    """The ``custom_imports`` of a config, in full: mmengine takes one module by its name alone."""
    own = cfg.get('custom_imports') or {}
    modules = own.get('imports') or ()
    return dict(
        imports=[modules] if isinstance(modules, str) else list(modules),
        allow_failed_imports=own.get('allow_failed_imports', False),
    )


def type_name(step: ConfigType) -> str:
    """Class name in a config's ``type``."""
    kind = step['type']
    return kind.split('.')[-1] if isinstance(kind, str) else kind.__name__
