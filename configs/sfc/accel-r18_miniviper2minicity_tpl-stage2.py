# SFC with temporal pseudo-labels on MiniDrive: stage two.
_base_ = './accel-r18_miniviper2minicity_stage2.py'
model = dict(
    source_checkpoint='work_dirs/sfc/accel-r18_miniviper2minicity_tpl-stage1/iter_200.pth',
    pseudo_weight=0.1,
)
