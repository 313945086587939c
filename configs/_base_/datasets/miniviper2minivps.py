# MiniDrive (tools/make_minidrive.py data/minidrive) in the place of VIPER and Cityscapes-VPS: the
# same data sets and transforms, other folders and sizes.
_base_ = './miniviper2minicity.py'
target_root = 'data/minidrive/cityscapes_vps'

# Current frames are those that have labels, 5 of each clip; frames='all' for all 22.
target_train = dict(type='CityscapesVPSDataset', data_root=target_root)
target_train_labelled = dict(type='CityscapesVPSDataset', data_root=target_root)
train_dataloader = dict(dataset=dict(target=target_train))
val_dataloader = dict(dataset=dict(type='CityscapesVPSDataset', data_root=target_root))
test_dataloader = val_dataloader
val_evaluator = [dict(type='ClassSubsetIoU', iou_metrics=['mIoU']), dict(type='VPQMetric')]
test_evaluator = val_evaluator
