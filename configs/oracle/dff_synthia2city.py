# The upper bound: the same network trained on the labels of the target.
_base_ = '../source_only/dff_synthia2city.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
