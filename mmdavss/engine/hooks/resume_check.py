"""Whether a run may go on from a checkpoint: it is one of a run, and of this one."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmdavss.errors import UserError

from ..checkpoint import CheckpointError

#: What mmengine takes from a checkpoint to go on.
NEEDED = ('meta', 'message_hub', 'optimizer')
#: Parts of a config that say where a run is, how it is shown and what is done after it; the seed
#: has a check of its own.
FREE = ('work_dir', 'load_from', 'resume', 'launcher', 'default_scope', 'custom_imports', 'env_cfg',
        'vis_backends', 'visualizer', 'log_processor', 'log_level', 'model_wrapper_cfg',
        'randomness', 'test_dataloader', 'test_evaluator', 'test_cfg', 'data_root')
#: Parts of the optimiser's config and the schedules': values in them come from the checkpoint.
KEPT = ('optimizer', 'paramwise_cfg', 'param_scheduler')
ADVICE = ('go on with what it began with, or start another run (--work-dir), from its weights with '
          'load_from or model.source_checkpoint and without resume')


@HOOKS.register_module()
class ResumeCheckHook(Hook):
    """Says so if a run is resumed from something that it cannot be, or with another config.

    The config that the run had is in the ``report.json`` of its last start, beside the checkpoint;
    without one nothing is compared. Another method, network, optimiser or schedule, or other
    classes, end the run; what else is changed is named in a warning.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks what was loaded.

        Raises:
            CheckpointError: If the run resumes and the file holds no state of a run.
            UserError: If it is the state of a run of another kind.
        """
        if not runner._resume:
            return
        missing = [key for key in NEEDED if key not in checkpoint]
        if not missing and not {'iter', 'epoch'} <= set(checkpoint['meta']):
            missing = ["meta['iter']"]
        if missing:
            raise CheckpointError(
                f'{runner._load_from} has no {", ".join(missing)}: it holds weights and not the '
                'state of a run, so no run can go on from it. To start from these weights leave '
                'out resume (load_from alone, or model.source_checkpoint).')
        # mmengine would execute it as a program; what it writes is called cfg.
        checkpoint['meta'].pop('config', None)
        before = last_report(runner._load_from).get('config')
        if not isinstance(before, dict):
            return
        now = json.loads(json.dumps(runner.cfg.to_dict(), default=str))
        classes = [_classes(meta) for meta in (
            checkpoint['meta'].get('dataset_meta'),
            getattr(runner.train_dataloader.dataset, 'metainfo', None))]
        wrong = [text for name, part in parts_of(before).items()
                 for text in differences(part, parts_of(now)[name], name)]
        if None not in classes and classes[0] != classes[1]:
            wrong.append(f'classes: {", ".join(classes[0])} -> {", ".join(classes[1])}')
        if wrong:
            raise UserError(f'{runner._load_from} is of a run with another config '
                            f'({_some(wrong)}): {ADVICE}')
        changed = differences(*({key: value for key, value in cfg.items() if key not in FREE}
                                for cfg in (before, now)))
        without = [text for text in changed if set(KEPT) & set(text.split(':')[0].split('.'))]
        if changed:
            runner.logger.warning(
                'The config has changed since this run was last started: ' + '; '.join(changed))
        if without:
            runner.logger.warning(
                'Of these have no effect, as optimisers and schedules are those of the checkpoint: '
                + '; '.join(text.split(':')[0] for text in without))


def last_report(checkpoint: str | None) -> dict[str, Any]:
    """The report of the last start of the run that a checkpoint is of; empty if there is none."""
    found = sorted(Path(checkpoint or '').parent.glob('*/report.json'))
    try:
        report = json.loads(found[-1].read_text(encoding='utf-8')) if found else {}
    except ValueError:  # the machine went down
        return {}
    return report if isinstance(report, dict) else {}


def parts_of(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What of a config has to be the same in a resumed run, by names for a message."""
    model = cfg.get('model') or {}
    student = dict(_values(model.get('student'), 'student'))
    wrapper = cfg.get('optim_wrapper') or {}
    return {
        'model.type': model.get('type'),
        'model': {key: value for key, value in student.items()
                  if key.rpartition('.')[2] in ('type', 'num_classes')
                  and not {'init_cfg', 'loss_decode'} & set(key.split('.'))},
        'optim_wrapper': {key: value for key, value in _values(wrapper, '')
                          if key.endswith('optimizer.type')},
        'param_scheduler': {key: value for key, value in _values(cfg.get('param_scheduler'), '')
                            if key.endswith('type')}}


def _classes(metainfo: Any) -> list[str] | None:
    classes = metainfo.get('classes') if isinstance(metainfo, Mapping) else None
    return None if classes is None else list(map(str, classes))


def _values(part: Any, name: str) -> Iterator[tuple[str, Any]]:
    """All values in a config, with the keys that lead to them."""
    if isinstance(part, Mapping):
        inner = part.items()
    elif isinstance(part, list):
        inner = enumerate(part)
    else:
        yield name, part
        return
    for key, value in inner:
        yield from _values(value, f'{name}.{key}'.lstrip('.'))


def differences(old: object, new: object, name: str = '') -> list[str]:
    """Where two json values differ, as texts."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [text for key in dict.fromkeys([*old, *new])
                for text in differences(old.get(key), new.get(key), f'{name}.{key}'.lstrip('.'))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [text for number, pair in enumerate(zip(old, new, strict=True))
                for text in differences(*pair, f'{name}.{number}')]
    if old == new:
        return []
    values = f'{old} -> {new}'
    return [f'{name}: {values}' if len(values) < 60 else name]


def _some(texts: Sequence[str], count: int = 3) -> str:
    return '; '.join(texts[:count]) + ('; ...' if len(texts) > count else '')
