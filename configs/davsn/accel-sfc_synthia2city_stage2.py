# DA-VSN in SFC's two stages, SYNTHIA-Seq to Cityscapes-Seq. Stage two freezes the backbones of
# stage one and trains classifiers, flow branch and fusion. 50.0 mIoU in SFC's table 2.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/methods/davsn.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
heads = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
model = dict(
    _base_.method,
    source_checkpoint='work_dirs/davsn/accel-sfc_synthia2city_stage1/iter_120000.pth',
    student=dict(stage=2, segmentor=heads, reference_segmentor=heads),
)
# The student as SFC's stage two has it (configs/sfc/accel_viper2city_stage2.py),
# clipping and discriminators as in DA-VSN's release. Stage two has no auxiliary classifier.
optim_wrapper = dict(
    _delete_=True,
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='SGD', lr=5e-4, momentum=0.9, weight_decay=5e-4),
        clip_grad=dict(max_norm=1.0),
    ),
    discriminator=dict(
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
        clip_grad=dict(max_norm=1.0),
        clip_each=('spatio_temporal.decode', 'spatial.decode'),
    ),
)
param_scheduler = dict(
    _delete_=True,
    student=[dict(type='ConstantLR', factor=0.1, begin=0, end=1001, by_epoch=False)],
    discriminator=[
        dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=160000, by_epoch=False)
    ],
)
train_cfg = dict(max_iters=160000)
