# Table 4: class-balanced pseudo-labels (CBST), nothing else.
_base_ = './vst_deeplabv2-r18_miniviper2minivps.py'
pseudo_label_generator = dict(selection='class_balanced', aggregate=False)
train_dataloader = dict(
    dataset=dict(
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/deeplabv2-r18_miniviper2minivps_class-balanced'
        )
    )
)
model = dict(refinement=None, regulariser=None)
