# DINOv2 ViT-L/14 trained on GTAV, scored on Cityscapes: source-only with the network, data and
# rates of VFM-UDA++, without its strong augmentation of the source and its rare-class sampling.
# The rate is that of 4 processes with 2 images each, as released; one process: 1e-5 * 2**0.5.
_base_ = [
    '../_base_/models/dinov2-vitl14.py',
    '../_base_/methods/vfmuda.py',
    '../_base_/datasets/gta2city_1024-rescaled.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
