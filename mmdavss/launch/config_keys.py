"""Detects keys of ``--cfg-options`` that nothing reads."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import mmseg.registry
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner, set_random_seed
from torch.utils.data import DataLoader

from mmdavss.utils.errors import UserError

#: Top-level config keys that are read, in addition to the arguments of mmengine's Runner.
TOP = (
    'channels_last',
    'compile',
    'custom_imports',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'pseudo_label_generator',
    'rounds',
    'source_selection',
    'sync_bn',
    'target_train_labelled',
)
#: Keys that are removed from an object's config before its class gets it.
TAKEN_OUT = (
    '_delete_',
    '_scope_',
    'clip_each',
    'constructor',
    'convert_to_iter_based',
    'paramwise_cfg',
    'priority',
    'requires_grad',
    'type',
)
#: Similarity of two names from which one counts as a misspelling of the other.
ALIKE = 0.75


def unknown_keys(cfg: Config, options: Iterable[str]) -> list[str]:
    """Makes one warning for each option whose key nothing reads.

    A key is known if the config has it or the class of its ``type`` has an argument of that name.
    In a dict with arbitrary keys, such as the ``custom_keys`` of an optimiser, a new key is unknown
    if it looks like a misspelling of another key.

    Args:
        cfg: The config, before the options.
        options: Dotted keys, as in ``--cfg-options``.

    Returns:
        Messages, which name the nearest known key.
    """
    found: dict[str, str] = {}
    for key in options:
        parts = key.split('.')
        depth, node = existing_part(cfg, parts)
        if depth < len(parts) and isinstance(node, Mapping):
            message = _unknown(node, parts, depth)
            if message is not None:
                found.setdefault('.'.join(parts[: depth + 1]), message)
    return list(found.values())


def check_groups(cfg: Config, options: Mapping[str, Any]) -> None:
    """Checks that no option replaces a group of settings by a number or a string.

    Raises:
        UserError: If an option does; names settings of the group.
    """
    for key, value in options.items():
        parts = key.split('.')
        depth, node = existing_part(cfg, parts)
        group = depth == len(parts) and isinstance(node, Mapping)
        if group and isinstance(value, int | float | str):
            names = ', '.join(f'{key}.{name}' for name in list(node)[:3])
            raise UserError(
                f'--cfg-options {key}={value}: {key} is a group of settings, such as '
                f'{names}: name one of those'
            )


def existing_part(cfg: Config, parts: list[str]) -> tuple[int, Any]:
    """Number of leading parts of a key that the config has, and the value there."""
    node: Any = dict(cfg.items())
    for depth, part in enumerate(parts):
        if isinstance(node, list | tuple) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, Mapping) and part in node:
            node = node[part]
        else:
            return depth, node
    return len(parts), node


def _unknown(node: Mapping, parts: list[str], depth: int) -> str | None:
    name = parts[depth]
    readers, closed = _readers(node, parts[:depth])
    known = sorted({*readers, *map(str, node)} - {'type'})
    if name in known or name in TAKEN_OUT:
        return None
    near = get_close_matches(name, known, 1, ALIKE)
    if not near and not closed:
        return None
    key = '.'.join(parts)
    where = '.'.join(parts[:depth])
    what = f'{where} ({_name(node["type"])})' if 'type' in node else where or 'a config'
    if near:
        meant = '.'.join([*parts[:depth], near[0], *parts[depth + 1 :]])
        return f'--cfg-options {key}: nothing in {what} reads {name!r}. Did you mean {meant}?'
    nearest = get_close_matches(name, known, 3, 0.0)
    return (
        f'--cfg-options {key}: nothing in {what} reads {name!r}. The nearest known keys: '
        f'{", ".join(nearest)}.'
    )


def _readers(node: Mapping, place: list[str]) -> tuple[set[str], bool]:
    """Keys that are read in a part of a config, and whether the list is complete."""
    if not place:
        return {*TOP, *_arguments(Runner)[0]}, True
    if place == ['optim_wrapper'] and 'optimizer' in node:
        # Includes the keys of the type that --amp sets.
        return {*_arguments(AmpOptimWrapper)[0], *_arguments(OptimWrapper)[0]}, True
    if 'type' in node:
        kind = _resolve(node['type'])
        return (set(), False) if kind is None else _arguments(kind)
    if place[-1].endswith('_dataloader'):
        return {*_arguments(DataLoader)[0], 'num_batch_per_epoch'}, True
    if place == ['randomness']:
        return _arguments(set_random_seed)
    if place == ['train_cfg']:
        return {
            'by_epoch',
            *_arguments(IterBasedTrainLoop)[0],
            *_arguments(EpochBasedTrainLoop)[0],
        }, True
    return set(), False


def _arguments(kind: Any) -> tuple[set[str], bool]:
    """Names of the arguments of a class or function, and whether it accepts no others.

    For a class that passes on ``**kwargs``, the arguments of its bases are included.
    """
    found: set[str] = set()
    inits = (
        [vars(owner)['__init__'] for owner in kind.__mro__ if '__init__' in vars(owner)]
        if inspect.isclass(kind)
        else [kind]
    )
    for function in inits:
        if function is object.__init__:
            break
        parameters = inspect.signature(function).parameters.values()
        found |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return found - {'self'}, True
    return found - {'self'}, False


def _resolve(kind: Any) -> Any:
    """Class or function of a ``type``, or None if no registry of mmseg has it."""
    if not isinstance(kind, str):
        return kind
    registries = (value for value in vars(mmseg.registry).values() if isinstance(value, Registry))
    return next(
        (found for registry in registries if (found := registry.get(kind)) is not None), None
    )


def _name(kind: Any) -> str:
    return kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
