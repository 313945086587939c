# SFC on MiniDrive: stage two freezes the backbones of stage one and trains classifiers, flow branch
# and fusion.
_base_ = [
    '../_base_/methods/sfc_accel-r18.py',
    '../_base_/datasets/miniviper2minicity_own-flow.py',
    '../_base_/schedules/small_mix.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
# The frozen backbones keep their statistics too; those of the full-size nets move, as released.
nets = dict(backbone=dict(norm_eval=True))
model = dict(
    source_checkpoint='work_dirs/sfc/accel-r18_miniviper2minicity_stage1/iter_200.pth',
    sfm_checkpoint='work_dirs/sfc/sfm_miniviper/iter_600.pth',
    flow_weight=0.001,
    flow=dict(checkpoint='work_dirs/sfc/flownets_miniviper/iter_1500.pth'),
    student=dict(stage=2, segmentor=nets, reference_segmentor=nets),
)
