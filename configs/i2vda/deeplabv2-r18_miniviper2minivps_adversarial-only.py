# Table 3, row 1, the baseline: source labels and the discriminator of single target frames.
_base_ = './deeplabv2-r18_miniviper2minivps.py'
model = dict(augmentation=False, consistency_weight=0.0)
