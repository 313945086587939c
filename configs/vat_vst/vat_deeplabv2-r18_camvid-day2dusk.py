# VAT, phase 1 of VAT-VST, CamVid, day to dusk: minutes on two cores.
_base_ = [
    '../_base_/models/deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_frames.py',
    '../_base_/default_runtime.py',
]
# The tube loss needs the labels of both frames; the first frame of a sequence has no clip.
train_dataloader = dict(
    dataset=dict(source=dict(label_clips=True, whole_clips=True), target=dict(whole_clips=True))
)
model = dict(
    type='VAT',
    tube_loss=dict(type='TubeDiceLoss'),
    discriminator=dict(type='SequenceDiscriminator'),
    gan_loss=dict(type='DomainGANLoss', kind='vanilla'),
    # lambda_V is not in the paper; this is AdaptSegNet's.
    adversarial_weight=0.001,
    source_checkpoint='work_dirs/source_only/deeplabv2-r18_camvid-day2dusk/iter_800.pth',
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
# Minutes on two cores, from a source-only model.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(optimizer=dict(type='AdamW', lr=3e-4, weight_decay=1e-2)),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
