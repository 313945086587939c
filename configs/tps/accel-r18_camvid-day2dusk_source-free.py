# TPS without its losses of the source, as STPL's tables have it.
_base_ = './accel-r18_camvid-day2dusk.py'
# Source-free: no source data set exists in this run.
train_dataloader = dict(dataset=dict(source=None))
