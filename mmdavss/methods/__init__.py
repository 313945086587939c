"""Methods: one file is one paper. A method trains a video net, its ``student``."""
from .adabn import AdaBN
from .base import BaseAdapter
from .self_training import SelfTraining
from .source_only import SourceOnly
from .stpl import STPL

__all__ = ['AdaBN', 'BaseAdapter', 'STPL', 'SelfTraining', 'SourceOnly']
