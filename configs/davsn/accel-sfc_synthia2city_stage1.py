# DA-VSN in SFC's two stages, SYNTHIA-Seq to Cityscapes-Seq. Stage one trains the segmentation
# network that both branches of Accel start from.
_base_ = [
    '../_base_/methods/davsn_accel-sfc.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/schedules/davsn_sfc-stage1_120k.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing looks at it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
heads = {
    name: dict(_base_.sfc_segmentor[name], num_classes=12)
    for name in ('decode_head', 'auxiliary_head')
}
model = dict(
    student=dict(_delete_=True, type='PerFrame', segmentor=dict(_base_.sfc_segmentor, **heads))
)
