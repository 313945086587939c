"""Checks that a run's data have the classes of its model."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.evaluation.metrics import IoUMetric

from mmdavss.evaluation.class_subset import check_subset
from mmdavss.evaluation.segmentation_tracking_quality import STQMetric
from mmdavss.evaluation.temporal_consistency import TemporalConsistencyMetric
from mmdavss.evaluation.video_consistency import VideoConsistencyMetric
from mmdavss.evaluation.video_panoptic_quality import VPQMetric
from mmdavss.utils.classes import check_classes
from mmdavss.utils.errors import InputError
from mmdavss.utils.wrappers import unwrapped

#: Metrics that need the names of the classes, some of them only after the last batch.
NAMED = (IoUMetric, STQMetric, TemporalConsistencyMetric, VideoConsistencyMetric, VPQMetric)


class ClassCheckHook(Hook):
    """Ends a run before its first batch if a data set has other classes than the model.

    Or if its metrics average over classes, and it does not name these.

    Methods with tensors of one size for each class fail later and say less; scores of a test would
    be wrong in silence.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Checks the data of training and of its evaluation; raises InputError."""
        self._check(runner, 'train_dataloader', runner.train_loop)
        self._check(runner, 'val_dataloader', runner.val_loop)
        self._check_rare(runner)

    def before_test(self, runner: Runner) -> None:
        """Checks the data of the test; raises InputError."""
        self._check(runner, 'test_dataloader', runner.test_loop)

    @staticmethod
    def _check_rare(runner: Runner) -> None:
        """Checks that the patches of rare classes are those that the method expects."""
        data = getattr(getattr(runner.train_loop, 'dataloader', None), 'dataset', None)
        patches = getattr(data, 'rare_patches', None)
        expected = getattr(unwrapped(runner.model), 'rare_classes', None)
        if patches is None or expected is None:
            return
        if patches.classes != sorted(set(expected)):
            raise InputError(
                'train_dataloader.dataset.rare_patches has the classes '
                f'{tuple(patches.classes)}, and model.rare_classes is {tuple(expected)}: make them '
                'the same, or set rare_patches=None and model.rare_classes=().'
            )

    @staticmethod
    def _check(runner: Runner, key: str, loop: Any) -> None:
        loader = getattr(loop, 'dataloader', None)  # there may be no such loop
        metainfo = getattr(getattr(loader, 'dataset', None), 'metainfo', None) or {}
        classes = metainfo.get('classes') or ()
        check_classes(runner.model, len(classes), f'the data set of {key}')
        for metric in getattr(getattr(loop, 'evaluator', None), 'metrics', ()):
            if isinstance(metric, NAMED):
                check_subset(metric, getattr(metric, 'subset', None))
