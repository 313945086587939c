# SePiCo (DistCL), Cityscapes to Dark Zurich, 19 classes: 45.4 mIoU in the paper.
_base_ = [
    '../_base_/methods/sepico_deeplabv2-r101.py',
    '../_base_/datasets/city2darkzurich.py',
    '../_base_/default_runtime.py',
]
# As released, where the paper is silent: 60k iterations, pseudo-labels in all rows, class weights,
# and the day image of the same place helps to label a night image.
train_dataloader = dict(
    dataset=dict(
        rare_class_sampling={{_base_.rare_class_sampling}}, target=dict(day_pairs='corresp')
    )
)
model = dict(
    ignore_top=0,
    ignore_bottom=0,
    day_reference=dict(ratio=0.8, threshold=0.4),
    student=dict(
        segmentor=dict(decode_head=dict(loss_decode=dict(class_weight={{_base_.class_weight}})))
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False),
    dict(type='GroupPolyLR', power=1.0, eta_min=0.0, begin=0, end=60000, by_epoch=False),
]
train_cfg = dict(max_iters=60000)
