# RAFT with two updates and its small encoders, trained from scratch: minutes on two cores.
raft = dict(
    type='MMFlowNet',
    config=dict(
        type='RAFT',
        data_preprocessor=dict(
            type='FlowDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=False
        ),
        num_levels=4,
        radius=3,
        cxt_channels=64,
        h_channels=96,
        encoder=dict(
            type='RAFTEncoder',
            in_channels=3,
            out_channels=128,
            net_type='Small',
            norm_cfg=dict(type='IN'),
        ),
        cxt_encoder=dict(
            type='RAFTEncoder',
            in_channels=3,
            out_channels=160,
            net_type='Small',
            norm_cfg=dict(type='BN'),
        ),
        decoder=dict(
            type='RAFTDecoder',
            net_type='Small',
            num_levels=4,
            radius=3,
            iters=2,
            corr_op_cfg=dict(type='CorrLookup', align_corners=True),
            gru_type='Conv',
        ),
    ),
)
# RAFT's rate and clipping, for its pretrainings.
raft_optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=4e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0),
)
