"""Metrics, one file each."""
from .class_subset_iou import ClassSubsetIoU
from .pixel_discrimination import PixelDiscrimination

__all__ = ['ClassSubsetIoU', 'PixelDiscrimination']
