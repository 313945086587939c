"""Metrics, one file each."""

from .class_subset_iou import ClassSubsetIoU
from .feature_space import class_variances, neighbour_purity
from .health import Health, HealthFigures
from .pixel_discrimination import PixelDiscrimination
from .save_predictions import SavePredictionsHook
from .segmentation_tracking_quality import STQMetric
from .temporal_consistency import TemporalConsistencyMetric
from .verdict import Verdict, judge
from .video_consistency import VideoConsistencyMetric
from .video_panoptic_quality import VPQMetric

__all__ = [
    'ClassSubsetIoU',
    'Health',
    'HealthFigures',
    'PixelDiscrimination',
    'STQMetric',
    'SavePredictionsHook',
    'TemporalConsistencyMetric',
    'VPQMetric',
    'Verdict',
    'VideoConsistencyMetric',
    'class_variances',
    'judge',
    'neighbour_purity',
]
