# VAT-VST* of STPL's table 2, 49.0 mIoU there: what is left of VAT-VST without the source is VST,
# from the source-only model and with labels of it. Before it tools/generate_pseudo_labels.py.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/vst.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
resize = dict(type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow')
# To generate pseudo-labels: each frame as the first of a video.
pseudo_label_generator = dict(pipeline=[dict(type='LoadClip'), resize, dict(type='PackClipInputs')])
train_dataloader = dict(
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/accel_synthia2city_source-free',
            label_clips=True,
            whole_clips=True,
            pipeline=[
                dict(type='LoadClip'),
                dict(type='LoadClipAnnotations'),
                resize,
                dict(
                    type='LoadFlow',
                    provider=dict(type='DISFlowEstimator'),
                    both_ways=True,
                    cache_dir='work_dirs/flow_cache',
                    cache_limit=64,  # GiB
                ),
                dict(type='PackClipInputs'),
            ],
        ),
    )
)
model = dict(
    _base_.method,
    # No loss of the paper uses a second classifier.
    student=dict(segmentor=dict(auxiliary_head=None, decode_head=dict(num_classes=12))),
    source_checkpoint='work_dirs/source_only/accel_synthia2city/iter_40000.pth',
)
# STPL's training settings, as for the other source-free rows.
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(max_iters=20000, val_interval=2000)
