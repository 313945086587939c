# SePiCo (DistCL) on the images of MiniDrive: the pipeline of the image benchmarks, in minutes.
_base_ = [
    '../_base_/methods/sepico_deeplabv2-r18.py',
    '../_base_/datasets/minigta2minicity.py',
    '../_base_/schedules/small_mix.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
model = dict(
    source_checkpoint='work_dirs/source_only/deeplabv2-r18_minigta2minicity/iter_800.pth',
    target_crop=dict(crop_size=(96, 96), cat_max_ratio=0.75),
)
