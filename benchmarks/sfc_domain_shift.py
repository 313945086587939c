"""Whether SegNet or FlowNet suffers from the domain shift: figure 2 of SFC.

    S=configs/sfc/accel-r18_miniviper2minicity   # or accel_viper2city, whose oracle is accel-sfc_viper2city
    python tools/run_phases.py configs/sfc/flownets_miniviper.py ${S}_source-stage1.py \\
        configs/oracle/accel-sfc-r18_miniviper2minicity_stage1.py \\
        ${S}_figure2-{segnet,flownet}-{source,target}.py
    python benchmarks/sfc_domain_shift.py work_dirs/sfc/accel-r18_miniviper2minicity

One of the two networks of Accel learns on labels of the source or the target, the other one is
fixed; the score is mIoU on the target. Prints a table of the last validations and draws the bars of
figure 2a and 2b. Figure 2c, predictions and flows of the four checkpoints:

    python tools/analysis/panels.py ${S}_figure2-segnet-source.py CHECKPOINT CHECKPOINT \\
        --names source-only target-only
    python tools/analysis/flow.py ${S}_figure2-flownet-source.py CHECKPOINT CHECKPOINT \\
        --names source-only target-only
"""  # noqa: E501

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from mmdavss.analysis.results import last_validation

NETWORKS = dict(segnet='SegNet', flownet='FlowNet')
DOMAINS = dict(target='target-only', source='source-only')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('stem', help='start of the work dirs, before _figure2-...')
    parser.add_argument('--metric', default='mIoU', help='name of the score in the log')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/sfc_figure2.png'))
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    scores = {
        network: [
            last_validation(f'{args.stem}_figure2-{network}-{domain}', args.metric)[args.metric]
            for domain in DOMAINS
        ]
        for network in NETWORKS
    }
    print(f'| learns | {" | ".join(DOMAINS.values())} | drop |\n|---|---|---|---|')
    figure = Figure(figsize=(6, 3), layout='constrained')
    for axes, (network, values) in zip(
        figure.subplots(1, 2, sharey=True), scores.items(), strict=True
    ):
        target, source = values
        print(f'| {NETWORKS[network]} | {target:.1f} | {source:.1f} | {target - source:.1f} |')
        bars = axes.bar([*DOMAINS.values()], values, color=['C0', 'C1'])
        axes.bar_label(bars, fmt='%.1f')
        axes.set(title=NETWORKS[network], ylabel=args.metric)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=120)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
