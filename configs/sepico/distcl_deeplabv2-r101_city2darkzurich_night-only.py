# The release without its day images: night images alone. The paper names pairs of a night and a day
# image, and no use of the latter.
_base_ = './distcl_deeplabv2-r101_city2darkzurich.py'
train_dataloader = dict(dataset=dict(target=dict(day_pairs=None)))
model = dict(day_reference=None)
