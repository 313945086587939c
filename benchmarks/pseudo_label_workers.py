"""Time of tools/generate_pseudo_labels.py by the number of workers, and what the main process does.

    python benchmarks/pseudo_label_workers.py CHECKPOINT [--config CONFIG] [--workers 1 2]

With one worker the main process predicts; with several it only hands out clips. Its CPU time is
then what limits any number of workers. On a busy machine the time on the clock means nothing, and
CPU time little more than a ratio. The masks are compared: they must not depend on the number.
"""

from __future__ import annotations

import argparse
import logging
import resource
import tempfile
import time
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

import mmdavss  # noqa: F401
from mmdavss.pseudo_labels.generator import PseudoLabelGenerator

CONFIG = Path(__file__).parents[1] / 'configs/vat_vst/vst_effnet-lite0_mini.py'


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='of a method with the network of the config')
    parser.add_argument('--config', default=CONFIG)
    parser.add_argument('--workers', type=int, nargs='+', default=(1, 2))
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    init_default_scope('mmseg')
    print('| workers | clock, s | CPU of the main process, s | CPU of workers, s |')
    print('|---|---|---|---|', flush=True)
    made: list[dict[str, bytes]] = []
    for workers in args.workers:
        cfg = Config.fromfile(args.config)
        generator = PseudoLabelGenerator.from_config(cfg)
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic(), time.process_time(), cpu_of_children()
            generator.generate(cfg, args.checkpoint, folder, workers)
            end = time.monotonic(), time.process_time(), cpu_of_children()
            masks = sorted(Path(folder).rglob('*.png'))
            made.append({str(path.relative_to(folder)): path.read_bytes() for path in masks})
        took = (f'{after - before:.1f}' for before, after in zip(start, end, strict=True))
        print(f'| {workers} | ' + ' | '.join(took) + ' |', flush=True)
    if any(masks != made[0] for masks in made):
        raise SystemExit('the masks differ')
    print(f'{len(made[0])} masks, the same each time')


if __name__ == '__main__':
    main()
