"""Compares a resumed run with the report of its last start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.dist import get_world_size
from mmengine.runner import Runner

from mmdavss.utils.checkpoints import checkpoint_file, noted_checkpoint
from mmdavss.utils.errors import UserError, number_of
from mmdavss.utils.journal import as_json, differences, last_report

#: Parts of a config about the place of a run, its display and what follows it. The seed is checked
#: by IterationSeedHook.
FREE = (
    'work_dir',
    'load_from',
    'resume',
    'launcher',
    'default_scope',
    'custom_imports',
    'env_cfg',
    'vis_backends',
    'visualizer',
    'log_processor',
    'log_level',
    'model_wrapper_cfg',
    'randomness',
    'test_dataloader',
    'test_evaluator',
    'test_cfg',
    'data_root',
)
#: Parts of the config whose values are restored from the checkpoint.
KEPT = ('optimizer', 'paramwise_cfg', 'param_scheduler')
ADVICE = (
    'resume with the original config and data, or start another run (--work-dir), from its '
    'weights with load_from or model.source_checkpoint and without resume'
)


def loaded_checkpoint(runner: Runner) -> str | None:
    """The checkpoint that a run starts from, as mmengine finds it; None of a run from its config.

    A run that resumes and names none goes on from the last one in its work dir.
    """
    if runner._resume and runner._load_from is None:
        return noted_checkpoint(runner.work_dir)
    return runner._load_from


def _last_report(runner: Runner) -> dict[str, Any]:
    return last_report(checkpoint_file(loaded_checkpoint(runner) or '').parent)


def compare_config(runner: Runner, metainfo: Any) -> None:
    """Compares a resumed run's config, and number of processes, with that of its last start.

    Changes that may be intended only get a warning.

    Args:
        runner: The runner, before its first iteration.
        metainfo: Metainfo of the training data, from the checkpoint.

    Raises:
        UserError: If method, network, optimiser, schedules or classes differ.
    """
    report = _last_report(runner)
    before = report.get('config')
    now = as_json(runner.cfg.to_dict(), str)
    classes = [
        _classes(meta)
        for meta in (metainfo, getattr(runner.train_dataloader.dataset, 'metainfo', None))
    ]
    wrong = []
    if None not in classes and classes[0] != classes[1]:
        wrong.append(f'classes: {", ".join(classes[0])} -> {", ".join(classes[1])}')
    if isinstance(before, dict):
        wrong += [
            text
            for name, part in parts_of(before).items()
            for text in differences(part, parts_of(now)[name], name)
        ]
    if wrong:
        raise UserError(
            f'{loaded_checkpoint(runner)} is of a run with another config ({_some(wrong)}): '
            f'{ADVICE}'
        )
    if not isinstance(before, dict):
        return
    devices = report.get('devices')
    processes = devices.get('processes') if isinstance(devices, dict) else None
    if processes not in (None, get_world_size()):
        runner.logger.warning(
            f'Number of processes: {processes} -> {get_world_size()}. A batch of all of them has '
            'another size, under the same learning rate and schedule, and other data follow than '
            'would have.'
        )
    changed = differences(
        *({key: value for key, value in cfg.items() if key not in FREE} for cfg in (before, now))
    )
    without = [text for text in changed if set(KEPT) & set(text.split(':')[0].split('.'))]
    if changed:
        runner.logger.warning(
            'The config has changed since this run was last started: ' + '; '.join(changed)
        )
    if without:
        runner.logger.warning(
            'Some of these have no effect, as the checkpoint restores optimisers and schedules: '
            + '; '.join(text.split(':')[0] for text in without)
        )


def compare_data(runner: Runner, now: Mapping[str, Any]) -> None:
    """Compares the data of a resumed run with those of its last start.

    Different validation data only get a warning.

    Args:
        runner: The runner.
        now: Fingerprints of its data sets, by name.

    Raises:
        UserError: If the training data differ.
    """
    before = _last_report(runner).get('data')
    before = before if isinstance(before, dict) else {}
    changed = []
    for name, data in now.items():
        old = before.get(name)
        if isinstance(old, dict) and isinstance(data, dict) and old.get('hash') != data['hash']:
            counts = [
                f'{number_of(part.get("items"), "item")} in {number_of(part.get("files"), "file")} '
                f'of {number_of(part.get("bytes"), "byte")}'
                for part in (old, data)
            ]
            changed.append((name, f'{name}: {" -> ".join(counts)}'))
    gone = [
        f'{name}: no longer there'
        for name in before
        if name.startswith('train') and name not in now
    ]
    wrong = [text for name, text in changed if name.startswith('train')] + gone
    if wrong:
        raise UserError(
            f'{loaded_checkpoint(runner)} is of a run with other data ({"; ".join(wrong)}; '
            f'names and sizes of the files count): {ADVICE}'
        )
    if changed:
        runner.logger.warning(
            'Scores are not comparable with earlier ones, and the best checkpoint is chosen among '
            'both, because the validation data have changed: '
            + '; '.join(text for _, text in changed)
        )


def parts_of(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a config that must not change in a resumed run, by names for a message."""
    model = cfg.get('model') or {}
    student = dict(_values(model.get('student'), 'student'))
    wrapper = cfg.get('optim_wrapper') or {}
    return {
        'model.type': model.get('type'),
        'model': {
            key: value
            for key, value in student.items()
            if key.rpartition('.')[2] in ('type', 'num_classes')
            and not {'init_cfg', 'loss_decode'} & set(key.split('.'))
        },
        'optim_wrapper': {
            key: value for key, value in _values(wrapper, '') if key.endswith('optimizer.type')
        },
        'param_scheduler': {
            key: value
            for key, value in _values(cfg.get('param_scheduler'), '')
            if key.endswith('type')
        },
    }


def _classes(metainfo: Any) -> list[str] | None:
    classes = metainfo.get('classes') if isinstance(metainfo, Mapping) else None
    return None if classes is None else list(map(str, classes))


def _values(part: Any, name: str) -> Iterator[tuple[str, Any]]:
    """All values of a config with their dotted keys."""
    if isinstance(part, Mapping):
        inner = part.items()
    elif isinstance(part, list):
        inner = enumerate(part)
    else:
        yield name, part
        return
    for key, value in inner:
        yield from _values(value, f'{name}.{key}'.lstrip('.'))


def _some(texts: Sequence[str], count: int = 3) -> str:
    return '; '.join(texts[:count]) + ('; ...' if len(texts) > count else '')
