# Table 4: clip-adaptive pseudo-labels of aggregated predictions.
_base_ = './vst_deeplabv2-r18_miniviper2minivps.py'
model = dict(refinement=None, regulariser=None)
