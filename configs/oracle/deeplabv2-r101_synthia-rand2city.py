# The upper bound: DeepLab-v2 trained on the labels of Cityscapes. Its classes are the 19 of
# Cityscapes, of which the 16 of SYNTHIA are scored.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/datasets/synthia_rand2city.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
