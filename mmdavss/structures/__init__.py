"""What passes between data, networks and methods: batches of clips."""

from .clip import Clip
from .domain_batch import DomainBatch, DomainClips

__all__ = ['Clip', 'DomainBatch', 'DomainClips']
