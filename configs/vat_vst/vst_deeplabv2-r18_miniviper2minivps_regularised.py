# Table 4: with the regulariser too; "base" of table 6.
_base_ = './vst_deeplabv2-r18_miniviper2minivps.py'
model = dict(refinement=None)
