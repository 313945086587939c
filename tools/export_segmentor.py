"""Exports an adapted model to plain mmseg: a config and a checkpoint that do not need this package.

    python tools/export_segmentor.py CONFIG CHECKPOINT --out DIR

DIR/segmentor.py and DIR/segmentor.pth predict the same as the adapted model, bit for bit:

    from mmseg.apis import init_model, inference_model
    model = init_model('DIR/segmentor.py', 'DIR/segmentor.pth', device='cpu')
    labels = inference_model(model, 'image.png').pred_sem_seg.data[0]

A video net that joins frames (Accel, DFF, ...) has no equivalent in plain mmseg. --per-frame-part
exports only its segmentor of the current frame, which predicts differently.
"""

from __future__ import annotations

import argparse

import mmdavss  # noqa: F401
from mmdavss.cli.exits import one_line
from mmdavss.convert.plain_mmseg import export_segmentor, read_method_config


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the method')
    parser.add_argument('checkpoint', help='checkpoint of any method with that network')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder of the export')
    parser.add_argument(
        '--per-frame-part',
        action='store_true',
        help='for a video net that joins frames: export only its segmentor of the current frame',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an existing export')
    args = parser.parse_args()
    with one_line():
        cfg = read_method_config(args.config, args.checkpoint)
        export = export_segmentor(
            cfg, args.checkpoint, args.out, args.per_frame_part, args.overwrite
        )
    print('\n'.join(map(str, export.files)))


if __name__ == '__main__':
    main()
