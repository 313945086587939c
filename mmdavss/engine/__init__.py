"""What the training engine needs besides mmengine: data preprocessor, hooks, optimisers."""
from .checkpoint import CheckpointError, misfits, read_checkpoint, read_weights
from .data_preprocessor import Clip, DomainDataPreprocessor
from .hooks import (
    CollapseWarningHook,
    EMATeacherHook,
    FiniteGuardHook,
    MainProcessLoggerHook,
    NotFiniteError,
    OnlineStatisticsHook,
    ProxyNetworkHook,
    ResumeCheckHook,
    RunReportHook,
)
from .player_optim_wrapper import PlayerOptimWrapperConstructor
from .wrappers import unwrapped

__all__ = [
    'CheckpointError', 'Clip', 'CollapseWarningHook', 'DomainDataPreprocessor', 'EMATeacherHook',
    'FiniteGuardHook', 'MainProcessLoggerHook', 'NotFiniteError', 'OnlineStatisticsHook',
    'PlayerOptimWrapperConstructor', 'ProxyNetworkHook', 'ResumeCheckHook', 'RunReportHook',
    'misfits', 'read_checkpoint', 'read_weights', 'unwrapped'
]
