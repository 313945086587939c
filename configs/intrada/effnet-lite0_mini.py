# IntraDA. Before it tools/generate_pseudo_labels.py, which also splits the frames;
# tools/run_phases.py runs AdvEnt, that step and this training.
_base_ = [
    '../_base_/methods/advent_effnet-lite0.py',
    '../_base_/datasets/mini.py',
    '../_base_/default_runtime.py',
]
# Easy frames with the labels of AdvEnt's model are the source, hard ones the target.
folder = 'work_dirs/pseudo_labels/intrada_effnet-lite0_mini'
train_dataloader = dict(
    dataset=dict(
        source=dict(
            _base_.target_train,
            _delete_=True,
            clip_length=1,
            pseudo_labels=folder,
            frame_list=f'{folder}/easy.txt',
            pipeline=_base_.pseudo_labelled_pipeline,
        ),
        target=dict(clip_length=1, pseudo_labels=folder, frame_list=f'{folder}/hard.txt'),
    )
)
model = dict(source_checkpoint='work_dirs/advent/advent_effnet-lite0_mini/iter_100.pth')
pseudo_label_generator = dict(
    # As released: all pixels, those of easy frames without a threshold.
    selection='all',
    aggregate=False,
    frames='training',
    split=dict(easy=0.67, per='frame', rare_classes=None),
    pipeline=_base_.prediction_pipeline,
)
