# The upper bound: DeepLab-v2 trained on the labels of Cityscapes. Its classes are the 19 of
# Cityscapes, of which the 16 of SYNTHIA are scored.
_base_ = '../source_only/deeplabv2-r101_synthia-rand2city.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
