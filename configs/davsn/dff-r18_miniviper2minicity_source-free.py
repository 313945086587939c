# DA-VSN, source-free, with deep feature flow: minutes on two cores.
_base_ = './accel-r18_miniviper2minicity_source-free.py'
model = dict(
    student=dict(
        _delete_=True,
        type='DFF',
        allow_random_init=True,
        segmentor={{_base_.model.student.segmentor}},
        padding_mode='border',
    ),
    source_checkpoint='work_dirs/source_only/dff-r18_miniviper2minicity/iter_800.pth',
)
