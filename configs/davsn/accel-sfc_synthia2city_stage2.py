# DA-VSN in SFC's two stages, SYNTHIA-Seq to Cityscapes-Seq. Stage two freezes the backbones of
# stage one and trains classifiers, flow branch and fusion. 50.0 mIoU in SFC's table 2.
_base_ = [
    '../_base_/methods/davsn_accel-sfc.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/schedules/davsn_sfc-stage2_160k.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing looks at it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
heads = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
model = dict(
    source_checkpoint='work_dirs/davsn/accel-sfc_synthia2city_stage1/iter_120000.pth',
    student=dict(stage=2, segmentor=heads, reference_segmentor=heads),
)
