# Table 3, row (3): dice loss of single frames, sequence discriminator.
_base_ = './vat_deeplabv2-r18_miniviper2minivps.py'
model = dict(tube_loss=dict(single_frame=True))
