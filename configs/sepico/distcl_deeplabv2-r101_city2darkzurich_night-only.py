# The paper as printed: night images alone, without the released day reference.
_base_ = './distcl_deeplabv2-r101_city2darkzurich.py'
train_dataloader = dict(dataset=dict(target=dict(day_pairs=None)))
model = dict(day_reference=None)
