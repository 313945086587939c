# VST, phase 2 of VAT-VST, on Accel, VIPER to Cityscapes-Seq: 48.7 mIoU in STPL's tables.
# Before it tools/generate_pseudo_labels.py; tools/run_phases.py runs both phases and the steps
# between.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/vst.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
resize = dict(type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow')
# To generate pseudo-labels: each frame as the first of a video.
pseudo_label_generator = dict(pipeline=[dict(type='LoadClip'), resize, dict(type='PackClipInputs')])
train_dataloader = dict(
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/accel_viper2city',
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
    student=dict(segmentor=dict(auxiliary_head=None)),
    source_checkpoint='work_dirs/vat_vst/vat_accel_viper2city/iter_40000.pth',
)
