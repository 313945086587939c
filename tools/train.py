"""Train a method: ``python tools/train.py CONFIG``."""

from __future__ import annotations

import argparse
import logging
from contextlib import ExitStack

from mmengine.logging import print_log

from mmdavss.cli.exits import one_line, usage_error
from mmdavss.cli.key_values import KeyValues
from mmdavss.engine import ClassCheckHook, LockCheckHook
from mmdavss.launch.config_file import load_config, require
from mmdavss.launch.faults import explained_faults
from mmdavss.launch.prepare import (
    AMP_WRAPPERS,
    check_hooks,
    check_source_free,
    check_start,
    end_run,
    prepare_run,
    prepare_training,
    run_training,
)
from mmdavss.pseudo_labels.agreement import check_label_settings
from mmdavss.utils.errors import UserError
from mmdavss.utils.processes import is_main_process, take_ranks
from mmdavss.utils.quiet import QuietRunner
from mmdavss.utils.work_dir_lock import WorkDirLock


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description='Train a method')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir', help="output folder; default work_dirs/ and the config's place in configs/"
    )
    parser.add_argument(
        '--resume',
        action='store_true',
        help='continue from the last checkpoint in the output folder, if there is one',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='delete the checkpoints of an earlier run in the output folder and start again',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='fp16',
        choices=list(AMP_WRAPPERS),
        help='automatic mixed precision: fp16 (default), or bf16, which also runs on CPUs',
    )
    parser.add_argument(
        '--compile', action='store_true', help='compile the video nets (torch.compile)'
    )
    parser.add_argument(
        '--channels-last',
        action='store_true',
        help='store features with channels last: faster on CPUs; on GPUs not measured',
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


def main() -> None:
    parser = build_parser()
    args = parser.parse_args()
    take_ranks(args.launcher, args.local_rank)
    logging.raiseExceptions = False  # no traceback from logging if the disk is full
    with one_line('interrupted: --resume continues from the last checkpoint'), ExitStack() as stack:
        lock = None
        with usage_error(parser):
            cfg = load_config(args.config, args.cfg_options, args.work_dir)
            require(cfg, 'model', 'train_dataloader.dataset', 'train_cfg', 'optim_wrapper')
            if is_main_process():
                lock = stack.enter_context(WorkDirLock(cfg.work_dir))
            check_label_settings(cfg)
            prepare_training(
                cfg,
                resume=args.resume,
                overwrite=args.overwrite,
                amp=args.amp,
                compile_nets=args.compile,
                channels_last=args.channels_last,
            )
            prepare_run(cfg, args.launcher)
        try:
            with explained_faults(cfg.work_dir):
                runner = QuietRunner.from_cfg(cfg)
                runner.register_hook(ClassCheckHook())
                if lock is not None:
                    runner.register_hook(LockCheckHook(lock))
                check_source_free(runner.model, cfg)
                check_hooks(runner)
                check_start(runner)
                run_training(runner)
        except UserError as error:
            # Also into the log: perhaps only one of several ranks has the error.
            print_log(f'error: {error}', logger='current', level=logging.ERROR)
            raise SystemExit(1) from None
    end_run()


if __name__ == '__main__':
    main()
