# IntraDA on Accel, SYNTHIA-Seq to Cityscapes-Seq: 44.0 mIoU in I2VDA's table 2. Before it
# tools/generate_pseudo_labels.py, which also splits the frames; tools/run_phases.py runs AdvEnt,
# that step and this training.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/advent.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
# Easy frames with the labels of AdvEnt's model are the source, hard ones the target.
folder = 'work_dirs/pseudo_labels/intrada_accel_synthia2city'
train_dataloader = dict(
    dataset=dict(
        source=dict(
            _base_.target_train,
            _delete_=True,
            pseudo_labels=folder,
            frame_list=f'{folder}/easy.txt',
            pipeline=_base_.target_labelled_pipeline,
        ),
        target=dict(
            pseudo_labels=folder, frame_list=f'{folder}/hard.txt', pipeline=target_pipeline
        ),
    )
)
# It starts from ImageNet weights, as released. From the model of AdvEnt: --cfg-options
#   model.source_checkpoint=work_dirs/advent/advent_accel_synthia2city/iter_120000.pth
model = dict(
    _base_.method,
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
    ),
)
pseudo_label_generator = dict(
    checkpoint='work_dirs/advent/advent_accel_synthia2city/iter_120000.pth',
    # As released: all pixels, those of easy frames without a threshold.
    selection='all',
    aggregate=False,
    frames='training',
    split=dict(easy=0.67, per='frame', rare_classes=None),
    pipeline=[t for t in target_pipeline if t['type'] != 'LoadFlow'],
)
