# Pretraining of SFM; configs/sfc says where the FlowNet comes from, whose weights SFM starts with.
model = dict(
    type='SFMPretraining',
    num_classes=15,
    sfm=dict(type='SFM', flow_net=dict(type='FlowNetS')),
    flow=dict(type='FrozenFlowNet', flow_net=dict(type='FlowNetS'), full_size=False),
    data_preprocessor=dict(type='DomainDataPreprocessor'),
)
