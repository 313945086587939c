"""Trains configs that build on one another, in order: the phases of a method.

    python tools/run_phases.py configs/vat_vst/vat_deeplabv2-r50_viper2cityvps.py \
        configs/vat_vst/vst_deeplabv2-r50_viper2cityvps.py

Each config is trained with tools/train.py in its own folder. If it trains on pseudo-labels, they
are generated first (tools/generate_pseudo_labels.py, tools/select_source.py). Finished steps are
skipped, an interrupted step continues where it stopped.

A config with `rounds`, a list of what each round of self-training changes (KEY: VALUE), is trained
once for each of them: every round starts from the result of the one before, which labels the
target anew. The last round is in the config's folder, as of any other config, the others are in
FOLDER_round1, FOLDER_round2 ... In values `{previous}` is the folder of the round before.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdavss.cli.exits import one_line
from mmdavss.cli.key_values import KeyValues, key_value
from mmdavss.engine.hooks.stop_signal import EXIT_CODE, SIGNALS
from mmdavss.launch.config_file import (
    final_checkpoint,
    iterations_of,
    labelling_checkpoints,
    load_config,
    require,
    start_checkpoints,
)
from mmdavss.utils.checkpoints import checkpoint_file, is_missing
from mmdavss.utils.errors import UserError

TOOLS = Path(__file__).parent
#: What comes before a training: the key of the config that asks for it, the tool, and its title.
LABELLING = (
    ('pseudo_label_generator', 'generate_pseudo_labels.py', 'pseudo-labels'),
    ('source_selection', 'select_source.py', 'source frames'),
)
#: Exit codes of a step that a signal has ended.
STOPPED = (EXIT_CODE, *(128 + number for number in (signal.SIGINT, *SIGNALS)))


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        title: What it does.
        command: Program and arguments.
        result: A file; if it exists, the step is done.
    """

    title: str
    command: list[str]
    result: Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='configs, in order')
    parser.add_argument(
        '--gpus',
        type=int,
        default=1,
        metavar='N',
        help='processes of each training (tools/dist_train.sh)',
    )
    parser.add_argument(
        '--workers', type=int, metavar='N', help='processes that generate pseudo-labels'
    )
    parser.add_argument('--device', help='where pseudo-labels are generated, cpu or cuda')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY=VALUE',
        help='replace values of every config',
    )
    args = parser.parse_args()
    if args.gpus < 1:
        parser.error('--gpus must be 1 or more')
    return args


def find_steps(args: argparse.Namespace) -> list[Step]:
    """The commands, in order.

    Raises:
        UserError: If a config starts from a checkpoint that neither exists nor is made by an
            earlier step, two trainings have one folder, or a round changes a value that no command
            line can pass.
    """
    steps: list[Step] = []
    made: dict[Path, str] = {}  # checkpoints, and the configs that make them
    values = _parse_options(args.cfg_options)
    for path in args.configs:
        for cfg, title, changes, folder in rounds_of(path, values):
            needs = [*start_checkpoints(cfg.model, 'model')]
            if cfg.get('pseudo_label_generator'):
                labellers = labelling_checkpoints(cfg)
                needs += [('pseudo_label_generator.checkpoint', one) for one in labellers]
            for key, needed in needs:
                if is_missing(needed) and checkpoint_file(needed).resolve() not in made:
                    raise UserError(
                        f'{path} starts from {needed} ({key}), which does not exist '
                        'and which no config before it makes: name its config first, or '
                        f'set --cfg-options {key}=PATH'
                    )
            result = final_checkpoint(cfg)
            if (other := made.get(result.resolve())) is not None:
                raise UserError(
                    f'{path} and {other} would be trained in one folder, {result.parent}, and the '
                    'second not at all: leave out work_dir (--cfg-options), which is for one config'
                )
            # The last ones overrule those before.
            options = [*args.cfg_options, *(key_value(*change) for change in changes.items())]
            options = ['--cfg-options', *options] if options else []
            for key, tool, what in LABELLING:
                if cfg.get(key):
                    command = [sys.executable, str(TOOLS / tool), path]
                    if args.workers is not None:
                        command += ['--workers', str(args.workers)]
                    if args.device is not None:
                        command += ['--device', args.device]
                    # Pseudo-labels of a finished training may have been deleted since.
                    steps.append(Step(f'{what} of {title}', command + options, result))
            train = (
                [sys.executable, str(TOOLS / 'train.py'), path]
                if args.gpus == 1
                else ['bash', str(TOOLS / 'dist_train.sh'), path, str(args.gpus)]
            )
            train += ['--resume']
            if folder is not None:
                train += ['--work-dir', folder]
            steps.append(Step(f'training of {title}', train + options, result))
            made |= {file.resolve(): path for file in checkpoints_of(cfg)}
    return steps


