"""Configs of the training stages and of the adapted model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdavss.convert.plain_mmseg import as_plain, leave_out_downloads, resize_options
from mmdavss.launch.config_file import imports_of

from .frame_size import resize_step
from .frames import CLIPS
from .settings import Settings


def method_model(cfg: Config, **options: Any) -> dict:
    """Config of a method with the network of a given model; it predicts as that model does.

    Args:
        cfg: Config of the model.
        options: Type and arguments of the method.
    """
    student = as_plain(cfg.model.student)
    # Its weights come from a checkpoint: nothing is downloaded.
    student['allow_random_init'] = True
    leave_out_downloads({k: v for k, v in student.items() if 'segmentor' in k})
    shared = dict(student=student, data_preprocessor=as_plain(cfg.model.data_preprocessor))
    if cfg.model.get('resize_to_input'):
        shared['resize_to_input'] = True
    if cfg.model.get('flow') is not None:
        shared['flow'] = as_plain(cfg.model.flow)
    return dict(shared, **options)


def adabn_model(cfg: Config, checkpoint: str) -> dict:
    """Config of AdaBN.

    Args:
        cfg: Config of the model.
        checkpoint: Weights that it starts from.
    """
    return method_model(cfg, source_checkpoint=checkpoint, type='AdaBN')


def stpl_model(cfg: Config, checkpoint: str) -> dict:
    """Config of STPL with the small recipe, configs/_base_/methods/stpl_effnet-lite0.py.

    Args:
        cfg: Config of the model.
        checkpoint: Weights that it starts from.
    """
    return method_model(
        cfg,
        source_checkpoint=checkpoint,
        type='STPL',
        fusion=dict(type='STAM'),
        projection=dict(type='ProjectionHead', hidden_channels=256, channels=128),
        loss=dict(type='STPLLoss', temperature=0.07, denominator='negatives'),
        contrast='spatio_temporal',
        confident_ratio=0.7,
        norm_eval=True,
    )


def self_training_model(cfg: Config, checkpoint: str) -> dict:
    """Config of self-training, configs/_base_/methods/self-training_effnet-lite0.py.

    Args:
        cfg: Config of the model.
        checkpoint: Weights that it starts from.
    """
    return method_model(
        cfg,
        source_checkpoint=checkpoint,
        type='SelfTraining',
        confident_ratio=0.7,
        norm_eval=True,
    )


def checkpoint_interval(iters: int) -> int:
    """Iterations from one checkpoint of a stage to the next: at most four are made."""
    return -(-iters // 4)


def checkpoint_iterations(iters: int) -> list[int]:
    """Iterations after which a stage of `iters` iterations has a checkpoint."""
    return [*range(checkpoint_interval(iters), iters, checkpoint_interval(iters)), iters]


def custom_imports(cfg: Config) -> dict:
    """The ``custom_imports`` of a config, with this package."""
    own = imports_of(cfg)
    return dict(own, imports=[*dict.fromkeys(['mmdavss', *own['imports']])])


def adapted_config(cfg: Config, sized: Config) -> Config:
    """Config of the adapted model.

    Args:
        cfg: Config of the model.
        sized: The same, with a test pipeline for the size of the frames.
    """
    return Config(
        dict(
            default_scope='mmseg',
            custom_imports=as_plain(custom_imports(cfg)),
            model=method_model(cfg, type='SourceOnly'),
            test_dataloader=as_plain(sized.test_dataloader),
        )
    )


def stage_config(
    cfg: Config,
    model: dict,
    settings: Settings,
    frames: Path,
    pairs: int,
    size: tuple[int, int],
    metainfo: dict,
    iters: int,
    work_dir: Path,
    needs_flow: bool,
) -> Config:
    """Config of a training stage.

    Args:
        cfg: Config of the model that is adapted.
        model: Config of the method, from one of the functions above.
        settings: Options of the adaptation.
        frames: Folder of the pairs of frames.
        pairs: How many there are.
        size: (width, height) of the frames in training.
        metainfo: Classes and palette.
        iters: Number of iterations.
        work_dir: Folder of the stage's checkpoints and logs.
        needs_flow: Whether the network must be given flow.
    """
    # DIS takes most of the time of loading: only where something reads the flow.
    stpl = model['type'] == 'STPL'
    flow, augmented = [], []
    if stpl or (needs_flow and model['type'] != 'AdaBN'):
        flow.append(dict(type='LoadFlow', provider=dict(type='DISFlowEstimator')))
    if stpl:
        augmented.append(dict(type='CrossFrameAugment'))
    dataset = dict(
        type='ClipFolderDataset',
        data_root=str(frames),
        clips=CLIPS,
        clip_length=2,
        metainfo=metainfo,
        pipeline=[
            dict(type='LoadClip'),
            dict(type='ClipResize', scale=size, **resize_options(resize_step(cfg))),
            *flow,
            dict(type='ClipFlip', prob=0.5),
            *augmented,
            dict(type='PackClipInputs'),
        ],
    )
    return Config(
        dict(
            default_scope='mmseg',
            custom_imports=custom_imports(cfg),
            model=model,
            train_dataloader=dict(
                batch_size=min(settings.batch_size, pairs),
                num_workers=settings.workers,
                persistent_workers=settings.workers > 0,
                sampler=dict(type='DrawSampler', shuffle=True),
                dataset=dict(type='DomainPairDataset', target=dataset),
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=iters),
            optim_wrapper=dict(
                type='OptimWrapper',
                optimizer=dict(type='SGD', lr=settings.lr, momentum=0.9, weight_decay=5e-4),
            ),
            # AdaBN trains no parameters: there is no learning rate to schedule.
            param_scheduler=None
            if model['type'] == 'AdaBN'
            else [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=iters, by_epoch=False)],
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
                checkpoint=dict(
                    type='AtomicCheckpointHook',
                    by_epoch=False,
                    interval=checkpoint_interval(iters),
                    max_keep_ckpts=-1,
                ),
                iteration_seed=dict(type='IterationSeedHook'),
                data_timeout=dict(type='DataTimeoutHook', seconds=900),
                finite_guard=dict(type='FiniteGuardHook'),
                run_report=dict(type='RunReportHook'),
            ),
            log_processor=dict(by_epoch=False),
            # Without a name, it gets that of the run.
            visualizer=dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')]),
            env_cfg=dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0)),
            randomness=dict(seed=settings.seed),
            work_dir=str(work_dir),
        )
    )
