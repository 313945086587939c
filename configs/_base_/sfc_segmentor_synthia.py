# sfc_segmentor.py with the 12 classes of SYNTHIA-Seq.
_base_ = './sfc_segmentor.py'
sfc_segmentor = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
