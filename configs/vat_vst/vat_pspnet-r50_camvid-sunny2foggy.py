# VAT, phase 1 of VAT-VST, CamVid-Sunny to CamVid-Foggy with PSPNet (table 12).
_base_ = [
    '../_base_/models/pspnet-r50.py',
    '../_base_/methods/vat.py',
    '../_base_/datasets/camvid_sunny2foggy.py',
    '../_base_/default_runtime.py',
]
# The tube loss needs the labels of both frames; the first frame of a sequence has no clip.
train_dataloader = dict(
    dataset=dict(source=dict(label_clips=True, whole_clips=True), target=dict(whole_clips=True))
)
model = dict(_base_.method, student=dict(segmentor=dict(decode_head=dict(num_classes=11))))
