"""Generates MiniDrive, a miniature of nine data sets that needs no download.

    python tools/make_minidrive.py data/minidrive

writes data/minidrive/{viper,synthia_seq,cityscapes,gta,synthia_rand,cityscapes_vps,camvid}, and
with --acdc also data/minidrive/acdc, with --shift also data/minidrive/shift. The same settings give
the same bytes on one kind of CPU with the same versions of NumPy, OpenCV and Pillow. On another
CPU, a few pixels may differ by one grey level; what other versions change is not known. Missing
parts of a MiniDrive with the same settings are added; nothing else is changed.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from mmdavss.cli.exits import exit_status
from mmdavss.minidrive.generate import PRESETS, ROOTS, Settings, generate
from mmdavss.minidrive.sheet import contact_sheet
from mmdavss.utils.files import refuse_existing
from mmdavss.utils.processes import cores
from mmdavss.utils.work_dir_lock import WorkDirLock


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition('x')
    if not (cross and width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f'{text!r} is not WIDTHxHEIGHT, for example 256x128')
    return int(width), int(height)


def _span(text: str) -> tuple[int, int]:
    first, dash, last = text.partition('-')
    if not (dash and first.isdigit() and last.isdigit()):
        raise argparse.ArgumentTypeError(f'{text!r} is not FIRST-LAST, for example 17-19')
    return int(first), int(last)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line; options that are not given are None, so that the preset decides."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path, nargs='?', help='folder to write to')
    parser.add_argument(
        '--preset',
        choices=sorted(PRESETS),
        default='demo',
        help='values of all options that are not given (default: demo)',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        choices=ROOTS,
        default=ROOTS,
        metavar='NAME',
        help=f'data sets to write, of {", ".join(ROOTS)} (default: all); '
        'the same command without it adds the others',
    )
    parser.add_argument(
        '--size',
        type=_size,
        metavar='WxH',
        help='size of the Cityscapes frames; '
        'the others have the same width and their own aspect ratio',
    )
    parser.add_argument('--seed', type=int)
    parser.add_argument('--viper', type=int, metavar='N', help='VIPER training sequences')
    parser.add_argument('--viper-val', type=int, metavar='N', help='VIPER validation sequences')
    parser.add_argument(
        '--viper-frames', type=int, metavar='N', help='frames of each VIPER sequence'
    )
    parser.add_argument('--synthia', type=int, metavar='N', help='frames of the SYNTHIA-Seq drive')
    parser.add_argument('--cityscapes', type=int, metavar='N', help='Cityscapes training snippets')
    parser.add_argument('--cityscapes-val', type=int, metavar='N', help='and validation snippets')
    parser.add_argument(
        '--snippet-frames',
        type=_span,
        metavar='A-B',
        help='frames that are rendered of the 30 (0-29) of a snippet; number 19 has the label',
    )
    parser.add_argument('--gta', type=int, metavar='N', help='GTAV images')
    parser.add_argument(
        '--synthia-rand', type=int, metavar='N', help='SYNTHIA-RAND-CITYSCAPES images'
    )
    parser.add_argument(
        '--cityscapes-vps', type=int, metavar='N', help='Cityscapes-VPS training clips'
    )
    parser.add_argument('--cityscapes-vps-val', type=int, metavar='N', help='and validation clips')
    parser.add_argument(
        '--clip-frames',
        type=_span,
        metavar='A-B',
        help='frames that are rendered '
        'of the 30 (0-29) of these clips; 4, 9, 14, 19, 24 and 29 have labels',
    )
    parser.add_argument(
        '--camvid', type=int, metavar='N', help='CamVid sequences, each with a look of its own'
    )
    parser.add_argument('--camvid-frames', type=int, metavar='N', help='frames of each of them')
    parser.add_argument(
        '--camvid-size', type=_size, metavar='WxH', help='size of these frames (demo: 320x240)'
    )
    parser.add_argument(
        '--acdc',
        type=int,
        metavar='N',
        help='ACDC training images of each condition, fog, night, rain and snow (demo: 0)',
    )
    parser.add_argument(
        '--shift',
        type=int,
        metavar='N',
        help='SHIFT training sequences of each kind: day to night and back, clear to foggy and '
        'back, and always clear, foggy or night (demo: 0)',
    )
    parser.add_argument('--shift-frames', type=int, metavar='N', help='frames of each of them')
    parser.add_argument(
        '--flow',
        action='store_true',
        default=None,
        help='also write the exact '
        'flow to the previous frame (.flo) and where it is visible there (.png)',
    )
    parser.add_argument('--processes', type=int, default=cores(), metavar='N')
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a MiniDrive that was made with other settings, and the --contact-sheet',
    )
    parser.add_argument(
        '--contact-sheet',
        type=Path,
        metavar='PNG',
        help='draw a picture of both '
        'looks with labels, flow and occlusion; without OUT nothing else is made',
    )
    args = parser.parse_args(argv)
    if args.out is None and args.contact_sheet is None:
        parser.error('give the folder to write to, or --contact-sheet')
    if args.processes < 1:
        parser.error(f'--processes: {args.processes} is less than 1')
    return args


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: make(args), 'interrupted: run the same command again')


def make(args: argparse.Namespace) -> None:
    """Writes the data and the contact sheet, as requested."""
    if args.contact_sheet is not None:
        refuse_existing([args.contact_sheet], args.overwrite, '--contact-sheet')
    names = [field.name for field in dataclasses.fields(Settings)]
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    settings = dataclasses.replace(PRESETS[args.preset], **given)
    if args.out is not None:
        with WorkDirLock(args.out, 'another OUT'):
            if generate(args.out, settings, args.processes, args.overwrite, only=args.only):
                print(f'wrote {args.out}')
            else:
                print(f'{args.out} already holds this MiniDrive, nothing to do')
    if args.contact_sheet is not None:
        contact_sheet(args.contact_sheet)
        print(f'wrote {args.contact_sheet}')


if __name__ == '__main__':
    sys.exit(main())
