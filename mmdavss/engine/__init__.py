"""What the training engine needs besides mmengine: the data preprocessor and the hooks."""
from .data_preprocessor import Clip, DomainDataPreprocessor
from .hooks import EMATeacherHook, OnlineStatisticsHook

__all__ = ['Clip', 'DomainDataPreprocessor', 'EMATeacherHook', 'OnlineStatisticsHook']
