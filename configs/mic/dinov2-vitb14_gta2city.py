# VFM-UDA++ on DINOv2 ViT-B/14, GTAV to Cityscapes, 19 classes.
_base_ = [
    '../_base_/models/dinov2-vitb14.py',
    '../_base_/methods/vfmuda.py',
    '../_base_/datasets/gta2city_1024-rescaled.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    batch_size=4, dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}})
)
model = dict(_base_.method, masked=_base_.masked, distillation=_base_.distillation)
custom_hooks = _base_.teacher
# Of one process with 4 images, as released; more processes have a larger rate.
optim_wrapper = dict(optimizer=dict(lr=5e-5 * 4**0.5))
