# AdvEnt as released, GTAV to Cityscapes.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/advent.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
model = _base_.method
