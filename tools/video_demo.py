"""Segments a video: python tools/video_demo.py VIDEO CONFIG CHECKPOINT --out OUT.mp4

VIDEO is a video file, a folder of frames, the address of a stream (rtsp://, http://), a camera
(/dev/video0) or its number (stop it with Ctrl-C; the video is complete then, too). Any length
works: frames are read, segmented and written one by one.

    python tools/video_demo.py drive.mp4 CONFIG CHECKPOINT --out out.mp4
    python tools/video_demo.py frames/ CONFIG CHECKPOINT --out out.mp4 --masks masks/ --fps 15
    python tools/video_demo.py 0 CONFIG CHECKPOINT --out out.mp4 --frames 500

Two models side by side, for example before and after adaptation:

    python tools/video_demo.py drive.mp4 CONFIG CHECKPOINT --compare CONFIG2 CHECKPOINT2 \
        --titles before after --out out.mp4

Exit code 3: done, but frames of the video are missing (it is truncated or damaged), and
--allow-damaged was not given.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import mmdavss  # noqa: F401
from mmdavss.cli.exits import one_line
from mmdavss.convert.plain_mmseg import read_method_config
from mmdavss.inference.inferencer import VideoSegInferencer
from mmdavss.inference.videos import DAMAGED, VideoReader
from mmdavss.utils.device import device_option
from mmdavss.utils.errors import number_of

FLOWS = dict(config=None, dis=dict(type='DISFlowEstimator'), zero=dict(type='ZeroFlow'))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'video', help='video file, folder of frames, address of a stream, or number of a camera'
    )
    parser.add_argument('config', help='config of this package, or of plain mmseg')
    parser.add_argument(
        'checkpoint', help='checkpoint of any method with the network of the config'
    )
    parser.add_argument('--out', metavar='OUT.mp4', help='video of the overlays')
    parser.add_argument(
        '--masks',
        metavar='DIR',
        help='folder for the class ids of each frame, png files of one channel',
    )
    parser.add_argument(
        '--compare',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='another model beside it; may be given several times',
    )
    parser.add_argument(
        '--titles',
        nargs='+',
        help='titles of the models; default: the folders of the checkpoints',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        help='names of the classes, if a plain mmseg checkpoint lacks them',
    )
    parser.add_argument(
        '--opacity',
        type=float,
        default=0.6,
        help='opacity of the class colours, 0 to 1 (default 0.6)',
    )
    parser.add_argument('--show-input', action='store_true', help='show the input beside it')
    parser.add_argument('--no-legend', action='store_true', help='leave out the class names')
    parser.add_argument('--width', type=int, help='width of each panel; default: that of the video')
    parser.add_argument(
        '--fps',
        type=float,
        help='frames per second of the output; default: those of the input, 10 for a folder',
    )
    parser.add_argument('--frames', type=int, metavar='N', help='only the first N frames')
    parser.add_argument(
        '--flow',
        choices=list(FLOWS),
        default='config',
        help='optical flow for a '
        'network that needs it: as the config says (default; DIS where that reads '
        'files or says nothing), DIS, or none at all',
    )
    parser.add_argument(
        '--device', type=device_option, help='cpu, cuda, cuda:1 ...; default: a GPU if there is one'
    )
    parser.add_argument(
        '--allow-damaged',
        action='store_true',
        help='exit code 0 even if frames of the video are missing',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace existing files')
    return parser


def main() -> None:
    parser = build_parser()
    args = parser.parse_args()
    if args.frames is not None and args.frames < 1:
        parser.error('--frames must be 1 or more')
    models = [(args.config, args.checkpoint), *args.compare]
    with one_line('interrupted: no video is written; the same command starts again'):
        video = VideoReader(args.video, args.frames)
        segment = VideoSegInferencer(
            [read_method_config(*model, args.classes) for model in models],
            [checkpoint for _, checkpoint in models],
            titles=args.titles,
            flow=FLOWS[args.flow],
            device=args.device,
        )
        done = segment(
            video,
            out=args.out,
            masks=args.masks,
            opacity=args.opacity,
            show_input=args.show_input,
            legend=not args.no_legend,
            width=args.width,
            fps=args.fps,
            overwrite=args.overwrite,
        )
    written = ' and '.join(str(Path(path)) for path in (args.out, args.masks) if path)
    print(
        f'{number_of(done["frames"], "frame")} in {done["seconds"]:.1f} s '
        f'({done["fps"]:.1f} frames/s): {written}'
    )
    if done['note']:
        print(f'warning: {done["note"]}', file=sys.stderr)
    if done['damaged'] and not args.allow_damaged:
        raise SystemExit(DAMAGED)


if __name__ == '__main__':
    main()
