# Source-only on CamVid by day: stage one trains the two branches of Accel, each separately, on
# labelled single frames of the source.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_own-flow.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None, source=dict(clip_length=1)))
heads = dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11))
model = dict(
    student=dict(
        stage=1,
        # The branch is not used until stage two.
        flow_net=dict(checkpoint='work_dirs/sfc/flownets_camvid-day/iter_1500.pth'),
        segmentor=heads,
        reference_segmentor=heads,
    )
)
