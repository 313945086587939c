# DINOv2 ViT-B/14 trained on GTAV, scored on Cityscapes: source-only with the network, data and
# rates of VFM-UDA++, without its strong augmentation of the source and its rare-class sampling.
_base_ = [
    '../_base_/models/dinov2-vitb14.py',
    '../_base_/methods/vfmuda.py',
    '../_base_/datasets/gta2city_1024-rescaled.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4, dataset=dict(target=None))
# Of one process with 4 images, as released; more processes have a larger rate.
optim_wrapper = dict(optimizer=dict(lr=5e-5 * 4**0.5))
