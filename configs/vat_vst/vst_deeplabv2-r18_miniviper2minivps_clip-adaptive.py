# Table 4: clip-adaptive pseudo-labels, nothing else.
_base_ = './vst_deeplabv2-r18_miniviper2minivps.py'
pseudo_label_generator = dict(aggregate=False)
train_dataloader = dict(
    dataset=dict(
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/deeplabv2-r18_miniviper2minivps_clip-adaptive'
        )
    )
)
model = dict(refinement=None, regulariser=None)
