# TPS in SFC's two stages, SYNTHIA-Seq to Cityscapes-Seq. Stage one trains the segmentation
# network that both branches of Accel start from.
_base_ = [
    '../_base_/methods/tps_accel-sfc.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/schedules/sfc_stage1_120k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
heads = {
    name: dict(_base_.sfc_segmentor[name], num_classes=12)
    for name in ('decode_head', 'auxiliary_head')
}
model = dict(
    student=dict(_delete_=True, type='PerFrame', segmentor=dict(_base_.sfc_segmentor, **heads))
)
