# DeepLab-v2 frame by frame, trained on VIPER: any mmseg segmentor works as a video net this way.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/schedules/advent_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
model = dict(student=dict(_delete_=True, type='PerFrame', segmentor=_base_.segmentor))
# Two groups of parameters: here the classifiers are the second one, and decay.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(_delete_=True, lr_mult=10.0),
            '^.student.segmentor.auxiliary_head': dict(_delete_=True, lr_mult=10.0),
        }
    )
)
