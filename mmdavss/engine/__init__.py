"""What the training engine needs besides mmengine: data preprocessor, hooks, optimisers."""
from .atomic_backend import AtomicBackend
from .checkpoint import damage, misfits, read_weights
from .data_preprocessor import Clip, DomainDataPreprocessor
from .hooks import (
    AtomicCheckpointHook,
    EMATeacherHook,
    IterationSeedHook,
    MainProcessLoggerHook,
    OnlineStatisticsHook,
    ProxyNetworkHook,
    StopSignalHook,
)
from .player_optim_wrapper import PlayerOptimWrapperConstructor
from .randomness import randomness_of, seed_everything
from .wrappers import unwrapped

__all__ = [
    'AtomicBackend', 'AtomicCheckpointHook', 'Clip', 'DomainDataPreprocessor', 'EMATeacherHook',
    'IterationSeedHook', 'MainProcessLoggerHook', 'OnlineStatisticsHook',
    'PlayerOptimWrapperConstructor', 'ProxyNetworkHook', 'StopSignalHook', 'damage', 'misfits',
    'randomness_of', 'read_weights', 'seed_everything', 'unwrapped'
]
