# DA-VSN, source-free, with distortion-aware feature correction: minutes on two cores.
_base_ = './accel-r18_camvid-day2dusk_source-free.py'
model = dict(
    student=dict(
        _delete_=True,
        type='DistortionAwareVSS',
        allow_random_init=True,
        segmentor={{_base_.model.student.segmentor}},
        padding_mode='border',
    ),
    source_checkpoint='work_dirs/source_only/distortion-aware-r18_camvid-day2dusk/iter_800.pth',
)
