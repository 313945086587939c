# VST, phase 2 of VAT-VST, MiniDrive: minutes on two cores.
# Before it tools/generate_pseudo_labels.py; tools/run_phases.py does both phases and all between.
_base_ = [
    '../_base_/methods/vst_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minivps.py',
    '../_base_/schedules/small_vst.py',
    '../_base_/pseudo_labels.py',
    '../_base_/default_runtime.py',
]
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
train_dataloader = dict(
    batch_size=2,  # the batch-norm statistics of phase 1 stay: a small batch is enough
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/deeplabv2-r18_miniviper2minivps',
            label_clips=True,
            whole_clips=True,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    ),
)
model = dict(
    source_checkpoint='work_dirs/vat_vst/vat_deeplabv2-r18_miniviper2minivps/iter_200.pth',
    student=dict(segmentor=dict(decode_head=dict(num_classes=15))),
)
