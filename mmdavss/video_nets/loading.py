"""Where the weights of a video net come from: checkpoints of methods and of plain segmentors."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

from mmengine.logging import print_log
from mmengine.model import PretrainedInit
from mmseg.utils import ConfigType
from torch import Tensor, nn

from mmdavss.utils.checkpoints import CheckpointError, lacking, misfits, read_weights
from mmdavss.utils.configs import config_of_checkpoint

from .base import VideoNet

#: The part of an HRDA that networks of one scale lack.
ATTENTION = 'segmentor.attention_head.'
DECODE_HEAD = 'segmentor.decode_head.'


def load_student(
    student: nn.Module,
    path: str,
    complete: bool = False,
    new_classifier: bool = False,
    option: str = 'source_checkpoint',
) -> None:
    """Loads a video net's weights from a checkpoint of a method or of a plain mmseg segmentor.

    Weights of a single-frame net (a plain segmentor, or a method's ``PerFrame``) fit every video
    net: both branches of an Accel start from them, and what a video net puts around its
    segmentors stays as it is, with a warning. So does the attention of an HRDA, which a source
    model of one scale lacks, and a flow branch that has a checkpoint of its own, where the source
    model's is of another kind: stage two with RAFT after a stage one with FlowNetS. Training makes
    up for it; with `complete` this is an error.

    Args:
        student: The video net.
        path: The checkpoint.
        complete: Whether the net has to be that of the checkpoint, for predictions.
        new_classifier: Whether the decode head keeps its own weights, whatever the checkpoint has.
        option: Name of the model's option that holds `path`, for messages.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If weights are missing or have other shapes, or with `complete` if there
            are others, which the net has no place for.
    """
    state = read_weights(
        path,
        missing_checkpoint(
            option,
            path,
            'the source model first (its config is in configs/source_only, '
            'the first of two stages in configs/sfc)',
        ),
    )
    own = next(iter(state))
    state = _without_common_prefix(state, student)
    if any(name.startswith('student.') for name in state):
        state = {
            n.removeprefix('student.'): v for n, v in state.items() if n.startswith('student.')
        }
    else:
        state = {f'segmentor.{n}': v for n, v in state.items()}
    if not complete:
        state = _with_own_branch(student, state, path)
    if new_classifier:
        state = {n: v for n, v in state.items() if not n.startswith(DECODE_HEAD)} | {
            n: v for n, v in student.state_dict().items() if n.startswith(DECODE_HEAD)
        }
    kind = type(student).__name__
    surplus = surplus_tensors(student.state_dict(), state)
    if surplus:
        parts = ', '.join(sorted({name.split('.')[0] for name in surplus}))
        if complete:
            raise CheckpointError(
                f'{path} does not fit: {kind} has no place for {len(surplus)} of its tensors '
                f'({parts}), for example {surplus[0]!r}. It is a checkpoint of another network, '
                f'such as a video net where the config has {kind}: name the config that it was '
                'trained with.'
            )
        print_log(
            f'{path} is of another network: what {kind} has no place for is left out ({parts}).',
            logger='current',
            level=logging.WARNING,
        )
    missing = set(lacking(student.state_dict(), state))
    if all(name.startswith('segmentor.') for name in state):
        attends = any(ATTENTION in name for name in state)
        state |= {f'reference_{n}': v for n, v in state.items()}
        missing -= state.keys()
        untouched = {
            name: 'attention_head' if ATTENTION in name else name.split('.')[0]
            for name in missing
            if not name.startswith(('segmentor.', 'reference_segmentor.'))
            or (ATTENTION in name and not attends)
        }
        missing -= untouched.keys()
        if untouched:
            parts = sorted({*untouched.values()})
            if complete:
                raise CheckpointError(
                    f'{path} does not fit: it is of a single-frame net and {parts} of {kind} would '
                    'predict untrained. Name a config with a single-frame net (PerFrame) of one '
                    f'scale, or a checkpoint of this {kind}.'
                )
            print_log(
                f'{path} is of a single-frame net: {parts} of {kind} start '
                'as they were initialised.',
                logger='current',
                level=logging.WARNING,
            )
    if missing:
        raise CheckpointError(
            f'{path} lacks {len(missing)} tensors of {kind}, for example '
            f'{min(missing)!r} (it has such as {own!r}): is it a checkpoint of another network?'
        )
    check_shapes(student.state_dict(), state, path)
    student.load_state_dict(state, strict=False)


def missing_checkpoint(option: str, path: str, default: str) -> str:
    """The error message for a checkpoint that a config names and that does not exist.

    Args:
        option: Of the model, which names it.
        path: The file.
        default: What to train if the path does not tell.

    Returns:
        A message, with the config of this package whose training makes the file.
    """
    config = config_of_checkpoint(path)
    what = default if config is None else f'it first (python tools/train.py {config})'
    others = sorted(file.name for file in Path(path).parent.glob('*.pth'))
    beside = f' Its folder has {", ".join(others[-3:])}.' if others else ''
    return (
        f'{option} {path!r} does not exist.{beside} Train {what}, or point `model.{option}` '
        'to its checkpoint.'
    )


def check_checkpoint(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor], prefix: str = ''
) -> None:
    """Checks that the checkpoint of a method fits it.

    mmengine only warns of tensors that are missing, unknown or of another shape, and goes on: a
    test would score a random network, or part of a video net.

    Args:
        own: Tensors of the method, by name.
        given: Those of the checkpoint.
        prefix: Of all names of the method.

    Raises:
        CheckpointError: If a shape differs, or tensors of the student are missing or unknown.
    """
    check_shapes(own, given, 'The checkpoint')
    prefix = f'{prefix}student.'
    missing = sorted(name for name in lacking(own, given) if name.startswith(prefix))
    if missing:
        raise CheckpointError(
            f'The checkpoint does not fit: it lacks {len(missing)} tensors of the student, for '
            f'example {missing[0]!r}. Is it one of another network? Weights of plain mmseg or '
            'of a single-frame net are loaded with `model.source_checkpoint`.'
        )
    surplus = surplus_tensors(
        own, {name: value for name, value in given.items() if name.startswith(prefix)}
    )
    if surplus:
        raise CheckpointError(
            f'The checkpoint does not fit: the student has no place for {len(surplus)} of its '
            f'tensors, for example {surplus[0]!r}. It is one of another network, such as a '
            'video net where the config has a single-frame one: name the config that it was '
            'trained with.'
        )


def surplus_tensors(own: Container[str], given: Mapping[str, Tensor]) -> list[str]:
    """Names of weights that predict something and that a network has no place for.

    Auxiliary classifiers predict nothing: a network may do without them. What is no floating-point
    number was not learnt: counters and tables of positions, which versions of a backbone differ in.
    """
    return sorted(
        name
        for name, value in given.items()
        if name not in own and 'auxiliary_head.' not in name and value.is_floating_point()
    )


def forget_pretrained(model: nn.Module) -> None:
    """Takes pretrained weights out of the networks that a source checkpoint fills."""
    nets = [net for net in model.modules() if isinstance(net, VideoNet)]
    for module in (part for net in nets for branch in net.segmentors for part in branch.modules()):
        configs = _initial(module)
        if not any(map(_is_pretrained, configs)):
            continue
        kept = [config for config in configs if not _is_pretrained(config)]
        # What reads such weights by itself asks for None.
        module.init_cfg = kept or None


def has_pretrained(net: nn.Module) -> bool:
    """Whether a part of a net starts from pretrained weights."""
    return any(_is_pretrained(config) for module in net.modules() for config in _initial(module))


def _initial(module: nn.Module) -> Sequence[ConfigType]:
    """The configs of the weights that a module starts from."""
    given = getattr(module, 'init_cfg', None)
    return [given] if isinstance(given, Mapping) else given or []


def _is_pretrained(config: ConfigType) -> bool:
    return config.get('type') in ('Pretrained', PretrainedInit)


def check_shapes(own: Mapping[str, Tensor], loaded: Mapping[str, Tensor], origin: str) -> None:
    """Raises CheckpointError if a tensor of `loaded` has another shape than that of `own`."""
    for name, value in own.items():
        if name not in loaded or loaded[name].shape == value.shape:
            continue
        hint = 'the network differs (depth, width or kind)'
        if 'conv_seg' in name or name.endswith('fusion.weight'):
            hint = (
                f'it has {loaded[name].shape[0]} classes and the config '
                f'{value.shape[0]}: set num_classes and the data set accordingly'
            )
        raise CheckpointError(
            f'{origin} does not fit: {name!r} has the shape {tuple(loaded[name].shape)}, the model '
            f'needs {tuple(value.shape)}; {hint}.'
        )


def _without_common_prefix(state: dict[str, Tensor], student: nn.Module) -> dict[str, Tensor]:
    """Weights without what other projects put before all names, such as ``model.``."""
    known = {'student', *(part for name in student.state_dict() for part in name.split('.')[:2])}
    while True:
        first = {name.partition('.')[0] for name in state}
        if len(first) > 1 or first & known or not all('.' in name for name in state):
            return state
        state = {name.partition('.')[2]: value for name, value in state.items()}


def _with_own_branch(student: nn.Module, state: dict[str, Tensor], path: str) -> dict[str, Tensor]:
    """`state`, or with the student's flow branch where that of `state` is another network."""
    prefix = 'flow_net.'
    branch = getattr(student, 'flow_net', None)
    given = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
    origin = getattr(branch, 'checkpoint', None)
    if not given or origin is None or not misfits(branch, given):
        return state
    print_log(
        f'{path} has another flow branch: that of {type(student).__name__} starts from {origin}.',
        logger='current',
        level=logging.WARNING,
    )
    return {n: v for n, v in state.items() if not n.startswith(prefix)} | {
        prefix + n: v for n, v in branch.state_dict().items()
    }
