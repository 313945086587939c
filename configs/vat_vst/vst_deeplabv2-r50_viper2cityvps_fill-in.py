# Table 6: missing labels are filled in (equation 14) instead of cut out.
_base_ = './vst_deeplabv2-r50_viper2cityvps.py'
model = dict(refinement='fill_in')
