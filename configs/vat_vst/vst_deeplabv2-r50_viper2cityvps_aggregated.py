# Table 4: clip-adaptive pseudo-labels of aggregated predictions.
_base_ = './vst_deeplabv2-r50_viper2cityvps.py'
model = dict(refinement=None, regulariser=None)
