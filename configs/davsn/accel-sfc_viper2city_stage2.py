# DA-VSN in SFC's two stages, VIPER to Cityscapes-Seq. Stage two freezes the backbones of
# stage one and trains classifiers, flow branch and fusion. 48.1 mIoU in SFC's table 1.
_base_ = [
    '../_base_/methods/davsn_accel-sfc.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/schedules/davsn_sfc-stage2_160k.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing looks at it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
model = dict(
    source_checkpoint='work_dirs/davsn/accel-sfc_viper2city_stage1/iter_120000.pth',
    student=dict(stage=2),
)
