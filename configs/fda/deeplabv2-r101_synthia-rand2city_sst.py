# FDA's self-supervised training (SST), SYNTHIA-RAND to Cityscapes, on labels of the mean of three
# networks: 52.5 mIoU of 13 classes of the mean of three such networks after two rounds (SePiCo's
# table 2). Before it, those three are trained, and tools/generate_pseudo_labels.py is run. The
# other two have --cfg-options model.beta=0.05 and 0.09; of a second round they are
# `pseudo_label_generator.checkpoint`.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/fda.py',
    '../_base_/datasets/synthia_rand2city_whole.py',
    '../_base_/default_runtime.py',
]
# Random crops of the source of the target's size.
source_pipeline = [
    *_base_.source_pipeline[:-1],
    dict(type='ClipCrop', crop_size=(512, 1024)),
    dict(type='PackClipInputs'),
]
train_dataloader = dict(
    dataset=dict(
        source=dict(pipeline=source_pipeline),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/fda_deeplabv2-r101_synthia-rand2city',
            pipeline={{_base_.target_labelled_pipeline}},
        ),
    )
)
# The upper 34 % of the pixels of a class, and all above 0.9.
pseudo_label_generator = dict(
    pipeline={{_base_.target_pipeline}},
    selection='quantile',
    quantile=0.66,
    cap=0.9,
    aggregate=False,
    checkpoint=[
        'work_dirs/fda/deeplabv2-r101_synthia-rand2city/iter_100000.pth',
        'work_dirs/fda/deeplabv2-r101_synthia-rand2city_beta005/iter_100000.pth',
        'work_dirs/fda/deeplabv2-r101_synthia-rand2city_beta009/iter_100000.pth',
    ],
)
model = dict(
    _base_.method,
    learn_labels=True,
    # As released: a single classifier; and every round starts from ImageNet weights.
    student=dict(segmentor=dict(auxiliary_head=None)),
)
