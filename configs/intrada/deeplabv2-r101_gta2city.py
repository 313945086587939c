# IntraDA as released, GTAV to Cityscapes. Before it tools/generate_pseudo_labels.py, which also
# splits the frames; tools/run_phases.py runs AdvEnt, that step and this training.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/advent.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
# Easy frames with the labels of AdvEnt's model are the source, hard ones the target.
folder = 'work_dirs/pseudo_labels/intrada_deeplabv2-r101_gta2city'
train_dataloader = dict(
    dataset=dict(
        source=dict(
            _base_.target_train,
            _delete_=True,
            pseudo_labels=folder,
            frame_list=f'{folder}/easy.txt',
            pipeline=_base_.target_labelled_pipeline,
        ),
        target=dict(pseudo_labels=folder, frame_list=f'{folder}/hard.txt'),
    )
)
# It starts from ImageNet weights, as released. From the model of AdvEnt: --cfg-options
#   model.source_checkpoint=work_dirs/advent/advent_deeplabv2-r101_gta2city/iter_120000.pth
model = _base_.method
pseudo_label_generator = dict(
    checkpoint='work_dirs/advent/advent_deeplabv2-r101_gta2city/iter_120000.pth',
    # As released: all pixels, those of easy frames without a threshold.
    selection='all',
    aggregate=False,
    frames='training',
    split=dict(easy=0.67, per='frame', rare_classes=None),
    pipeline=_base_.target_pipeline,
)
