# DeepLab-v2 frame by frame, trained on VIPER: any mmseg segmentor is a video net this way.
_base_ = './accel_viper2city.py'
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
