# SFC's table 3, stage two of TPS from the segmentation networks of the source model: 46.58 mIoU.
_base_ = './accel-sfc_viper2city_stage2.py'
model = dict(source_checkpoint='work_dirs/sfc/accel_viper2city_source-stage1/iter_80000.pth')
