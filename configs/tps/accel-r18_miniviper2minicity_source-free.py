# TPS without its losses of the source, as STPL's tables have it.
_base_ = './accel-r18_miniviper2minicity.py'
# Source-free: no source data set exists in this run.
train_dataloader = dict(dataset=dict(source=None))
