# MinEnt without the losses of the source.
_base_ = [
    '../_base_/methods/minent_effnet-lite0_source-free.py',
    '../_base_/datasets/mini2camvid.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=None, target=dict(clip_length=1)))
model = dict(
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini2camvid/iter_600.pth',
)
