"""What the training engine needs besides mmengine: data preprocessor, hooks, optimisers."""
from .checkpoint import misfits, read_weights
from .data_preprocessor import Clip, DomainDataPreprocessor
from .hooks import (
    EMATeacherHook,
    MainProcessLoggerHook,
    OnlineStatisticsHook,
    ProxyNetworkHook,
)
from .player_optim_wrapper import PlayerOptimWrapperConstructor
from .wrappers import unwrapped

__all__ = [
    'Clip', 'DomainDataPreprocessor', 'EMATeacherHook', 'MainProcessLoggerHook',
    'OnlineStatisticsHook', 'PlayerOptimWrapperConstructor', 'ProxyNetworkHook', 'misfits',
    'read_weights', 'unwrapped'
]
