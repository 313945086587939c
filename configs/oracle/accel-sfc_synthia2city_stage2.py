# The upper bound of SFC's Accel: stage two freezes the backbones of stage one and trains
# classifiers, flow branch and fusion on labelled clips of the target.
_base_ = '../sfc/accel_synthia2city_source-stage2.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
model = dict(source_checkpoint='work_dirs/oracle/accel-sfc_synthia2city_stage1/iter_80000.pth')
