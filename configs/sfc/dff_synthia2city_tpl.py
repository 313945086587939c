# SFC with temporal pseudo-labels and deep feature flow, in one stage.
_base_ = './accel_synthia2city_stage1.py'
train_dataloader = dict(
    dataset=dict(
        source=dict(clip_length=2),
        target=dict(clip_length=3, pipeline={{_base_.augmented_pipeline}}),
    )
)
model = dict(
    pseudo_weight=1.0,
    student=dict(
        _delete_=True,
        type='DFF',
        segmentor={{_base_.model.student.segmentor}},
        flow_net={{_base_.model.student.flow_net}},
        padding_mode='border',
    ),
)
