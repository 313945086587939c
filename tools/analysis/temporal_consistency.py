"""mIoU, TC and consistency of one or several checkpoints, in one table.

The scores of the config's test_evaluator come from its test_dataloader as they do in
tools/test.py; TC and consistency (docs/evaluation.md) from all frames of the same split, for which
no labels are needed. TC depends on the flow, which the table's head names.

    python tools/analysis/temporal_consistency.py CONFIG CHECKPOINT [CHECKPOINT ...] \
        --names source-only I2VDA

The exact flow of a MiniDrive that was made with --flow, occluded pixels left out:

    python tools/analysis/temporal_consistency.py CONFIG CHECKPOINT --provider PrecomputedFlow \
        --options root=data/minidrive/cityscapes/flow frame_root=data/minidrive/cityscapes \
        'template={folder}/{stem}__{stem_b}.flo' \
        --flow-name exact --direction backward --occlusion exact
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from mmengine.config import ConfigDict
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch import nn
from torch.utils.data import DataLoader

from mmdavss.analysis.results import Table
from mmdavss.cli.analysis import CheckpointParser, models, read_config, run
from mmdavss.cli.key_values import KeyValues
from mmdavss.datasets.transforms import LABEL_STEPS
from mmdavss.evaluation.class_subset import check_subset
from mmdavss.evaluation.temporal_consistency import (
    DIRECTIONS,
    MODES,
    OCCLUSIONS,
    TemporalConsistencyMetric,
)
from mmdavss.launch.config_file import check_part, require, type_name, without_pipeline
from mmdavss.utils.files import check_writable, refuse_existing, replace_file
from mmdavss.utils.progress import progress

SCORES = ('mIoU', 'VPQ')


def parse_args() -> argparse.Namespace:
    parser = CheckpointParser(__doc__)
    parser.add_argument('--provider', default='DISFlowEstimator', help='registered flow provider')
    parser.add_argument(
        '--options',
        nargs='+',
        action=KeyValues,
        default={},
        help='arguments of the provider, key=value',
    )
    parser.add_argument('--flow-name', help='name of the flow in the table; default: the provider')
    parser.add_argument(
        '--direction',
        choices=DIRECTIONS,
        default='forward',
        help='backward: flow from each frame to the one before it, as files of '
        'tools/precompute_flow.py and MiniDrive hold it',
    )
    parser.add_argument(
        '--occlusion',
        choices=[name for name in OCCLUSIONS if name],
        help='which pixels to leave out; default: none',
    )
    parser.add_argument(
        '--mode',
        choices=MODES,
        default='nearest',
        help="etc: ETC's evaluation, with its mistakes",
    )
    parser.add_argument('--scale', type=float, default=1.0, help='scale of the frames for the flow')
    parser.add_argument(
        '--frame-distance', type=int, default=1, help='distance between the two frames of a pair'
    )
    parser.add_argument(
        '--subset',
        nargs='+',
        help="classes in the mean of TC; default: those of the config's evaluator, or all",
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the scores there too')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    args = parser.parse_args()
    if args.json is not None:
        refuse_existing([args.json], args.overwrite, '--json')
        check_writable(args.json.parent, 'write the scores elsewhere (--json)')
    return args


def all_frames(loader: ConfigDict, path: str | None = None) -> ConfigDict:
    """A dataloader of the same data set with all of its frames and no labels.

    Args:
        loader: Config of the dataloader.
        path: The config that it is part of, for messages.

    Raises:
        UserError: If the data set is made of others.
    """
    dataset = without_pipeline(path, loader.dataset)
    pipeline = [step for step in loader.dataset.pipeline if type_name(step) not in LABEL_STEPS]
    kept = {key: value for key, value in dataset.items() if key not in ('ann_file', 'label_clips')}
    return ConfigDict(
        loader, dataset=dict(kept, frames='all', with_labels=False, pipeline=pipeline)
    )


@torch.no_grad()
def evaluate(
    model: nn.Module, loader: ConfigDict | DataLoader, metrics: ConfigDict | list | BaseMetric
) -> dict[str, float]:
    """The metrics of a model."""
    batches = Runner.build_dataloader(loader)
    evaluator = Evaluator(metrics)
    evaluator.dataset_meta = batches.dataset.metainfo
    for data in progress('segment', batches, unit='batches'):
        evaluator.process(model.test_step(data), data)
    return evaluator.evaluate(len(batches.dataset))


def main() -> None:
    args = parse_args()
    cfg = read_config(args)
    require(cfg, 'test_dataloader.dataset', 'test_evaluator')
    evaluators = cfg.test_evaluator
    first = evaluators[0] if isinstance(evaluators, list) else evaluators
    flow = dict(type=args.provider, **args.options)
    # Built before the first pass, which takes long, so that mistakes are found at once.
    check_part(MODELS, flow, '--provider')
    temporal = TemporalConsistencyMetric(
        flow=flow,
        subset=args.subset or first.get('subset'),
        **{
            key: getattr(args, key)
            for key in ('flow_name', 'mode', 'direction', 'occlusion', 'scale', 'frame_distance')
        },
    )
    frames = Runner.build_dataloader(all_frames(cfg.test_dataloader, cfg.filename))
    temporal.dataset_meta = frames.dataset.metainfo
    check_subset(temporal, temporal.subset)
    rows = []
    for name, model in models(cfg, args, frames.dataset.metainfo):
        scores = evaluate(model, cfg.test_dataloader, evaluators)
        values = {key: value for key, value in scores.items() if key.split('/')[-1] in SCORES}
        values |= evaluate(model, frames, temporal)
        rows.append((name, values))
    if args.json is not None:
        found = {
            name: {key: float(value) for key, value in values.items()} for name, values in rows
        }
        replace_file(args.json, json.dumps(found, indent=1).encode())
    keys = list(rows[0][1])
    print()
    print(
        Table(
            ['', *keys], [[name, *(f'{values[key]:.2f}' for key in keys)] for name, values in rows]
        ).markdown()
    )


if __name__ == '__main__':
    run(main)
