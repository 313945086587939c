# Source-only on MiniDrive: stage one trains the two branches of Accel, each separately, on
# labelled single frames of the source.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minicity_own-flow.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None, source=dict(clip_length=1)))
model = dict(
    student=dict(
        stage=1,
        # The branch is not used until stage two.
        flow_net=dict(checkpoint='work_dirs/sfc/flownets_miniviper/iter_1500.pth'),
    )
)
