# Table 5: the whole of VST after row (4) of table 3.
_base_ = './vst_deeplabv2-r50_viper2cityvps.py'
train_dataloader = dict(
    dataset=dict(
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/deeplabv2-r50_viper2cityvps_from-tube-image-adv'
        )
    )
)
model = dict(
    source_checkpoint='work_dirs/vat_vst/vat_deeplabv2-r50_viper2cityvps_tube-image-adv/iter_40000.pth'
)
