"""Additions to mmengine's training engine: data preprocessor, hooks, optimisers."""

from mmdavss.structures import Clip
from mmdavss.utils.atomic_backend import AtomicBackend
from mmdavss.utils.checkpoints import (
    CheckpointError,
    bare_names,
    damage,
    misfits,
    noted_checkpoint,
    read_checkpoint,
    read_weights,
)
from mmdavss.utils.distributed import (
    mean_log,
    mean_over_batch,
    mean_over_processes,
    sum_over_processes,
)
from mmdavss.utils.errors import NotFiniteError
from mmdavss.utils.randomness import randomness_of, seed_everything
from mmdavss.utils.work_dir_lock import WorkDirLock
from mmdavss.utils.wrappers import accumulation, unwrapped

from .anchored_optim_wrapper import AnchoredOptimWrapperConstructor
from .bfloat16_optim_wrapper import Bfloat16OptimWrapper
from .data_preprocessor import DomainDataPreprocessor
from .group_poly_lr import GroupPolyLR
from .grouped_data_parallel import GroupedDistributedDataParallel
from .hooks import (
    AtomicCheckpointHook,
    ClassCheckHook,
    CollapseWarningHook,
    CompileNetsHook,
    DataTimeoutHook,
    DeferredInfoHook,
    EMATeacherHook,
    FiniteGuardHook,
    HistoryHook,
    IterationSeedHook,
    LockCheckHook,
    MainProcessLoggerHook,
    MeanPredictionHook,
    OnlineStatisticsHook,
    ProxyNetworkHook,
    ResumeCheckHook,
    RunReportHook,
    SelfTrainingHook,
    StopSignalHook,
    StudentLabelsHook,
)
from .layer_decay_optim_wrapper import LayerDecayOptimWrapperConstructor
from .player_optim_wrapper import PlayerOptimWrapperConstructor

__all__ = [
    'AnchoredOptimWrapperConstructor',
    'AtomicBackend',
    'AtomicCheckpointHook',
    'Bfloat16OptimWrapper',
    'CheckpointError',
    'ClassCheckHook',
    'Clip',
    'CollapseWarningHook',
    'CompileNetsHook',
    'DataTimeoutHook',
    'DeferredInfoHook',
    'DomainDataPreprocessor',
    'EMATeacherHook',
    'FiniteGuardHook',
    'GroupPolyLR',
    'GroupedDistributedDataParallel',
    'HistoryHook',
    'IterationSeedHook',
    'LayerDecayOptimWrapperConstructor',
    'LockCheckHook',
    'MainProcessLoggerHook',
    'MeanPredictionHook',
    'NotFiniteError',
    'OnlineStatisticsHook',
    'PlayerOptimWrapperConstructor',
    'ProxyNetworkHook',
    'ResumeCheckHook',
    'RunReportHook',
    'SelfTrainingHook',
    'StopSignalHook',
    'StudentLabelsHook',
    'WorkDirLock',
    'accumulation',
    'bare_names',
    'damage',
    'mean_log',
    'mean_over_batch',
    'mean_over_processes',
    'misfits',
    'noted_checkpoint',
    'randomness_of',
    'read_checkpoint',
    'read_weights',
    'seed_everything',
    'sum_over_processes',
    'unwrapped',
]
