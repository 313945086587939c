"""What the training engine needs besides mmengine: data preprocessor, hooks, optimisers."""
from .bfloat16_optim_wrapper import Bfloat16OptimWrapper
from .checkpoint import misfits, read_weights
from .data_preprocessor import Clip, DomainDataPreprocessor
from .distributed import mean_log, mean_over_batch, mean_over_processes, sum_over_processes
from .hooks import (
    CompileNetsHook,
    EMATeacherHook,
    MainProcessLoggerHook,
    OnlineStatisticsHook,
    ProxyNetworkHook,
)
from .player_optim_wrapper import PlayerOptimWrapperConstructor
from .wrappers import unwrapped

__all__ = [
    'Bfloat16OptimWrapper', 'Clip', 'CompileNetsHook', 'DomainDataPreprocessor', 'EMATeacherHook',
    'MainProcessLoggerHook', 'OnlineStatisticsHook', 'PlayerOptimWrapperConstructor',
    'ProxyNetworkHook', 'mean_log', 'mean_over_batch', 'mean_over_processes', 'misfits',
    'read_weights', 'sum_over_processes', 'unwrapped'
]
