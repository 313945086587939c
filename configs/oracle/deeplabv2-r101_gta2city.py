# The upper bound: DeepLab-v2 trained on the labels of Cityscapes.
_base_ = '../source_only/deeplabv2-r101_gta2city.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
