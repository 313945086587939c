# DA-VSN in SFC's two stages, VIPER to Cityscapes-Seq. Stage one trains the segmentation
# network that both branches of Accel start from. 45.12 mIoU in SFC's table 3.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/methods/davsn.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
model = dict(
    _base_.method, student=dict(_delete_=True, type='PerFrame', segmentor=_base_.sfc_segmentor)
)
# The student as SFC's stage one has it (configs/sfc/accel_viper2city_stage1.py),
# clipping and discriminators as in DA-VSN's release; both decay over these 120k iterations.
optim_wrapper = dict(
    _delete_=True,
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        constructor='AnchoredOptimWrapperConstructor',
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        paramwise_cfg=dict(
            custom_keys={
                '^.segmentor.decode_head': dict(lr_mult=10.0),
                '^.segmentor.auxiliary_head': dict(lr_mult=10.0),
            }
        ),
        clip_grad=dict(max_norm=1.0),
    ),
    discriminator=dict(
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
        clip_grad=dict(max_norm=1.0),
        clip_each=(
            'spatio_temporal.decode',
            'spatio_temporal.aux',
            'spatial.decode',
            'spatial.aux',
        ),
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=120000, by_epoch=False)
]
train_cfg = dict(max_iters=120000)
