# VAT, phase 1 of VAT-VST, MiniDrive: minutes on two cores.
_base_ = [
    '../_base_/methods/vat_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minivps.py',
    '../_base_/schedules/small_vat.py',
    '../_base_/default_runtime.py',
]
# The tube loss needs the labels of both frames; the first frame of a sequence makes no clip.
train_dataloader = dict(
    dataset=dict(source=dict(label_clips=True, whole_clips=True), target=dict(whole_clips=True))
)
model = dict(
    source_checkpoint='work_dirs/source_only/deeplabv2-r18_miniviper2minivps/iter_800.pth',
    student=dict(segmentor=dict(decode_head=dict(num_classes=15))),
)
