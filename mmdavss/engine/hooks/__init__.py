"""Hooks: they decide when a method updates what it owns."""
from .compile_nets import CompileNetsHook
from .ema_teacher import EMATeacherHook
from .logger import MainProcessLoggerHook
from .online_statistics import OnlineStatisticsHook
from .proxy_network import ProxyNetworkHook

__all__ = [
    'CompileNetsHook',
    'EMATeacherHook',
    'MainProcessLoggerHook',
    'OnlineStatisticsHook',
    'ProxyNetworkHook',
]
