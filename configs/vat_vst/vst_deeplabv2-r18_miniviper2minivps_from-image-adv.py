# Table 5: the whole of VST after row (2) of table 3.
_base_ = './vst_deeplabv2-r18_miniviper2minivps.py'
train_dataloader = dict(
    dataset=dict(
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/deeplabv2-r18_miniviper2minivps_from-image-adv'
        )
    )
)
model = dict(
    source_checkpoint='work_dirs/vat_vst/vat_deeplabv2-r18_miniviper2minivps_image-adv/iter_200.pth'
)
