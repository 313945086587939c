"""Data structures shared by data, networks and methods: batches of clips."""

from .clip_sample import ClipSample
from .domain_batch import Clip, DomainBatch, DomainClips, sample_labels

__all__ = ['Clip', 'ClipSample', 'DomainBatch', 'DomainClips', 'sample_labels']
