# The upper bound: DAFormer trained on the labels of Cityscapes.
_base_ = '../source_only/daformer-mitb5_gta2city.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
