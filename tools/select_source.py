"""Selects the source frames and pixels that are like the target, for CCM.

The config's `source_selection` defines how. It needs the pseudo-labels of the target
(tools/generate_pseudo_labels.py) and the model that has made them. The frames and what is left of
their labels are written to `train_dataloader.dataset.source.pseudo_labels`:

    python tools/select_source.py CONFIG
    python tools/select_source.py CONFIG --workers 8 --device cuda

An interrupted selection begins anew; one that fits is left unchanged.
"""

from __future__ import annotations

import argparse

import mmdavss  # noqa: F401
from mmdavss.cli.exits import one_line
from mmdavss.cli.key_values import KeyValues
from mmdavss.launch.config_file import load_config
from mmdavss.pseudo_labels.source_selection import SourceSelection, source_folder
from mmdavss.utils.device import device_option
from mmdavss.utils.work_dir_lock import WorkDirLock


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the self-training')
    parser.add_argument('--workers', type=int, default=1, metavar='N', help='number of processes')
    parser.add_argument(
        '--device',
        type=device_option,
        default='cpu',
        help='cpu (default), cuda (several processes take the devices in turn), cuda:1 ...',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='delete an existing selection and make it again'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValues,
        metavar='KEY=VALUE',
        help='replace values of the config',
    )
    args = parser.parse_args()
    if args.workers < 1:
        parser.error('--workers must be 1 or more')
    return args


def main() -> None:
    args = parse_args()
    with one_line('interrupted: the same command begins anew'):
        cfg = load_config(args.config, args.cfg_options, None)
        selection = SourceSelection.from_config(cfg)
        out = source_folder(cfg)
        with WorkDirLock(out, 'train_dataloader.dataset.source.pseudo_labels'):
            state = selection.select(cfg, args.workers, args.device, args.overwrite)
        for name, kept, pixels in zip(
            state['classes'], state['kept'], state['predicted'], strict=True
        ):
            print(f'{name:15} {kept / pixels if pixels else 0:7.2%} of {pixels} pixels')
        print(f'source frames: {out}')


if __name__ == '__main__':
    main()
