"""Keys of ``--cfg-options`` that nothing reads."""

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

from mmdavss.errors import UserError

#: What is read at the top of a config besides the arguments of mmengine's Runner.
TOP = (
    'compile',
    'custom_imports',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'pseudo_label_generator',
    'sync_bn',
    'target_train_labelled',
)
#: What is taken out of the config of an object before its class gets it.
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
#: How alike two names are that may be one name with a slip of the pen.
ALIKE = 0.75


def unknown_keys(cfg: Config, options: Iterable[str]) -> list[str]:
    """One line for each option that would set what nothing reads.

    A key that the config has is read. So is one that the class of its ``type`` has an argument for,
    whatever the config says of it. In a place whose keys are free, such as the ``custom_keys`` of
    an optimiser, a new key is unknown if it looks like a neighbour that is misspelt.

    Args:
        cfg: The config, before the options.
        options: Dotted keys, as of ``--cfg-options``.

    Returns:
        Messages, which name the nearest known key.
    """
    found = {}
    for key in options:
        parts = key.split('.')
        depth, node = _existing(cfg, parts)
        if depth < len(parts) and isinstance(node, Mapping):
            message = _unknown(node, parts, depth)
            if message is not None:
                found.setdefault('.'.join(parts[: depth + 1]), message)
    return list(found.values())


def check_groups(cfg: Config, options: Mapping[str, Any]) -> None:
    """Checks that no option puts a number or a word in the place of a group of settings.

    Raises:
        UserError: If one does; names settings of the group.
    """
    for key, value in options.items():
        parts = key.split('.')
        depth, node = _existing(cfg, parts)
        group = depth == len(parts) and isinstance(node, Mapping)
        if group and isinstance(value, int | float | str):
            names = ', '.join(f'{key}.{name}' for name in list(node)[:3])
            raise UserError(
                f'--cfg-options {key}={value}: {key} is a group of settings, such as '
                f'{names}: name one of those'
            )


def _existing(cfg: Config, parts: list[str]) -> tuple[int, Any]:
    """How many parts of a key the config has, and what is there."""
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
    known, closed = _readers(node, parts[:depth])
    known = sorted({*known, *map(str, node)} - {'type'})
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
        f'--cfg-options {key}: nothing in {what} reads {name!r}. The nearest that it has: '
        f'{", ".join(nearest)}.'
    )


def _readers(node: Mapping, place: list[str]) -> tuple[set[str], bool]:
    """Keys that are read in a part of a config, and whether there are no others."""
    if not place:
        return {*TOP, *_arguments(Runner)[0]}, True
    if place == ['optim_wrapper'] and 'optimizer' in node:
        # Also what another type, which --amp sets, would read.
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
    """Names of the arguments of a class or function, and whether it takes no others.

    Those of a class that hands on ``**kwargs`` are those of its bases too.
    """
    found: set[str] = set()
    inits = (
        [owner.__init__ for owner in kind.__mro__ if '__init__' in vars(owner)]
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
    """Class or function of a ``type``; None for one that no registry of mmseg knows."""
    if not isinstance(kind, str):
        return kind
    registries = (value for value in vars(mmseg.registry).values() if isinstance(value, Registry))
    return next(
        (found for registry in registries if (found := registry.get(kind)) is not None), None
    )


def _name(kind: Any) -> str:
    return kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
