default_scope = 'mmseg'
custom_imports = dict(imports=['mmdavss'], allow_failed_imports=False)

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# Another seed: --cfg-options randomness.seed=1
randomness = dict(seed=0)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='MainProcessLoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # The last checkpoint is the result. The one that is best on the validation set of the target
    # was chosen with target labels: it is kept too and must be reported as such.
    checkpoint=dict(
        type='AtomicCheckpointHook',
        by_epoch=False,
        interval=2000,
        max_keep_ckpts=2,
        save_best='mIoU',
    ),
    # A killed and resumed run ends with the same weights as an uninterrupted one:
    # docs/reliability.md
    iteration_seed=dict(type='IterationSeedHook'),
    stop_signal=dict(type='StopSignalHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Ends a run if a disk or network share hangs.
    data_timeout=dict(type='DataTimeoutHook', seconds=900),
    # Stops at a loss that is NaN or infinite.
    finite_guard=dict(type='FiniteGuardHook'),
    resume_check=dict(type='ResumeCheckHook'),
    # Warns if a source-free run loses classes.
    collapse_warning=dict(type='CollapseWarningHook', interval=100),
    # Versions, config, seed, git revision and data of a run: report.json beside the log.
    run_report=dict(type='RunReportHook'),
)

# TensorBoard: visualizer = dict(vis_backends=[dict(type='TensorboardVisBackend')])
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends)
log_processor = dict(by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
