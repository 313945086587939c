"""Parts that methods share."""
from .fusion import STAM, AddFusion, ConcatFusion, ConvFusion
from .projection import ProjectionHead
from .pseudo_labels import class_entropy, most_confident

__all__ = ['STAM', 'AddFusion', 'ConcatFusion', 'ConvFusion', 'ProjectionHead', 'class_entropy',
           'most_confident']
