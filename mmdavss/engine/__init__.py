"""What the training engine needs besides mmengine: the data preprocessor."""
from .data_preprocessor import Clip, DomainDataPreprocessor

__all__ = ['Clip', 'DomainDataPreprocessor']
