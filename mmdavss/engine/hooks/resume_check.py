"""Tells a resumed run from one that only starts from the weights of a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmdavss.utils.checkpoints import CheckpointError, bare_names, lacking
from mmdavss.utils.wrappers import unwrapped

from .resumed_run import loaded_checkpoint

#: Keys of a checkpoint that mmengine needs to resume.
NEEDED = ('meta', 'message_hub', 'optimizer')
#: Options that distinguish PyTorch's optimisers; other options depend on the version of PyTorch.
TELLING = ('momentum', 'betas', 'alpha', 'rho', 'lr_decay', 'lambd', 'etas', 'momentum_decay')


@HOOKS.register_module()
class ResumeCheckHook(Hook):
    """Refuses to resume from weights alone, or from a run with another config.

    That is, with another method, network, optimiser or parameter groups. mmengine would only warn
    about missing tensors, and PyTorch's error does not name them.

    In a run that starts from a checkpoint (``load_from``), which mmengine loads after the method
    has initialised itself, the method is told: see :meth:`BaseAdapter.start_from_weights`.
    """

    _started = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks what was loaded.

        Raises:
            CheckpointError: If the file is not a checkpoint, or the run resumes and the file does
                not hold the state of such a run.
        """
        path = loaded_checkpoint(runner)
        if not isinstance(checkpoint, Mapping):
            raise CheckpointError(
                f'{path} holds a {type(checkpoint).__name__} and not a checkpoint, which is a dict '
                'of weights: name another file.'
            )
        if not runner._resume:
            self._started = True
            return
        missing = [key for key in NEEDED if key not in checkpoint]
        if not missing and not {'iter', 'epoch'} <= set(checkpoint['meta']):
            missing = ["meta['iter']"]
        if missing:
            raise CheckpointError(
                f'{path} has no {", ".join(missing)}: it holds weights and not the state of a run, '
                'so no run can resume from it. To start from these weights, leave out resume '
                '(load_from alone, or model.source_checkpoint).'
            )
        # mmengine would run it as Python.
        checkpoint['meta'].pop('config', None)
        model: Any = unwrapped(runner.model)
        # What is made with the first batch, such as a memory of clips, has the checkpoint's sizes.
        made = [
            f'{name}.'
            for name, module in model.named_modules()
            if getattr(module, 'sized_by_batch', False)
        ]
        wrong = (
            _other_model(model.state_dict(), checkpoint['state_dict'], tuple(made))
            or _other_optimiser(runner.optim_wrapper, checkpoint['optimizer'])
            or _other_schedules(runner.param_schedulers, checkpoint.get('param_schedulers'))
        )
        if wrong:
            raise CheckpointError(
                f'{path} is of a run with another config: {wrong}. Resume with the config that it '
                'was trained with, or start a new run from its weights in another folder '
                '(model.source_checkpoint and --work-dir).'
            )

    def before_train(self, runner: Runner) -> None:
        """Tells a method that the loaded weights are those that it starts from."""
        method: Any = unwrapped(runner.model)
        if self._started and hasattr(method, 'start_from_weights'):
            method.start_from_weights()


def _other_model(
    own: Mapping[str, Any], saved: Mapping[str, Any], made: tuple[str, ...]
) -> str | None:
    ours, theirs = (
        {name: x for name, x in _unwrapped_names(state).items() if not name.startswith(made)}
        for state in (own, saved)
    )
    texts = [
        f'it {what} {len(names)} tensors of {_parts(names)}'
        for what, names in (('lacks', lacking(ours, theirs)), ('has', theirs.keys() - ours.keys()))
        if names
    ]
    if texts:
        instead = ' instead' if len(texts) > 1 else ''
        return f'{" and ".join(texts)}{instead} (another method or network)'
    shapes = [
        name for name in ours.keys() & theirs.keys() if ours[name].shape != theirs[name].shape
    ]
    return f'{_parts(shapes)} has tensors of another shape' if shapes else None


def _unwrapped_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """Removes DDP prefixes from names, also those of players with their own wrapper."""
    return {
        re.sub(r'(^|(?<=\.))module\.', '', name): value for name, value in bare_names(state).items()
    }


def _parts(names: Iterable[str]) -> str:
    found = sorted({name.partition('.')[0] for name in names})
    return ', '.join(found[:5]) + (', ...' if len(found) > 5 else '')


def _other_optimiser(own: Any, saved: Mapping[str, Any]) -> str | None:
    if not isinstance(own, OptimWrapper | OptimWrapperDict):  # none was built: no training
        return None
    ours: dict[str, Any] = dict(own.items()) if isinstance(own, OptimWrapperDict) else {'': own}
    theirs = {'': saved} if 'param_groups' in saved else saved
    if ours.keys() != theirs.keys():
        return f'it has optimisers for {_names(theirs)} and this one for {_names(ours)}'
    for name, wrapper in ours.items():
        optimiser, groups = wrapper.optimizer, theirs[name]['param_groups']
        kind = f'{type(optimiser).__name__}{f" of {name}" if name else ""}'
        lacking = [key for key in TELLING if key in optimiser.defaults and key not in groups[0]]
        decoupled = [
            group.get('decoupled_weight_decay') for group in (optimiser.defaults, groups[0])
        ]
        if lacking or (None not in decoupled and decoupled[0] != decoupled[1]):
            return f'its optimiser is not {kind}' + (f' (no {lacking[0]})' if lacking else '')
        sizes = [
            [len(group['params']) for group in kept] for kept in (optimiser.param_groups, groups)
        ]
        if sizes[0] != sizes[1]:
            return (
                f'{kind} has {len(sizes[0])} groups of {sum(sizes[0])} parameters, the checkpoint '
                f'{len(sizes[1])} of {sum(sizes[1])} (paramwise_cfg, frozen parts)'
            )
    return None


def _names(states: Mapping[str, Any]) -> str:
    return ', '.join(name or 'the whole model' for name in states)


def _other_schedules(own: Any, saved: Any) -> str | None:
    if own is None:
        return None
    counts = [
        {name: len(each) for name, each in some.items()}
        if isinstance(some, Mapping)
        else len(some or ())
        for some in (own, saved)
    ]
    return (
        None
        if counts[0] == counts[1]
        else f'it has other param_schedulers ({counts[1]} and not {counts[0]})'
    )
