# VST, phase 2 of VAT-VST, CamVid, day to dusk: minutes on two cores.
# Before it tools/generate_pseudo_labels.py; tools/run_phases.py does both phases and all between.
_base_ = [
    '../_base_/methods/vst_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_frames.py',
    '../_base_/schedules/small_vst.py',
    '../_base_/pseudo_labels.py',
    '../_base_/default_runtime.py',
]
# One sequence of 62 frames: thresholds have to follow it fast, and weak classes keep their share
# (docs/results.md).
pseudo_label_generator = dict(
    pipeline={{_base_.prediction_pipeline}}, clip_frames=6, alpha=0.5, beta=0.5, gamma=0.0
)
train_dataloader = dict(
    batch_size=2,  # the batch-norm statistics of phase 1 stay: a small batch is enough
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/deeplabv2-r18_camvid-day2dusk',
            label_clips=True,
            whole_clips=True,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    ),
)
model = dict(
    source_checkpoint='work_dirs/vat_vst/vat_deeplabv2-r18_camvid-day2dusk/iter_100.pth',
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
)
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(max_iters=100, val_interval=100)
