"""How right pseudo-labels are before and after their refinement by the video.

    python benchmarks/refined_labels.py --config configs/dacs/effnet-lite0_mini_refined.py \
        --source-checkpoint work_dirs/source_only/effnet-lite0_mini/iter_600.pth \
        --checkpoint work_dirs/dacs/effnet-lite0_mini_refined/iter_250.pth

The labels are those that the method trains on, by the teacher at the beginning (the source model)
and, with --checkpoint, at the end, compared with the target's labels, which training does not see.
Prints a table of each mode of LabelRefinement.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint, set_random_seed
from mmseg.registry import DATASETS, MODELS
from torch import Tensor
from tqdm import tqdm

import mmdavss  # noqa: F401
from mmdavss.evaluation.video_panoptic_quality import confusion_with_void
from mmdavss.methods.dacs import DACS
from mmdavss.modules.label_refinement import IGNORE, MODES
from mmdavss.structures import DomainClips


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', required=True, help='of a method with model.refinement')
    parser.add_argument('--source-checkpoint', required=True, help='that it starts from')
    parser.add_argument('--checkpoint', help='that it ended with')
    parser.add_argument('--batches', type=int, default=40)
    return parser.parse_args()


def target_batches(cfg: Config, count: int) -> Iterator[dict]:
    """Batches of labelled target clips, drawn as in training."""
    own = cfg.train_dataloader.dataset.target.copy()
    own.with_labels = True
    own.pipeline.insert(1, dict(type='LoadClipAnnotations'))
    dataset = DATASETS.build(own)
    size = cfg.train_dataloader.batch_size
    drawn = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    for first in range(count):
        picked = [drawn[(first * size + i) % len(drawn)] for i in range(size)]
        yield pseudo_collate([dataset[i] for i in picked])


class Counts:
    """Counts of pixels: of labels against the truth, of changed labels.

    Args:
        classes: Number of classes.
    """

    def __init__(self, classes: int) -> None:
        self.confusion = np.zeros((classes + 1, classes + 1), np.int64)
        self.changed = torch.zeros(3, dtype=torch.int64)

    def add(self, labels: Tensor, before: Tensor, truth: Tensor) -> None:
        """Adds labels (N, H, W), those before the refinement, and the truth."""
        self.confusion += confusion_with_void(labels, truth, len(self.confusion) - 1)
        known = truth != IGNORE
        labels, before, truth = labels[known], before[known], truth[known]
        changed = (labels != before) & (labels != IGNORE)
        right = torch.stack([before[changed] == truth[changed], labels[changed] == truth[changed]])
        self.changed += torch.tensor([changed.sum(), *right.sum(1)])

    def row(self) -> str:
        """Cells: labelled, right ones of these, mean IoU, changed, right before and after."""
        known = self.confusion[:-1]
        total, labelled = known.sum(), known[:, :-1]
        hits = labelled.diagonal()
        union = labelled.sum(0) + labelled.sum(1) - hits
        present = union > 0
        iou = (hits[present] / union[present]).mean()
        changed, before, after = self.changed.tolist()
        cells = [labelled.sum() / total, hits.sum() / labelled.sum(), iou, changed / total]
        cells += [before / max(changed, 1), after / max(changed, 1)]
        return ' | '.join(f'{100 * float(cell):.1f}' for cell in cells)


@torch.no_grad()
def main() -> None:
    args = parse_args()
    MMLogger.get_instance('mmdavss', log_level='WARNING')  # not the origin of each weight
    init_default_scope('mmseg')
    cfg = Config.fromfile(args.config)
    cfg.model.source_checkpoint = args.source_checkpoint
    model: DACS = MODELS.build(cfg.model)
    model.init_weights()
    moments = ['beginning'] if args.checkpoint is None else ['beginning', 'end']
    print('| teacher | labels | labelled | right | mIoU | changed | right before | right after |')
    print('|---|---|---|---|---|---|---|---|')
    for name in moments:
        set_random_seed(0)  # the same flips and crops each time
        if name == 'end':
            load_checkpoint(model, args.checkpoint, 'cpu', strict=True, logger='silent')
        model.train()
        refinements = {mode: MODELS.build(dict(cfg.model.refinement, mode=mode)) for mode in MODES}
        counts = {mode: Counts(model.num_classes) for mode in ('the teacher', *MODES)}
        for data in tqdm(target_batches(cfg, args.batches), total=args.batches, desc=name):
            made = model.data_preprocessor(data, training=True)
            target = DomainClips(made['inputs'], made['data_samples'])
            truth = target.labels
            for mode, refinement in refinements.items():
                model.refinement = refinement
                found = model.target(target)
                assert found.refined is not None
                counts[mode].add(found.refined[0], found.labels, truth)
            counts['the teacher'].add(found.labels, found.labels, truth)
        for mode, own in counts.items():
            print(f'| {name} | {mode} | {own.row()} |', flush=True)


if __name__ == '__main__':
    main()
