# VAT, phase 1 of VAT-VST, on Accel, VIPER to Cityscapes-Seq (a row of STPL's tables).
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/vat.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
# The tube loss needs the labels of both frames; the first frame of a sequence has no clip.
train_dataloader = dict(
    dataset=dict(
        source=dict(label_clips=True, whole_clips=True),
        target=dict(whole_clips=True, pipeline=target_pipeline),
    )
)
model = dict(
    _base_.method,
    # No loss of the paper uses a second classifier.
    student=dict(segmentor=dict(auxiliary_head=None)),
)
