"""Metrics, one file each."""

from .class_subset_iou import ClassSubsetIoU
from .feature_space import class_variances, neighbour_purity
from .health import Health, HealthFigures
from .pixel_discrimination import PixelDiscrimination
from .save_predictions import SavePredictionsHook
from .temporal_consistency import TemporalConsistencyMetric
from .verdict import Verdict, judge
from .video_panoptic_quality import VPQMetric

__all__ = [
    'ClassSubsetIoU',
    'Health',
    'HealthFigures',
    'PixelDiscrimination',
    'SavePredictionsHook',
    'TemporalConsistencyMetric',
    'VPQMetric',
    'Verdict',
    'class_variances',
    'judge',
    'neighbour_purity',
]
