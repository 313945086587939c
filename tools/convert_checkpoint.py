"""Converts a checkpoint of another project for this package.

    python tools/convert_checkpoint.py FORMAT CONFIG CHECKPOINT --out FILE

FORMAT is where the checkpoint is from:

    advent       ADVENT: DeepLab-v2             configs/source_only/deeplabv2-r101_viper2city.py
    adaptsegnet  AdaptSegNet, PixMatch, UR:     configs/adaptsegnet/deeplabv2-r101_gta2city.py,
                 DeepLab-v2 of two dilations    both heads with dilations=(6, 12)
    davsn        DA-VSN                         configs/davsn/accel_viper2city.py
    tps          TPS                            configs/tps/accel_viper2city.py
    sfc          SFC                            configs/sfc/accel_viper2city_source-stage2.py
    sepico       SePiCo (mmseg 0.x)             configs/sepico/distcl_deeplabv2-r101_gta2city.py
    daformer     DAFormer (mmseg 0.x)           configs/dacs/daformer-mitb5_gta2city.py

CONFIG is any config with the same network and number of classes; the right column has one that
fits. FILE works as `model.source_checkpoint` and with all tools. The published networks expect
images as the configs provide them: Caffe's BGR without scaling for all but sepico and daformer.
"""

from __future__ import annotations

import argparse

import mmdavss  # noqa: F401
from mmdavss.cli.exits import one_line
from mmdavss.convert.checkpoints import FORMATS, convert_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('format', choices=list(FORMATS), metavar='FORMAT', help=', '.join(FORMATS))
    parser.add_argument('config', help='config with the same network')
    parser.add_argument('checkpoint', help='the published file')
    parser.add_argument('--out', required=True, metavar='FILE', help='the new file')
    parser.add_argument(
        '--teacher',
        action='store_true',
        help='for sepico and daformer: the EMA teacher instead of the student',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    args = parser.parse_args()
    with one_line():
        done = convert_checkpoint(
            args.format, args.config, args.checkpoint, args.out, args.teacher, args.overwrite
        )
    print(f'{args.out}: {len(done.state) - len(done.filled)} tensors of {args.checkpoint}')
    for what, names in (
        ('left out, not needed to predict', done.dropped),
        ('not in it, left as initialised (not needed to predict)', done.filled),
    ):
        if names:
            groups = sorted({'.'.join(name.split('.')[:2]) for name in names})
            print(
                f'{what}: {len(names)} tensors of {", ".join(groups[:8])}'
                f'{" ..." if len(groups) > 8 else ""}'
            )


if __name__ == '__main__':
    main()
