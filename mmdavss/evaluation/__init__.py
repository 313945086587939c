"""Metrics, one file each."""
from .class_subset_iou import ClassSubsetIoU

__all__ = ['ClassSubsetIoU']
