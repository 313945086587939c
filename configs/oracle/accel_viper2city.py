# The upper bound of viper2city: Accel trained on the labels of the target, Cityscapes-Seq.
_base_ = '../source_only/accel_viper2city.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
