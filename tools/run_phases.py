"""Trains configs that build on one another, in order: the phases of a method.

    python tools/run_phases.py configs/vat_vst/vat_deeplabv2-r50_viper2cityvps.py \
        configs/vat_vst/vst_deeplabv2-r50_viper2cityvps.py

Each config is trained with tools/train.py in its own folder. If it trains on pseudo-labels, they
are generated first, with its `model.source_checkpoint` (tools/generate_pseudo_labels.py). Finished
steps are skipped, an interrupted step continues where it stopped.
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

from mmdavss.cli.exits import one_line
from mmdavss.cli.key_values import KeyValues
from mmdavss.engine.hooks.stop_signal import EXIT_CODE, SIGNALS
from mmdavss.launch.config_file import final_checkpoint, load_config
from mmdavss.utils.errors import UserError

TOOLS = Path(__file__).parent
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
        default=[],
        metavar='KEY=VALUE',
        help='replace values of every config',
    )
    args = parser.parse_args()
    if args.gpus < 1:
        parser.error('--gpus must be 1 or more')
    return args


def start_checkpoints(cfg: Mapping, prefix: str = '') -> Iterator[tuple[str, str]]:
    """Yields the files that a model config and its parts start from, with their keys."""
    for key, value in cfg.items():
        if isinstance(value, Mapping):
            yield from start_checkpoints(value, f'{prefix}{key}.')
        elif (
            (key == 'checkpoint' or key.endswith('_checkpoint'))
            and isinstance(value, str)
            and '://' not in value
        ):
            yield f'{prefix}{key}', value


def find_steps(args: argparse.Namespace) -> list[Step]:
    """The commands, in order.

    Raises:
        UserError: If a config starts from a checkpoint that neither exists nor is made by an
            earlier step.
    """
    options = ['--cfg-options', *args.cfg_options] if args.cfg_options else []
    values = _parse_options(args.cfg_options)
    steps: list[Step] = []
    made: set[Path] = set()
    for path in args.configs:
        cfg = load_config(path, values, None)
        name = Path(path).stem
        for key, needed in start_checkpoints(cfg.model):
            if not Path(needed).is_file() and Path(needed).resolve() not in made:
                raise UserError(
                    f'{path} starts from {needed} (model.{key}), which does not exist '
                    'and which no config before it makes: name its config first, or '
                    f'set --cfg-options model.{key}=PATH'
                )
        source = cfg.model.get('source_checkpoint')
        result = final_checkpoint(cfg)
        if 'pseudo_label_generator' in cfg:
            if source is None:
                raise UserError(
                    f'{path}: model.source_checkpoint is not set, which predicts the pseudo-labels'
                )
            command = [sys.executable, str(TOOLS / 'generate_pseudo_labels.py'), path, source]
            if args.workers is not None:
                command += ['--workers', str(args.workers)]
            if args.device is not None:
                command += ['--device', args.device]
            # Pseudo-labels of a finished training may have been deleted since.
            steps.append(Step(f'pseudo-labels of {name}', command + options, result))
        train = (
            [sys.executable, str(TOOLS / 'train.py'), path]
            if args.gpus == 1
            else ['bash', str(TOOLS / 'dist_train.sh'), path, str(args.gpus)]
        )
        steps.append(Step(f'training of {name}', [*train, '--resume', *options], result))
        made.add(result.resolve())
    return steps


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
