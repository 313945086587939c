# VST, phase 2 of VAT-VST, on Accel, as STPL's tables have it.
_base_ = '../models/accel-tps_deeplabv2-r101.py'
model = dict(
    type='VST',
    student=dict(segmentor=dict(auxiliary_head=None)),
    refinement='consensus',
    # Weights that the paper does not give: those of IAST.
    regulariser=dict(type='PseudoLabelRegulariser', entropy_weight=3.0, kld_weight=0.1),
)
