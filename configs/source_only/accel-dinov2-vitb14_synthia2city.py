# Accel on DINOv2 ViT-B/14, trained on SYNTHIA-Seq, scored on Cityscapes-Seq, 12 classes: the data
# of accel_synthia2city.py, the rates of VFM-UDA++ for one image. No paper has it.
_base_ = [
    '../_base_/models/dinov2-vitb14.py',
    '../_base_/methods/vfmuda.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
model = dict(
    student=dict(
        type='Accel',
        padding_mode='border',
        segmentor=dict(
            decode_head=dict(num_classes=12), test_cfg=dict(_delete_=True, mode='whole')
        ),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=5e-5))
