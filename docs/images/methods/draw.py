"""Draws the pictures of docs/methods: python docs/images/methods/draw.py

One svg beside this file for each entry of PICTURES. They have a light ground of their own, so that
they can be read on a dark page too.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 158, 54  # of a box
COLUMN, ROW = 190, 74  # from one box to the next
MARGIN = 16
#: Kind: fill, border, what the legend says.
KINDS = dict(
    data=('#dceafa', '#3f71b0', 'data'),
    net=('#dcf0d6', '#46833a', 'the network that is adapted'),
    fixed=('#e7e7e7', '#6d6d6d', 'fixed'),
    aid=('#ebe0f6', '#7650a3', 'exists in training only'),
    loss=('#fde6cc', '#bd6f17', 'loss'),
)


class Box(NamedTuple):
    """A box: column and row of its place (rows may be halves), kind, lines of text."""

    column: float
    row: float
    kind: str
    text: str


def edge(a: tuple[float, float], b: tuple[float, float]) -> str:
    """Arrow between the places of two boxes, to the right or, in one column, up or down."""
    (xa, ya), (xb, yb) = a, b
    if xa == xb:
        sign = 1 if yb > ya else -1
        points = [
            (xa + WIDTH / 2, ya + HEIGHT / 2 + sign * HEIGHT / 2),
            (xb + WIDTH / 2, yb + HEIGHT / 2 - sign * (HEIGHT / 2 + 2)),
        ]
    elif xb > xa:
        turn = xb - (COLUMN - WIDTH) / 2
        start, end = (xa + WIDTH, ya + HEIGHT / 2), (xb - 2, yb + HEIGHT / 2)
        points = [start, (turn, start[1]), (turn, end[1]), end]
    else:  # back, below everything between
        below = max(ya, yb) + HEIGHT + (ROW - HEIGHT) * 0.6
        points = [
            (xa + WIDTH / 2, ya + HEIGHT),
            (xa + WIDTH / 2, below),
            (xb + WIDTH / 2, below),
            (xb + WIDTH / 2, yb + HEIGHT + 2),
        ]
    path = ' '.join(f'{x:g},{y:g}' for x, y in points)
    return f'<polyline class="e" points="{path}"/>'


def label(x: float, y: float, text: str) -> str:
    """Lines of text around a point."""
    lines = text.split('\n')
    first = y + 4 - 7.5 * (len(lines) - 1)
    return ''.join(
        f'<text x="{x:g}" y="{first + 15 * k:g}">{escape(line)}</text>'
        for k, line in enumerate(lines)
    )


def draw(boxes: dict[str, Box], edges: str) -> str:
    """The svg of boxes and of edges, written `a>b c>d`."""
    places = {
        name: (MARGIN + COLUMN * box.column, MARGIN + ROW * box.row) for name, box in boxes.items()
    }
    kinds = [kind for kind in KINDS if any(box.kind == kind for box in boxes.values())]
    right = max(max(x for x, _ in places.values()) + WIDTH, 640)
    legend = max(y for _, y in places.values()) + HEIGHT + 30
    width, height = right + MARGIN, legend + 26
    made = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">',
        '<style>text{font:12px Helvetica,Arial,"DejaVu Sans",sans-serif;text-anchor:middle;'
        'fill:#1c1c1c}.l{text-anchor:start}.e{fill:none;stroke:#444;stroke-width:1.4;'
        'marker-end:url(#a)}</style>',
        '<marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 8 4 0 8z" fill="#444"/></marker>',
        f'<rect x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="8" fill="#fcfcfc" '
        'stroke="#c4c4c4"/>',
    ]
    made += [edge(*(places[name] for name in pair.split('>'))) for pair in edges.split()]
    for name, box in boxes.items():
        x, y = places[name]
        fill, border, _ = KINDS[box.kind]
        made.append(
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
            f'fill="{fill}" stroke="{border}" stroke-width="1.3"/>'
        )
        made.append(label(x + WIDTH / 2, y + HEIGHT / 2, box.text))
    x = MARGIN
    for kind in kinds:
        fill, border, text = KINDS[kind]
        made.append(
            f'<rect x="{x:g}" y="{legend:g}" width="14" height="12" rx="3" fill="{fill}" '
            f'stroke="{border}"/><text class="l" x="{x + 20:g}" y="{legend + 10:g}">'
            f'{text}</text>'
        )
        x += 46 + 6.4 * len(text)
    return '\n'.join([*made, '</svg>', ''])


PICTURES: dict[str, tuple[dict[str, Box], str]] = dict(
    adabn=(
        dict(
            target=Box(0, 0, 'data', 'target clips'),
            net=Box(1, 0, 'fixed', 'network:\nweights stay'),
            norm=Box(2, 0, 'net', 'its batch norm:\nmean and variance\nof the target'),
        ),
        'target>net net>norm',
    ),
    ur=(
        dict(
            target=Box(0, 0.5, 'data', 'target frame and its\npseudo-label'),
            net=Box(1, 0.5, 'net', 'network: features'),
            main=Box(2, 0, 'net', 'its classifier'),
            drop=Box(2, 1, 'aid', 'four decoders, half of\nthe channels dropped'),
            ce=Box(3, 0, 'loss', 'cross-entropy, entropy'),
            unc=Box(3, 1, 'loss', 'difference to the main\nprediction'),
        ),
        'target>net net>main net>drop main>ce drop>unc',
    ),
    hcl=(
        dict(
            view=Box(0, 0, 'data', 'target frame,\nrecoloured'),
            target=Box(0, 1.5, 'data', 'target frame and its\npseudo-label'),
            net=Box(1, 0, 'net', 'network'),
            ema=Box(1, 1, 'aid', 'its moving average'),
            past=Box(1, 2, 'aid', 'its past: a copy of\nsome time ago'),
            hcid=Box(2, 0, 'loss', 'HCID: contrast of\nfeatures'),
            agree=Box(2, 2, 'aid', 'agreement of both'),
            hccd=Box(3, 1, 'loss', 'HCCD: cross-entropy,\nweighted'),
        ),
        'view>net target>ema target>past net>hcid ema>hcid ema>agree past>agree '
        'agree>hccd net>hccd',
    ),
    ld=(
        dict(
            target=Box(0, 0.5, 'data', 'target frame and its\npseudo-label'),
            net=Box(1, 0.5, 'net', 'network'),
            ce=Box(2, 0, 'loss', 'positive: cross-entropy\nof labelled pixels'),
            neg=Box(2, 1, 'loss', 'negative: a class that\nit is not; entropy'),
        ),
        'target>net net>ce net>neg',
    ),
    tent=(
        dict(
            target=Box(0, 0, 'data', 'target frames'),
            net=Box(1, 0, 'fixed', 'network:\nother weights stay'),
            norm=Box(2, 0, 'net', 'its batch norm:\nscale and shift'),
            loss=Box(3, 0, 'loss', 'entropy of the\nprediction'),
        ),
        'target>net net>norm norm>loss',
    ),
    stpl=(
        dict(
            clip=Box(0, 0, 'data', 'target clip\nt−1, t'),
            flow=Box(0, 1, 'fixed', 'optical flow\nt → t−1'),
            view=Box(0, 2, 'data', 'the clip, blurred\nand recoloured'),
            z=Box(1, 0, 'net', 'network:\nfeatures of both'),
            z2=Box(1, 2, 'net', 'network:\nfeatures of both'),
            f=Box(2, 0, 'aid', 'warp t−1 to t, fuse\nwith t (STAM)'),
            f2=Box(2, 2, 'aid', 'warp t−1 to t, fuse\nwith t (STAM)'),
            h=Box(3, 0, 'aid', 'projection: queries'),
            h2=Box(3, 2, 'aid', 'projection: keys'),
            y=Box(3, 1, 'aid', 'pseudo-labels of the\nmost confident pixels'),
            loss=Box(4, 1, 'loss', 'pixel contrast: same\nclass near, others far'),
        ),
        'clip>z view>z2 z>f z2>f2 flow>f flow>f2 f>h f2>h2 h>loss h2>loss y>loss',
    ),
    vat_vst=(
        dict(
            source=Box(0, 0, 'data', 'VAT: source clip,\nlabels of both frames'),
            target=Box(0, 1, 'data', 'target clip'),
            net=Box(1, 0.5, 'net', 'network,\nframe by frame'),
            ce=Box(2, 0, 'loss', 'cross-entropy; Dice\nof the tube of a class'),
            disc=Box(2, 1, 'aid', 'discriminator of the\nmaps of both frames'),
            adv=Box(3, 1, 'loss', 'adversarial loss'),
            target2=Box(0, 2.3, 'data', 'VST: target clips'),
            vat=Box(1, 2.3, 'fixed', 'the VAT network,\nneighbouring frames\naggregated by flow'),
            labels=Box(2, 2.3, 'aid', 'pseudo-labels, made\nonce; thresholds of\nthe clip'),
            same=Box(3, 2.3, 'aid', 'drop what the frame\nnext to it contradicts'),
            net2=Box(4, 2.3, 'net', 'network'),
            ce2=Box(5, 2.3, 'loss', 'cross-entropy,\nregulariser'),
        ),
        'source>net target>net net>ce net>disc disc>adv target2>vat vat>labels labels>same '
        'same>net2 net2>ce2',
    ),
    i2vda=(
        dict(
            source=Box(0, 0, 'data', 'source image, labels'),
            pair=Box(0, 1, 'data', 'target frames\nI₀ and I₁'),
            next=Box(0, 2, 'data', 'target frame I₁'),
            mid=Box(1, 1, 'aid', 'a frame Iₜ between\nthem, from both\nalong the flow'),
            proxy=Box(1, 2, 'aid', 'proxy: a copy of the\nnetwork, made anew\nnow and then'),
            net=Box(2, 0.5, 'net', 'network'),
            ce=Box(3, 0, 'loss', 'cross-entropy'),
            disc=Box(3, 1, 'aid', 'discriminator\nof I₀ and Iₜ'),
            tc=Box(
                3,
                2,
                'loss',
                'prediction of Iₜ, carried\nto I₁, has the certain\nlabels of the proxy',
            ),
            adv=Box(4, 1, 'loss', 'adversarial loss'),
        ),
        'source>net pair>mid mid>net net>ce net>disc net>tc next>proxy proxy>tc disc>adv',
    ),
    sfc=(
        dict(
            source=Box(0, 0, 'data', 'source clip, labels'),
            target=Box(0, 1, 'data', 'target frames\nt−1, t'),
            net=Box(1, 0.5, 'net', 'network'),
            ce=Box(2, 0, 'loss', 'cross-entropy'),
            maps=Box(2, 1, 'net', 'segmentation\nof t−1 and of t'),
            sfm=Box(3, 1, 'aid', 'SFM: flow from the\nframes, class by class'),
            flow=Box(1, 2, 'aid', 'flow network'),
            loss=Box(4, 1.5, 'loss', 'both flows agree\n(end-point error)'),
        ),
        'source>net target>net net>ce net>maps maps>sfm target>flow sfm>loss flow>loss',
    ),
    dacs=(
        dict(
            source=Box(0, 0, 'data', 'source clip, labels'),
            target=Box(0, 1, 'data', 'target clip'),
            teacher=Box(
                1, 1, 'aid', 'teacher, an average of\nthe network over time,\nlabels the target'
            ),
            mix=Box(
                2,
                0.5,
                'data',
                "ClassMix: half of the\nsource's classes pasted\non target and labels",
            ),
            net=Box(3, 0.5, 'net', 'network'),
            ce=Box(4, 0, 'loss', 'cross-entropy\n(source)'),
            ce2=Box(4, 1, 'loss', 'cross-entropy (mix),\nweighed by how sure\nthe teacher is'),
        ),
        'source>mix source>net target>teacher teacher>mix mix>net net>ce net>ce2 net>teacher',
    ),
    daformer=(
        dict(
            source=Box(0, 0, 'data', 'source image, labels;\nrare classes more often'),
            target=Box(0, 1, 'data', 'target image'),
            teacher=Box(1, 1, 'aid', 'teacher: average of\nthe network over time'),
            mix=Box(2, 1, 'data', 'ClassMix, as DACS'),
            net=Box(3, 0.5, 'net', 'network'),
            frozen=Box(3, 2, 'aid', 'its ImageNet weights,\nnever trained'),
            ce=Box(4, 0, 'loss', 'cross-entropy\n(source)'),
            ce2=Box(4, 1, 'loss', 'cross-entropy (mix),\nas DACS'),
            fd=Box(4, 2, 'loss', "features of things in\nthe source stay near\nImageNet's"),
        ),
        'source>net source>mix target>teacher teacher>mix mix>net net>ce net>ce2 net>fd frozen>fd',
    ),
    hrda=(
        dict(
            image=Box(0, 0.5, 'data', 'image'),
            context=Box(1, 0, 'data', 'context: all of it\nat half its size'),
            detail=Box(
                1, 1, 'data', 'detail: a part of it,\nor overlapping windows,\nat full size'
            ),
            net=Box(2, 0.5, 'net', 'network, the same\nfor both'),
            attention=Box(3, 0, 'net', 'attention: how much the\ndetail counts, from\nthe context'),
            fused=Box(4, 0.5, 'net', 'joined scores'),
            ce=Box(5, 0, 'loss', 'cross-entropy, 0.9'),
            ce2=Box(5, 1, 'loss', 'cross-entropy of the\ndetail alone, 0.1'),
        ),
        'image>context image>detail context>net detail>net net>attention net>fused '
        'attention>fused fused>ce net>ce2',
    ),
    mic=(
        dict(
            source=Box(0, 0, 'data', 'source clip, labels'),
            target=Box(0, 1, 'data', 'target clip'),
            teacher=Box(1, 1, 'aid', 'teacher: average of\nthe network over time'),
            mix=Box(2, 0.5, 'data', 'ClassMix, as DACS'),
            masked=Box(1, 2, 'data', 'target, 70 % of its\nblocks hidden'),
            net=Box(3, 0.5, 'net', 'network'),
            ce=Box(4, 0, 'loss', 'losses of DAFormer\n(source and mix)'),
            loss=Box(4, 1.5, 'loss', 'cross-entropy: labels\nof the plain target'),
        ),
        'source>mix source>net target>teacher target>masked teacher>mix mix>net masked>net net>ce '
        'net>loss teacher>loss',
    ),
    sepico=(
        dict(
            source=Box(0, 0, 'data', 'source clip, labels'),
            target=Box(0, 1, 'data', 'target clip'),
            teacher=Box(1, 1, 'aid', 'teacher: average of\nthe network over time'),
            mix=Box(2, 0.5, 'data', 'ClassMix, as DACS'),
            net=Box(3, 0.5, 'net', 'network'),
            ce=Box(4, 0, 'loss', 'cross-entropy\n(source and mix)'),
            stats=Box(2, 2, 'aid', 'statistics of each\nsource class: mean,\nbank or distribution'),
            h=Box(4, 1, 'aid', 'projection of features,\nboth domains'),
            loss=Box(5, 1.5, 'loss', 'contrast: to the own\nclass, from the others'),
        ),
        'source>mix source>net source>teacher target>teacher teacher>mix mix>net net>ce net>h '
        'h>loss teacher>stats stats>loss',
    ),
    tps=(
        dict(
            source=Box(0, 0, 'data', 'source clip, labels'),
            hist=Box(1, 0, 'data', 'colour histograms\nof the target'),
            net0=Box(2, 0, 'net', 'network'),
            ce=Box(3, 0, 'loss', 'cross-entropy'),
            early=Box(0, 1, 'data', 'target, two earlier\nframes'),
            net1=Box(1, 1, 'net', 'network,\nno gradient'),
            warp=Box(2, 1, 'aid', 'pseudo-labels, carried\nto t by optical flow'),
            now=Box(0, 2, 'data', 'target frames t−1, t,\nblurred and recoloured'),
            net2=Box(2, 2, 'net', 'network'),
            loss=Box(3, 1.5, 'loss', 'cross-entropy'),
        ),
        'source>hist hist>net0 net0>ce early>net1 net1>warp warp>loss now>net2 net2>loss',
    ),
    quadmix=(
        dict(
            source=Box(0, 0, 'data', 'source clip, labels'),
            target=Box(0, 1, 'data', 'target clip'),
            last=Box(0, 2, 'aid', 'clips of the last step,\nrare patches'),
            labels=Box(1, 1, 'fixed', 'TPS model, then\nthe network: labels'),
            mix=Box(2, 2, 'aid', 'classes pasted into both,\neach frame by its masks'),
            net0=Box(3, 0, 'net', 'network'),
            net1=Box(3, 1, 'net', 'network'),
            net2=Box(3, 2, 'net', 'network'),
            ce0=Box(4, 0, 'loss', 'cross-entropy;\nclass vectors aligned'),
            ce1=Box(4, 1, 'loss', 'cross-entropy;\nclass vectors aligned'),
            ce2=Box(4, 2, 'loss', 'cross-entropy\n(both mixes)'),
        ),
        'source>net0 net0>ce0 target>labels labels>net1 net1>ce1 last>mix labels>mix mix>net2 '
        'net2>ce2',
    ),
    adaptsegnet=(
        dict(
            source=Box(0, 0, 'data', 'source frame, labels'),
            target=Box(0, 1, 'data', 'target frame'),
            net=Box(1, 0.5, 'net', 'network'),
            ce=Box(2, 0, 'loss', 'cross-entropy\n(source)'),
            disc=Box(2, 1, 'aid', 'discriminator of\nclass probabilities'),
            adv=Box(3, 1, 'loss', 'adversarial loss'),
        ),
        'source>net target>net net>ce net>disc disc>adv',
    ),
    advent=(
        dict(
            source=Box(0, 0, 'data', 'source frame, labels'),
            target=Box(0, 1, 'data', 'target frame'),
            net=Box(1, 0.5, 'net', 'network'),
            ce=Box(2, 0, 'loss', 'cross-entropy\n(source)'),
            min=Box(2, 1, 'loss', 'MinEnt: entropy\n(target)'),
            disc=Box(2, 2, 'aid', 'AdvEnt: discriminator\nof entropy maps'),
            adv=Box(3, 2, 'loss', 'adversarial loss'),
        ),
        'source>net target>net net>ce net>min net>disc disc>adv',
    ),
    fda=(
        dict(
            source=Box(0, 0, 'data', 'source frame, labels'),
            target=Box(0, 1, 'data', 'target frame'),
            swap=Box(1, 0, 'aid', "low frequencies'\namplitudes"),
            net=Box(2, 0.5, 'net', 'network'),
            ce=Box(3, 0, 'loss', 'cross-entropy\n(source)'),
            entropy=Box(3, 1, 'loss', 'robust entropy;\nthen pseudo-labels'),
        ),
        'source>swap target>swap swap>net target>net net>ce net>entropy',
    ),
    pixmatch=(
        dict(
            source=Box(0, 0, 'data', 'source frame, labels'),
            target=Box(0, 1, 'data', 'target frame'),
            view=Box(1, 0, 'aid', "augmented, in the\nsource's style, or mixed"),
            net0=Box(2, 0, 'net', 'network'),
            net1=Box(2, 1, 'net', 'network'),
            loss=Box(3, 0.5, 'loss', 'cross-entropy with\nthe plain prediction'),
        ),
        'source>view target>view view>net0 target>net1 net0>loss net1>loss',
    ),
    rda=(
        dict(
            target=Box(0, 0, 'data', 'target frame'),
            reference=Box(0, 1, 'data', 'reference frame'),
            gate=Box(1, 1, 'aid', 'gate: bands of\nfrequencies'),
            net0=Box(2, 0, 'net', 'network'),
            net1=Box(2, 1, 'net', 'network'),
            loss=Box(3, 0.5, 'loss', "consistency, and\nAdvEnt's losses"),
        ),
        'target>net0 target>gate reference>gate gate>net1 net0>loss net1>loss',
    ),
    intrada=(
        dict(
            target=Box(0, 0.5, 'data', 'target frames'),
            first=Box(1, 0.5, 'fixed', 'AdvEnt model'),
            easy=Box(2, 0, 'data', 'easy: little entropy,\nwith its labels'),
            hard=Box(2, 1, 'data', 'hard: the others'),
            net=Box(3, 0.5, 'net', 'network'),
            loss=Box(4, 0.5, 'loss', "AdvEnt's losses,\neasy to hard"),
        ),
        'target>first first>easy first>hard easy>net hard>net net>loss',
    ),
    cbst=(
        dict(
            target=Box(0, 0, 'data', 'target frames'),
            first=Box(1, 0, 'fixed', 'model of the\nround before'),
            labels=Box(2, 0, 'data', 'the most confident\npixels of each class'),
            source=Box(2, 1, 'data', 'a part of the\nsource, labels'),
            net=Box(3, 0.5, 'net', 'network'),
            loss=Box(4, 0.5, 'loss', 'cross-entropy\n(both)'),
        ),
        'target>first first>labels labels>net source>net net>loss',
    ),
    crst=(
        dict(
            target=Box(0, 0, 'data', 'target frames'),
            first=Box(1, 0, 'fixed', 'model of the\nround before'),
            labels=Box(2, 0, 'data', 'confident pixels,\nLRENT: soft labels'),
            source=Box(2, 1, 'data', 'a part of the\nsource, labels'),
            net=Box(3, 0.5, 'net', 'network'),
            loss=Box(4, 0, 'loss', 'cross-entropy\n(both)'),
            reg=Box(4, 1, 'loss', 'MRKLD: labelled\npixels less confident'),
        ),
        'target>first first>labels labels>net source>net net>loss net>reg',
    ),
    iast=(
        dict(
            target=Box(0, 0.5, 'data', 'target frames'),
            first=Box(1, 0.5, 'fixed', 'warm-up, or model of\nthe round before'),
            labels=Box(2, 0.5, 'data', 'labels, thresholds\nfollow the images'),
            net=Box(3, 0.5, 'net', 'network'),
            loss=Box(4, 0, 'loss', 'cross-entropy'),
            reg=Box(4, 1, 'loss', 'unlabelled pixels\nmore confident,\nlabelled ones less'),
        ),
        'target>first first>labels labels>net net>loss net>reg',
    ),
    ccm=(
        dict(
            target=Box(0, 0, 'data', 'target frames'),
            source=Box(0, 1, 'data', 'source frames, labels'),
            first=Box(1, 0, 'fixed', 'model of the\nround before'),
            labels=Box(2, 0, 'data', 'confident pixels'),
            like=Box(2, 1, 'data', 'frames and pixels\nthat are like these'),
            net=Box(3, 0.5, 'net', 'network'),
            loss=Box(4, 0.5, 'loss', 'cross-entropy,\nentropy (both)'),
        ),
        'target>first first>labels labels>like source>like labels>net like>net net>loss',
    ),
    cmom=(
        dict(
            source=Box(0, 0, 'data', 'source clip,\nlabels of t−1 and t'),
            target=Box(0, 1, 'data', 'target clip\nt−1, t'),
            first=Box(0, 2, 'fixed', 'trained network\n(DA-VSN)'),
            labels=Box(1, 2, 'aid', 'pseudo-labels, once,\nsure pixels'),
            mix=Box(1, 1, 'aid', 'classes of the source\non the target,\nin each frame their own'),
            net=Box(2, 0.5, 'net', 'network'),
            ce=Box(3, 0, 'loss', 'cross-entropy\n(source and mix)'),
            agree=Box(3, 2, 'aid', 'mix: where t−1, carried\nalong the flow, and t\nagree'),
            banks=Box(3, 1, 'aid', 'banks of features\nof stuff and things'),
            loss=Box(4, 1.5, 'loss', 'distance from the\nnearest of its class'),
        ),
        'source>net source>mix target>mix first>labels labels>mix mix>net net>ce net>banks '
        'net>agree banks>loss agree>loss',
    ),
    davsn=(
        dict(
            source=Box(0, 0.5, 'data', 'source clip, labels'),
            target=Box(0, 1.5, 'data', 'target clip\nt−1, t'),
            net=Box(1, 1, 'net', 'network'),
            ce=Box(2, 0, 'loss', 'cross-entropy\n(source)'),
            disc=Box(2, 1, 'aid', 'discriminators of\nt−1 with t, and of t'),
            cons=Box(2, 2, 'aid', 'prediction of t−1,\ncarried to t by\noptical flow'),
            adv=Box(3, 1, 'loss', 'adversarial loss'),
            loss=Box(3, 2, 'loss', 'where t−1 was more\ncertain, t is pulled\nto it'),
        ),
        'source>net target>net net>ce net>disc net>cons disc>adv cons>loss',
    ),
)


def main() -> None:
    folder = Path(__file__).parent
    for name, picture in PICTURES.items():
        (folder / f'{name}.svg').write_text(draw(*picture), encoding='utf-8')


if __name__ == '__main__':
    main()
