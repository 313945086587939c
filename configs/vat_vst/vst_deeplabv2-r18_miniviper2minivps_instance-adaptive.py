# Table 4: instance-adaptive pseudo-labels (IAST): every frame is a separate clip, nothing else.
_base_ = './vst_deeplabv2-r18_miniviper2minivps.py'
pseudo_label_generator = dict(selection='instance_adaptive', aggregate=False)
train_dataloader = dict(
    dataset=dict(
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/deeplabv2-r18_miniviper2minivps_instance-adaptive'
        )
    )
)
model = dict(refinement=None, regulariser=None)
