# How tools/generate_pseudo_labels.py makes the pseudo-labels of VST.
# theta_0 and the occlusion's threshold are the paper's; it does not give alpha, beta and gamma,
# which are those of IAST's first round, nor the occlusion's alpha, which is that of Lai et al.
# Equation 11 has no largest threshold (cap).
pseudo_label_generator = dict(
    selection='clip_adaptive',
    aggregate=True,
    alpha=0.2,
    beta=0.9,
    gamma=8.0,
    start=0.9,
    cap=None,
    clip_frames=30,
    occlusion=dict(alpha=50.0, threshold=0.7),
    flow=dict(type='DISFlowEstimator'),
)
