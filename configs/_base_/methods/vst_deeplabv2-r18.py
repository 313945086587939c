# VST, phase 2 of VAT-VST, for 200 iterations on small data.
_base_ = '../models/deeplabv2-r18.py'
model = dict(
    type='VST',
    # Statistics of both domains, as phase 1 leaves them, score better than those of the target.
    norm_eval=True,
    refinement='consensus',
    # Weights that the paper does not give: those of IAST.
    regulariser=dict(type='PseudoLabelRegulariser', entropy_weight=3.0, kld_weight=0.1),
)