def rounds_of(
    path: str, values: Mapping[str, Any]
) -> Iterator[tuple[Config, str, dict[str, Any], str | None]]:
    """The trainings of a config: one, or its rounds.

    Args:
        path: The config.
        values: Options of the command line, which overrule those of the rounds.

    Yields:
        The config with the values of the round, a title, what the round changes besides `values`,
        and its folder if that is not the config's.

    Raises:
        UserError: If ``rounds`` is something else than a list of changes, or the config has no
            ``model`` or no training data.
    """
    whole = load_config(path, values, None)
    require(whole, 'model', 'train_dataloader.dataset')
    rounds = whole.get('rounds') or [{}]
    if not isinstance(rounds, list) or not all(isinstance(one, Mapping) for one in rounds):
        raise UserError(f'{path}: rounds must be a list of dicts, KEY: VALUE.')
    folder, name = str(whole.work_dir), Path(path).stem
    previous: Config | None = None
    for number, own in enumerate(rounds, 1):
        last = number == len(rounds)
        changes = {key: value for key, value in own.items() if key not in values}
        place = folder if last else f'{folder}_round{number}'
        if previous is not None:
            changes = {
                key: _filled(value, str(previous.work_dir)) for key, value in changes.items()
            }
            changes['model.source_checkpoint'] = str(final_checkpoint(previous))
        if whole.get('rounds'):
            changes['rounds'] = None  # tools/train.py takes one at a time
        for branch in ('source', 'target') if not last else ():
            labels = (whole.train_dataloader.dataset.get(branch) or {}).get('pseudo_labels')
            if labels:
                key = f'train_dataloader.dataset.{branch}.pseudo_labels'
                changes[key] = f'{labels}_round{number}'
        cfg = load_config(path, {**values, **changes}, place)
        title = name if len(rounds) == 1 else f'{name}, round {number}'
        yield cfg, title, changes, None if last else place
        previous = cfg


def _filled(value: Any, previous: str) -> Any:
    if isinstance(value, str):
        return value.replace('{previous}', previous)
    return [_filled(one, previous) for one in value] if isinstance(value, list) else value


def checkpoints_of(cfg: Config) -> Iterator[Path]:
    """The checkpoints that a training leaves: the last one, and those before that are kept."""
    hook, iterations = (cfg.get('default_hooks') or {}).get('checkpoint') or {}, iterations_of(cfg)
    yield final_checkpoint(cfg)
    interval, kept = hook.get('interval', -1), hook.get('max_keep_ckpts', -1)
    numbers = [*range(interval, iterations, interval)] if interval > 0 else []
    for number in numbers if kept < 1 else numbers[max(len(numbers) + 1 - kept, 0) :]:
        yield Path(cfg.work_dir, f'iter_{number}.pth')


def _parse_options(options: Sequence[str]) -> dict:
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, default={})
    return parser.parse_args(['--cfg-options', *options] if options else []).cfg_options


def run(command: list[str]) -> int:
    """Runs a step, and forwards stop signals to it.

    Returns:
        Its exit status; 128 + the signal's number if a signal stopped it without :data:`EXIT_CODE`.
    """
    asked, started = [], []

    def hand_on(number: int, frame: object) -> None:
        asked.append(number)
        for process in started:
            process.terminate()

    before = {number: signal.signal(number, hand_on) for number in SIGNALS}
    try:
        with subprocess.Popen(command, env=dict(os.environ, PYTHON=sys.executable)) as process:
            started.append(process)
            if asked:  # while it was being started
                process.terminate()
            try:
                code = process.wait()
            except BaseException:
                # A terminal signals the step too, but not every way to end this process does.
                process.terminate()
                raise
        return code if code == EXIT_CODE or not asked else 128 + asked[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    args = parse_args()
    with one_line('interrupted: the same call continues from here'):
        walk(find_steps(args))


def walk(steps: Sequence[Step]) -> None:
    """Runs the steps that are not done.

    Raises:
        SystemExit: If one was stopped or fails.
    """
    for number, step in enumerate(steps, 1):
        head = f'[{number}/{len(steps)}] {step.title}'
        if step.result.is_file():
            print(f'{head}: done already, {step.result}', flush=True)
            continue
        print(f'{head}\n      $ {shlex.join(step.command)}', flush=True)
        code = run(step.command)
        if code in STOPPED:
            saved = ' and is saved' if code == EXIT_CODE else ''
            print(
                f'{step.title} was stopped by a signal{saved}. The same call continues from here.',
                file=sys.stderr,
            )
            raise SystemExit(code)
        if code:
            raise SystemExit(
                f'error: {step.title} failed (exit status {code}), see above. The same call '
                'continues from here.'
            )


if __name__ == '__main__':
    main()
