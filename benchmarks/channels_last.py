"""CPU time of training steps with channels last (``tools/train.py --channels-last``) and without.

    python benchmarks/channels_last.py
    python benchmarks/channels_last.py hrda/effnet-lite0_mini daformer/effnet-lite0_mini

Random content at the size of the configs, one thread, both forms alternating in one process.
"""

from __future__ import annotations

import argparse

from full_size import quiet
from gpu_check import RealConfig
from medians import medians, one_thread

from mmdavss.utils.memory_format import use_channels_last

CONFIGS = (
    'source_only/effnet-lite0_mini2camvid',
    'stpl/accel-effnet-lite0_mini2camvid',
    'dacs/effnet-lite0_mini2camvid',
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='*', default=CONFIGS, help='names below configs/')
    parser.add_argument('--rounds', type=int, default=7)
    args = parser.parse_args()
    one_thread()
    quiet()
    for name in args.configs:
        steps = {}
        for form in ('as usual', 'channels last'):
            config = RealConfig(name, 'cpu')
            if form == 'channels last':
                use_channels_last(config.model)
            steps[form] = config.steps()[1]
        times = medians(steps, args.rounds)
        usual, last = times['as usual'], times['channels last']
        print(f'{name}: {usual:.0f} ms, channels last {last:.0f} ms, ratio {last / usual:.2f}')


if __name__ == '__main__':
    main()
