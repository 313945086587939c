# The upper bound: DAFormer trained on the labels of Cityscapes. Its classes are the 19 of
# Cityscapes, of which the 16 of SYNTHIA are scored.
_base_ = [
    '../_base_/models/daformer-mitb5.py',
    '../_base_/datasets/synthia_rand2city.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
