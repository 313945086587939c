# The upper bound: DAFormer trained on the labels of Cityscapes. Its classes are the 19 of
# Cityscapes, of which the 16 of SYNTHIA are scored.
_base_ = '../source_only/daformer-mitb5_synthia-rand2city.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
