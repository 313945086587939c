"""Data structures shared by data, networks and methods: batches of clips."""

from .domain_batch import Clip, DomainBatch, DomainClips

__all__ = ['Clip', 'DomainBatch', 'DomainClips']
