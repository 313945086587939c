"""Writes the pseudo-labels of a config's target data set, for self-training.

The config names the model that predicts: `pseudo_label_generator.checkpoint`, or else the one that
it starts from, `model.source_checkpoint`; predictions of several are averaged. Its
`pseudo_label_generator` defines which pixels become labels. They are written to
`train_dataloader.dataset.target.pseudo_labels`, or to --out:

    python tools/generate_pseudo_labels.py CONFIG
    python tools/generate_pseudo_labels.py CONFIG CHECKPOINT --workers 8 --score
    python tools/generate_pseudo_labels.py CONFIG CHECKPOINT --device cuda --out data/labels_2

An interrupted run continues where it stopped; the result is the same, and so it is for any number
of workers. Existing pseudo-labels that fit are left unchanged.
"""

from __future__ import annotations

import argparse

from mmengine.registry import init_default_scope

import mmdavss  # noqa: F401
from mmdavss.cli.exits import one_line
from mmdavss.cli.key_values import KeyValues
from mmdavss.launch.config_file import labelling_checkpoints, load_config
from mmdavss.pseudo_labels.generator import PseudoLabelGenerator
from mmdavss.pseudo_labels.scores import score, summary, write_score
from mmdavss.pseudo_labels.target import labelled_target, output_folder
from mmdavss.utils.device import device_option
from mmdavss.utils.work_dir_lock import WorkDirLock


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the self-training')
    parser.add_argument(
        'checkpoint',
        nargs='*',
        help='model that predicts, of any method with this network, if it is not the one that the '
        'config names; of several the predictions are averaged',
    )
    parser.add_argument('--out', metavar='DIR', help='folder of the pseudo-labels')
    parser.add_argument('--workers', type=int, default=1, metavar='N', help='number of processes')
    parser.add_argument(
        '--device',
        type=device_option,
        default='cpu',
        help='cpu (default), cuda (several processes take the devices in turn), cuda:1 ...',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='delete existing pseudo-labels in the folder and make them again',
    )
    parser.add_argument(
        '--score',
        action='store_true',
        help='compare them with the labels of '
        'target_train_labelled: mean IoU where both are, and proportion',
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
    with one_line('interrupted: the same command continues from here'):
        cfg = load_config(args.config, args.cfg_options, None)
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        generator = PseudoLabelGenerator.from_config(cfg)
        checkpoints = args.checkpoint or labelling_checkpoints(cfg)
        out = args.out or output_folder(cfg)
        if args.score:
            labelled_target(cfg)  # fails now rather than after hours
        with WorkDirLock(out, '--out'):
            state = generator.generate(
                cfg, checkpoints, out, args.workers, args.device, args.overwrite
            )
        print(f'{summary(state)}\npseudo-labels: {out}')
        if args.score:
            result = score(cfg, out)
            write_score(out, result)
            print(
                f'P-mIoU {result["p_miou"] or 0:.2f} over {result["classes"]} classes at '
                f'proportion p = {result["proportion"]:.2%} ({result["frames"]} labelled frames)'
            )


if __name__ == '__main__':
    main()
