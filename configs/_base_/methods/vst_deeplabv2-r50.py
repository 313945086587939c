# VST, phase 2 of VAT-VST.
_base_ = '../models/deeplabv2-r50.py'
model = dict(
    type='VST',
    refinement='consensus',
    # Weights that the paper does not give: those of IAST.
    regulariser=dict(type='PseudoLabelRegulariser', entropy_weight=3.0, kld_weight=0.1),
)
