"""Hooks: they decide when a method updates what it owns, and watch over the run."""
from .collapse_warning import CollapseWarningHook
from .ema_teacher import EMATeacherHook
from .finite_guard import FiniteGuardHook, NotFiniteError
from .logger import MainProcessLoggerHook
from .online_statistics import OnlineStatisticsHook
from .proxy_network import ProxyNetworkHook
from .resume_check import ResumeCheckHook
from .run_report import RunReportHook

__all__ = [
    'CollapseWarningHook',
    'EMATeacherHook',
    'FiniteGuardHook',
    'MainProcessLoggerHook',
    'NotFiniteError',
    'OnlineStatisticsHook',
    'ProxyNetworkHook',
    'ResumeCheckHook',
    'RunReportHook',
]
