# VIPER -> Cityscapes-VPS in 15 classes, as VAT-VST has it, scored by mIoU and VPQ^s on the labelled
# frames of the 50 validation clips. The paper tells no sizes: those of viper2city.py. It takes the
# 42455 daytime images of VIPER; here all are taken, `sequences` of the source chooses.
_base_ = './viper2city.py'
target_root = 'data/cityscapes_vps'
# All frames of the training clips, which the official preparation makes for val and test only:
# the clips are of Cityscapes' val. None for data/cityscapes_vps/train/img_all.
frame_root = 'data/cityscapes/leftImg8bit_sequence/val'

# Current frames are those that have labels, 6 of each clip; frames='all' for all 30.
target_train = dict(
    type='CityscapesVPSDataset', data_root=target_root, frame_root=frame_root)
target_train_labelled = dict(
    type='CityscapesVPSDataset', data_root=target_root, frame_root=frame_root)
train_dataloader = dict(dataset=dict(target=target_train))
val_dataloader = dict(dataset=dict(type='CityscapesVPSDataset', data_root=target_root))
test_dataloader = val_dataloader
val_evaluator = [dict(type='ClassSubsetIoU', iou_metrics=['mIoU']), dict(type='VPQMetric')]
test_evaluator = val_evaluator
