# small_vat.py with the clipping of DA-VSN's release: norm 1 of the student and of each of the four
# discriminators.
_base_ = './small_vat.py'
optim_wrapper = dict(
    student=dict(clip_grad=dict(max_norm=1.0)),
    discriminator=dict(
        clip_grad=dict(max_norm=1.0),
        clip_each=(
            'spatio_temporal.decode',
            'spatio_temporal.aux',
            'spatial.decode',
            'spatial.aux',
        ),
    ),
)
