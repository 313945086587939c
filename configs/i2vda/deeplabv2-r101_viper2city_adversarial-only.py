# Table 3, row 1, the baseline: source labels and the discriminator of single target frames.
_base_ = './deeplabv2-r101_viper2city.py'
model = dict(augmentation=False, consistency_weight=0.0)
