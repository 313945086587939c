# DA-VSN, source-free, with deep feature flow.
_base_ = ['./accel_viper2city_source-free.py', '../_base_/sfc_segmentor.py']
model = dict(
    student=dict(
        _delete_=True,
        type='DFF',
        segmentor=_base_.sfc_segmentor,
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth'),
        padding_mode='border',
    ),
    source_checkpoint='work_dirs/source_only/dff_viper2city/iter_80000.pth',
)
