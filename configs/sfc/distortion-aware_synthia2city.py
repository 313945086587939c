# SFC with distortion-aware feature correction, in one stage.
_base_ = './accel_synthia2city_stage1.py'
train_dataloader = dict(dataset=dict(source=dict(clip_length=2), target=dict(clip_length=3)))
model = dict(
    student=dict(
        _delete_=True,
        type='DistortionAwareVSS',
        segmentor={{_base_.model.student.segmentor}},
        flow_net={{_base_.model.student.flow_net}},
        padding_mode='border',
    )
)
