# Accel on DINOv2 ViT-B/14, trained on VIPER, scored on Cityscapes-Seq, 15 classes: the data of
# accel_viper2city.py, the rates of VFM-UDA++ for one image. No paper has it.
_base_ = [
    '../_base_/models/dinov2-vitb14.py',
    '../_base_/methods/vfmuda.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
model = dict(
    student=dict(
        type='Accel',
        padding_mode='border',
        segmentor=dict(
            decode_head=dict(num_classes=15), test_cfg=dict(_delete_=True, mode='whole')
        ),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=5e-5))
