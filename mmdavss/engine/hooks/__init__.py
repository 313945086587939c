"""Hooks: when a method updates what it owns, and what keeps a run safe."""
from .atomic_checkpoint import AtomicCheckpointHook
from .compile_nets import CompileNetsHook
from .ema_teacher import EMATeacherHook
from .iteration_seed import IterationSeedHook
from .logger import MainProcessLoggerHook
from .online_statistics import OnlineStatisticsHook
from .proxy_network import ProxyNetworkHook
from .stop_signal import StopSignalHook

__all__ = [
    'AtomicCheckpointHook',
    'CompileNetsHook',
    'EMATeacherHook',
    'IterationSeedHook',
    'MainProcessLoggerHook',
    'OnlineStatisticsHook',
    'ProxyNetworkHook',
    'StopSignalHook',
]
