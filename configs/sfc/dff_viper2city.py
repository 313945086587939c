# SFC with deep feature flow, in one stage. 48.5 mIoU in table 4.
_base_ = './accel_viper2city_stage1.py'
train_dataloader = dict(dataset=dict(source=dict(clip_length=2), target=dict(clip_length=3)))
model = dict(
    student=dict(
        _delete_=True,
        type='DFF',
        segmentor={{_base_.model.student.segmentor}},
        flow_net={{_base_.model.student.flow_net}},
        padding_mode='border',
    )
)
