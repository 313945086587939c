"""Adapts a trained model to your own videos, without labels and without its training data.

    python tools/adapt_video.py CONFIG CHECKPOINT VIDEO [VIDEO ...] --out DIR

CONFIG and CHECKPOINT are of this package or of plain mmseg: any EncoderDecoder whose head ends in
its classifier, with any classes (FCN, PSPNet, DeepLab v2, v3 and v3+, UPerNet, SegFormer, DAFormer,
semantic FPN, ...). VIDEO is a video file, a folder of frames, a camera (/dev/video0, or its number)
or an address (rtsp://, http://); all of them should show the domain that the model will be used in.
From a camera or an endless stream, frames are recorded first (--record).

DIR gets adapted.pth and adapted.py (the adapted model), plain_mmseg/ (the same for plain mmseg),
before_after.mp4, and report.md: a verdict (keep, doubtful or reject) with its reasons, warnings,
how confident and how steady the model is before and after, which classes it predicts more or less
often. Of four checkpoints of the training, the one with the lowest error, estimated without labels,
is kept. An interrupted command continues where it stopped.

Exit code 3: done, but frames of a video are missing (it is truncated or damaged), and
--allow-damaged was not given.
"""

from __future__ import annotations

import argparse
import sys

from mmdavss.adaptation import ADABN_ITERS, METHODS, Settings, adapt
from mmdavss.cli.exits import one_line
from mmdavss.cli.key_values import KeyValues
from mmdavss.inference.videos import DAMAGED
from mmdavss.utils.device import device_option


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Settings()
    parser.add_argument('config', help='config of the model')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument(
        'videos', nargs='+', metavar='VIDEO', help='file, folder of frames, camera, or address'
    )
    parser.add_argument('--out', required=True, metavar='DIR', help='folder of the results')
    parser.add_argument(
        '--method',
        choices=METHODS,
        default=default.method,
        help='stpl (default): contrastive adaptation of the features; self-training: on the '
        'confident labels of the model itself; adabn: batch-norm statistics only, nothing is '
        'trained',
    )
    parser.add_argument(
        '--iters',
        type=int,
        default=default.iters,
        help=f'iterations of training (default {default.iters})',
    )
    parser.add_argument(
        '--adabn-iters',
        type=int,
        help='iterations of AdaBN (batch-norm statistics) before the method (default '
        f'{default.adabn_iters}: none; with --method adabn {ADABN_ITERS})',
    )
    parser.add_argument(
        '--lr', type=float, default=default.lr, help=f'learning rate (default {default.lr})'
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        default=default.batch_size,
        help=f'(default {default.batch_size}); smaller if memory runs out',
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('WIDTH', 'HEIGHT'),
        help='size of the '
        "frames, in training and for all figures (default: that of the config's "
        'test pipeline, but not more than the video has)',
    )
    parser.add_argument(
        '--pairs',
        type=int,
        default=default.pairs,
        help='pairs of successive frames to '
        f'take from each video, evenly spread (default {default.pairs})',
    )
    parser.add_argument(
        '--record',
        type=int,
        default=default.record,
        metavar='FRAMES',
        help=f'frames to record from a camera or an endless stream (default {default.record})',
    )
    parser.add_argument(
        '--preview',
        type=int,
        default=default.preview,
        metavar='FRAMES',
        help=f'length of the before/after video (default {default.preview})',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        help='names of the classes, if a plain mmseg checkpoint lacks them',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=default.workers,
        help=f'processes that load data (default {default.workers})',
    )
    parser.add_argument('--seed', type=int, default=default.seed)
    parser.add_argument(
        '--device', type=device_option, help='cpu, cuda, cuda:1 ...; default: a GPU if there is one'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValues,
        metavar='KEY=VALUE',
        help='replace values of the config: a.b=1 a.c="[1,2]"',
    )
    parser.add_argument(
        '--allow-damaged',
        action='store_true',
        help='exit code 0 even if frames of a video are missing',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace another adaptation in the folder'
    )
    return parser


def main() -> None:
    args = build_parser().parse_args()
    with one_line('interrupted: the same command continues from here'):
        done = adapt(
            args.config,
            args.checkpoint,
            args.videos,
            args.out,
            classes=args.classes,
            cfg_options=args.cfg_options,
            device=args.device,
            overwrite=args.overwrite,
            command=['python', *sys.argv],
            method=args.method,
            iters=args.iters,
            adabn_iters=args.adabn_iters,
            lr=args.lr,
            batch_size=args.batch_size,
            pairs=args.pairs,
            size=tuple(args.size) if args.size else None,
            record=args.record,
            preview=args.preview,
            workers=args.workers,
            seed=args.seed,
        )
    text = done.report.read_text(encoding='utf-8')
    print(text[text.index('## Verdict') : text.index('A guess without labels')])
    print(text[text.index('## Warnings') : text.index('None of this says')])
    print(f'Look at {done.report} and {done.video}.')
    for note in done.notes:
        print(f'warning: {note}', file=sys.stderr)
    if done.damaged and not args.allow_damaged:
        raise SystemExit(DAMAGED)


if __name__ == '__main__':
    main()
