"""Hooks that schedule a method's updates and keep a run safe."""

from .atomic_checkpoint import AtomicCheckpointHook
from .class_check import ClassCheckHook
from .collapse_warning import CollapseWarningHook
from .compile_nets import CompileNetsHook
from .data_timeout import DataTimeoutHook
from .deferred_log import DeferredInfoHook
from .finite_guard import FiniteGuardHook
from .iteration_seed import IterationSeedHook
from .lock_check import LockCheckHook
from .logger import MainProcessLoggerHook
from .mean_prediction import MeanPredictionHook
from .method_hooks import (
    EMATeacherHook,
    HistoryHook,
    OnlineStatisticsHook,
    ProxyNetworkHook,
    SelfTrainingHook,
    StudentLabelsHook,
)
from .resume_check import ResumeCheckHook
from .run_report import RunReportHook
from .stop_signal import StopSignalHook

__all__ = [
    'AtomicCheckpointHook',
    'ClassCheckHook',
    'CollapseWarningHook',
    'CompileNetsHook',
    'DataTimeoutHook',
    'DeferredInfoHook',
    'EMATeacherHook',
    'FiniteGuardHook',
    'HistoryHook',
    'IterationSeedHook',
    'LockCheckHook',
    'MainProcessLoggerHook',
    'MeanPredictionHook',
    'OnlineStatisticsHook',
    'ProxyNetworkHook',
    'ResumeCheckHook',
    'RunReportHook',
    'SelfTrainingHook',
    'StopSignalHook',
    'StudentLabelsHook',
]
