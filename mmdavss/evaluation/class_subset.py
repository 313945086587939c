"""Helpers for metrics over a subset of a data set's classes."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.evaluator import BaseMetric

from mmdavss.utils.classes import class_names


def classes_of(metric: BaseMetric) -> tuple[str, ...]:
    """Names of the classes in a metric's labels.

    Raises:
        ValueError: If ``dataset_meta`` of the metric is not set, or the data set names no classes.
    """
    if metric.dataset_meta is None:
        raise ValueError(f'{type(metric).__name__}: `dataset_meta` is not set.')
    return class_names(metric.dataset_meta, f'{type(metric).__name__}: the data set')


def check_subset(metric: BaseMetric, subset: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the classes to average over: `subset`, or all classes for None.

    Raises:
        ValueError: If a name is not one of the data set's classes, or is there twice, or there is
            none, or the data set has none.
    """
    classes = classes_of(metric)
    if subset is not None and not len(set(subset)) == len(subset) > 0:
        raise ValueError(
            f'{type(metric).__name__}: `subset` {tuple(subset)} must name one class or more, each '
            'once.'
        )
    unknown = set(subset or ()) - set(classes)
    if unknown:
        raise ValueError(
            f'{type(metric).__name__}: {sorted(unknown)} of `subset` are not among the '
            f"data set's classes {classes}."
        )
    return classes if subset is None else tuple(subset)
