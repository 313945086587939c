# The upper bound: the same network trained on the labels of the target.
_base_ = '../source_only/deeplabv2-r50_viper2cityvps.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
