"""Mean IoU over the classes that a benchmark reports."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.logging import print_log
from mmseg.evaluation.metrics import IoUMetric
from mmseg.registry import METRICS

from .class_subset import check_subset, classes_of
from .samples import check_label

ABSENT = ('nan', 'zero')


@METRICS.register_module()
class ClassSubsetIoU(IoUMetric):
    """:class:`mmseg.IoUMetric` with the conventions of domain-adaptive video segmentation.

    The IoU of each class comes from the full confusion matrix, so that predicting a class outside
    `subset` is still an error for the true class; only the mean is restricted to `subset`
    (SYNTHIA-Seq to Cityscapes-Seq trains 12 classes and reports 11, without fence).

    Args:
        subset: Names of the classes in the mean, or None for all.
        absent: Value of a class that is neither labelled nor predicted: ``nan`` leaves it out of
            the mean (mmseg, DA-VSN, TPS), ``zero`` counts it as 0 (SFC).
        per_class: Whether to return the class values too, as ``IoU.<class>``.
        kwargs: Passed to :class:`mmseg.IoUMetric`, except ``nan_to_num``.
    """

    def __init__(
        self,
        subset: Sequence[str] | None = None,
        absent: str = 'nan',
        per_class: bool = False,
        **kwargs,
    ) -> None:
        if absent not in ABSENT:
            raise ValueError(f'ClassSubsetIoU: absent={absent!r} is not one of {ABSENT}.')
        super().__init__(nan_to_num=0 if absent == 'zero' else None, **kwargs)
        self.subset = None if subset is None else tuple(subset)
        self.absent = absent
        self.per_class = per_class

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Same as in mmseg, for samples with labels.

        Raises:
            ValueError: If a sample lacks its label, or its prediction has another size.
        """
        if not self.format_only:
            for sample in data_samples:
                check_label(self, sample)
        super().process(data_batch, data_samples)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Same as in mmseg, with means over the subset, in percent."""
        metrics = super().compute_metrics(results)
        if self.format_only:
            return metrics
        classes, subset = classes_of(self), check_subset(self, self.subset)
        rows = [classes.index(name) for name in subset]
        intersect, union, predicted, labelled = (sum(c) for c in zip(*results, strict=True))
        values = self.total_area_to_metrics(
            intersect, union, predicted, labelled, self.metrics, self.nan_to_num, self.beta
        )
        values.pop('aAcc')
        for name, value in values.items():
            metrics[f'm{name}'] = np.round(np.nanmean(value[rows]) * 100, 2)
            if self.per_class and name == 'IoU':
                metrics.update(
                    {f'IoU.{classes[row]}': np.round(value[row] * 100, 2) for row in rows}
                )
        print_log(
            f'means over {len(rows)} of {len(classes)} classes, absent classes '
            + ('left out' if self.absent == 'nan' else 'counted as 0'),
            'current',
        )
        return metrics
