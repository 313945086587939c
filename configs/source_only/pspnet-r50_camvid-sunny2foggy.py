# PSPNet ResNet-50 frame by frame: source-only of VAT-VST's tables.
_base_ = [
    '../_base_/models/pspnet-r50.py',
    '../_base_/datasets/camvid_sunny2foggy.py',
    '../_base_/schedules/source_40k.py',
    '../_base_/default_runtime.py',
]
# Two images, as in a clip of VAT: batch norm after the pooling to one cell needs a batch of more
# than one.
train_dataloader = dict(batch_size=2, dataset=dict(source=dict(clip_length=1), target=None))
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=11))))
