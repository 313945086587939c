# DACS on DINOv2 ViT-L/14, GTAV to Cityscapes, 19 classes: VFM-UDA++ without masked images and
# without its distillation.
# The rate is that of 4 processes with 2 images each, as released; one process: 1e-5 * 2**0.5.
_base_ = [
    '../_base_/models/dinov2-vitl14.py',
    '../_base_/methods/vfmuda.py',
    '../_base_/datasets/gta2city_1024-rescaled.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
model = _base_.method
custom_hooks = _base_.teacher
