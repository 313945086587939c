# The day image of the same place helps to label a night image, as in the published code; the paper
# does not mention it.
_base_ = './distcl_deeplabv2-r101_city2darkzurich.py'
train_dataloader = dict(dataset=dict(target=dict(day_pairs='corresp')))
model = dict(day_reference=dict(ratio=0.8, threshold=0.4))
