# The upper bound of synthia2city: Accel trained on the labels of the target, Cityscapes-Seq.
_base_ = '../source_only/accel_synthia2city.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
