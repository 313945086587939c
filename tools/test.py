"""Evaluate a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``.

Several checkpoints of one network are scored together, as the mean of their class probabilities
(FDA's multi-band transfer): ``python tools/test.py CONFIG A.pth B.pth C.pth``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmengine.config import Config

from mmdavss.cli.exits import one_line, usage_error
from mmdavss.cli.key_values import KeyValues
from mmdavss.engine import ClassCheckHook
from mmdavss.launch.config_file import load_config, require
from mmdavss.launch.prepare import end_run, prepare_run
from mmdavss.utils.checkpoints import is_missing
from mmdavss.utils.device import device_option
from mmdavss.utils.errors import UserError
from mmdavss.utils.processes import take_ranks
from mmdavss.utils.quiet import QuietRunner


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description='Evaluate a checkpoint, or the mean of several')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoints',
        nargs='+',
        metavar='checkpoint',
        help='checkpoint file; of several the mean of their class probabilities is scored',
    )
    parser.add_argument(
        '--work-dir',
        help="folder of the log; default work_dirs/ and the config's place in configs/",
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder for the predictions: DIR/SEQUENCE/FRAME.png, the class of each pixel',
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='folder for pictures of the predictions, with the same names',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace existing files of --out and --show-dir'
    )
    parser.add_argument(
        '--device', type=device_option, help='cpu, cuda, cuda:1 ...; default: a GPU if there is one'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValues,
        metavar='KEY=VALUE',
        help='replace values of the config: a.b=1 a.c="[1,2]" a.d.0.e=text; text with commas or '
        """brackets in two kinds of quotes: a.d="'x, y'\"""",
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher',
    )
    # Older launchers pass the local rank as an option, newer ones as an environment variable.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def prepare_testing(
    cfg: Config,
    checkpoints: Sequence[str],
    out: str | None,
    show_dir: str | None,
    overwrite: bool = False,
) -> None:
    """Sets the checkpoints and the outputs of a test run in its config.

    Raises:
        UserError: If a checkpoint does not exist or the config cannot be tested.
    """
    for path in checkpoints:
        if is_missing(path):
            raise UserError(f'checkpoint file not found: {path}')
    require(cfg, 'test_dataloader', 'test_evaluator')
    cfg.load_from, *further = checkpoints
    cfg.resume = False
    evaluators = cfg.test_evaluator
    for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
        # mmseg's metric ignores the sequence: frames of the same name would overwrite each other.
        if not evaluator.get('format_only'):
            own = evaluator.pop('output_dir', None)
            out = own if out is None else out
    hooks = []
    if further:
        hooks.append(dict(type='MeanPredictionHook', checkpoints=further))
    if out is not None or show_dir is not None:
        hooks.append(
            dict(type='SavePredictionsHook', out=out, show_dir=show_dir, overwrite=overwrite)
        )
    if hooks:
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), *hooks]


def main() -> None:
    parser = build_parser()
    args = parser.parse_args()
    if args.device is not None and args.launcher != 'none':
        parser.error('--device is for one process; a launcher gives each its own device')
    take_ranks(args.launcher, args.local_rank)
    with usage_error(parser):
        cfg = load_config(args.config, args.cfg_options, args.work_dir)
        require(cfg, 'model', 'test_dataloader.dataset')
        prepare_testing(cfg, args.checkpoints, args.out, args.show_dir, args.overwrite)
        prepare_run(cfg, args.launcher)
    with one_line():
        runner = QuietRunner.from_cfg(cfg)
        if args.device is not None:
            runner.model.to(args.device)
        runner.register_hook(ClassCheckHook())
        runner.test()
    end_run()


if __name__ == '__main__':
    main()
