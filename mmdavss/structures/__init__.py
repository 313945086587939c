"""Data structures shared by data, networks and methods: batches of clips."""

from .domain_batch import Clip, DomainBatch, DomainClips, sample_labels

__all__ = ['Clip', 'DomainBatch', 'DomainClips', 'sample_labels']
