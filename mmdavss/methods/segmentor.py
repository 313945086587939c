"""A video net as a mmseg segmentor: its weights, its flow, its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import ConfigType, OptConfigType, OptSampleList, SampleList
from torch import Tensor

from mmdavss.ops import at_least_float32, resized_argmax
from mmdavss.structures import Clip
from mmdavss.utils.checkpoints import bare_names
from mmdavss.utils.errors import NotFiniteError, UserError
from mmdavss.utils.wrappers import unwrapped
from mmdavss.video_nets import VideoNet
from mmdavss.video_nets.loading import (
    check_checkpoint,
    forget_pretrained,
    has_pretrained,
    load_student,
)


class VideoSegmentor(BaseSegmentor):
    """What every method is besides its training: a video net, ``student``, that predicts.

    Prediction goes straight to the student, so that testing an adapted model is testing the
    plain net.

    Args:
        student: Config of the video net.
        flow: Config of the flow provider, for clips that come without flow. None where the
            pipeline loads it or the net needs none.
        source_checkpoint: Checkpoint that the student starts from: of any method of this package,
            or of a plain mmseg segmentor. Its class count has to fit.
        resize_to_input: Whether a prediction's scores are resized to the input and then to the
            image, the two bilinear steps of mmseg and what is built on it; else to the image at
            once.
        data_preprocessor: Config, a :class:`DomainDataPreprocessor`.
    """

    # Built from configs, so that a type checker has to be told what they are.
    student: VideoNet
    flow: Any
    data_preprocessor: Any

    def __init__(
        self,
        student: ConfigType,
        flow: OptConfigType = None,
        source_checkpoint: str | None = None,
        resize_to_input: bool = False,
        data_preprocessor: OptConfigType = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.student = MODELS.build(student)
        self.student.set_normalisation(self.data_preprocessor)
        self.flow = None if flow is None else MODELS.build(flow)
        self.source_checkpoint = source_checkpoint
        self.resize_to_input = resize_to_input
        #: Networks whose probabilities are averaged with the student's in predictions, see
        #: MeanPredictionHook. No parts of the method: a tuple registers none.
        self.further_nets: tuple[VideoNet, ...] = ()
        #: What :meth:`watch` saw in this iteration; FiniteGuardHook reads and empties it.
        self.watched: dict[str, Tensor] = {}

    @property
    def net(self) -> VideoNet:
        """The student itself, where MMSeparateDistributedDataParallel has wrapped it."""
        return unwrapped(self.student)

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.net.num_classes

    @property
    def out_channels(self) -> int:
        """Channels of the score maps, as mmseg calls them."""
        return self.net.num_classes

    @property
    def align_corners(self) -> bool:
        """How score maps are resized."""
        return self.net.align_corners

    def resized(self, scores: Tensor, size: Sequence[int]) -> Tensor:
        """Score maps (N, K, h, w) at another size (H, W), bilinearly."""
        return resize(scores, size, mode='bilinear', align_corners=self.align_corners)

    # ------------------------------------------------------------------ weights

    def init_weights(self) -> None:
        """Initialises the student, from :attr:`source_checkpoint` where one is set.

        Raises:
            FileNotFoundError: If that file does not exist.
            ValueError: If nothing pretrained is configured and random weights are not allowed,
                if the video net needs a checkpoint and has none, or if that does not fit.
        """
        if self.source_checkpoint is not None:
            forget_pretrained(self)
        super().init_weights()
        if self.source_checkpoint is not None:
            self.load_source(self.source_checkpoint)
        elif self.net.needs_checkpoint:
            raise ValueError(
                f'{type(self).__name__}: the student is in stage two, which freezes backbones that '
                'are still untrained. Train stage one, and set `model.source_checkpoint` to '
                'its checkpoint.'
            )
        elif not self.net.allow_random_init and not has_pretrained(self.net):
            raise ValueError(
                f'{type(self).__name__} would start from random weights. Set '
                '`model.source_checkpoint` to a trained model or `init_cfg=dict(type="Pretrained", '
                'checkpoint=...)` in the backbone, or say `allow_random_init=True` in '
                '`model.student`.'
            )

    def load_source(self, path: str) -> None:
        """Takes the student's weights from a source model."""
        load_student(self.net, path)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        if not prefix:
            named = bare_names(state_dict)
            state_dict.clear()
            state_dict.update(named)
        own = {prefix + name: value for name, value in self.state_dict().items()}
        check_checkpoint(own, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    # --------------------------------------------------------------------- flow

    def clip_flow(self, clip: Clip) -> Tensor | None:
        """The flow that the student is given with a clip.

        Returns:
            :meth:`given_flow`, or None if the student needs none: a net with its own flow
            branch would otherwise use this flow instead.
        """
        return self.given_flow(clip) if self.net.needs_flow else None

    def given_flow(self, clip: Clip) -> Tensor | None:
        """Flow of a clip: the one it came with, or else that of the provider.

        A method asks for all flows of a batch before its first pass: a provider that computes on
        the CPU waits for the device, which would then have a pass in its queue and be idle after.

        Returns:
            (N, T-1, 2, H, W), ``[:, k]`` from frame k+1 to frame k, or None if there is neither.
        """
        if clip.flow is not None or self.flow is None:
            if self.training and clip.flow is not None:
                self.watch('the flow of the clips', clip.flow)
            return clip.flow
        later, earlier = clip.raw[:, 1:], clip.raw[:, :-1]
        if later.shape[1] == 0:
            return None
        flow = self.flow(later.flatten(0, 1), earlier.flatten(0, 1))
        if self.training:
            self.watch('the flow', flow)
        return flow.unflatten(0, later.shape[:2])

    def watch(self, name: str, maps: Tensor) -> None:
        """Has :class:`FiniteGuardHook` end the run if something is NaN or infinite.

        For what a NaN vanishes in: predictions that become labels, where it exceeds no threshold,
        and features that become statistics, which leave it out. Nothing waits for the device.

        Args:
            name: Of the maps, in the message.
            maps: Any shape.
        """
        norm = torch.linalg.vector_norm(at_least_float32(maps.detach()))
        known = self.watched.get(name)
        # Of two, a NaN is the larger one.
        self.watched[name] = norm if known is None else torch.maximum(norm, known)

    # --------------------------------------------------------------- prediction

    def extract_feat(self, inputs: Clip) -> Tensor:
        """Features (N, C, h, w) of the current frame."""
        return self.net.features(inputs.frames[:, -1])

    def encode_decode(self, inputs: Clip, data_samples: OptSampleList = None) -> Tensor:
        """Scores (N, K, h, w) of the current frame, see :meth:`VideoNet.predict`.

        With :attr:`further_nets` the mean of the probabilities of all networks.
        """
        flow = self.clip_flow(inputs)
        scores = self.net.predict(inputs.frames, flow)
        if not self.further_nets:
            return scores
        maps = [scores, *(net.predict(inputs.frames, flow) for net in self.further_nets)]
        return torch.stack([at_least_float32(one).softmax(1) for one in maps]).mean(0)

    _forward = encode_decode  # type: ignore[assignment]  # mmseg's takes images

    def predict(self, inputs: Clip, data_samples: OptSampleList = None) -> SampleList:
        """Predicted maps of the current frame, at the original size of the image.

        Args:
            inputs: Batch of clips.
            data_samples: Samples with the meta information, updated in place; None predicts at
                the size of `inputs`.
        """
        return self._segmented(self.encode_decode(inputs), inputs, data_samples)

    def step(
        self,
        inputs: Clip,
        data_samples: OptSampleList = None,
        state: Any = None,
        clip_length: int = 2,
        with_scores: bool = True,
    ) -> tuple[SampleList, Any]:
        """The next frame of a video, see :meth:`VideoNet.predict_next`.

        Args:
            inputs: The frame and the one before it (of the first frame itself), which is there for
                the flow; or the frame alone.
            data_samples: As for :meth:`predict`.
            state: What the step before returned; None starts a video.
            clip_length: T of the clips that this is to equal.
            with_scores: False leaves out ``seg_logits``, which a stream does not need: most of the
                time is saved. ``pred_sem_seg`` is the same, in uint8.

        Returns:
            What :meth:`predict` gives for the clip that ends with the frame, and the state.
        """
        flow = self.clip_flow(inputs)
        flow = None if flow is None or flow.shape[1] == 0 else flow[:, -1]
        scores, state = self.net.predict_next(inputs.frames[:, -1], flow, state, clip_length)
        return self._segmented(scores, inputs, data_samples, with_scores), state

    def _segmented(
        self,
        scores: Tensor,
        inputs: Clip,
        data_samples: OptSampleList,
        with_scores: bool = True,
    ) -> SampleList:
        check_whole(*data_samples or ())
        check_scores(
            scores,
            *(
                path
                for sample in data_samples or ()
                if (path := sample.metainfo.get('img_path')) is not None
            ),
        )
        padded = data_samples is not None and any(
            any(s.metainfo.get('img_padding_size', (0,))) for s in data_samples
        )
        if padded or data_samples is None or self.resize_to_input:
            # Otherwise scores go to the original size in one step, as ADVENT and its like do.
            scores = self.resized(scores, inputs.frames.shape[-2:])
        if (
            with_scores
            or padded
            or data_samples is None
            or any(s.metainfo.get('flip') for s in data_samples)
        ):
            return self.postprocess_result(scores, data_samples)
        for one, sample in zip(scores.split(1), data_samples, strict=True):
            labels = resized_argmax(one, sample.metainfo['ori_shape'], self.align_corners)
            sample.set_data(dict(pred_sem_seg=PixelData(data=labels)))
        return data_samples


def check_whole(*samples: SegDataSample) -> None:
    """Ends a prediction of cropped or padded frames.

    It would be stretched over the whole frame, as predictions have the size of the file.

    Args:
        samples: What is predicted, with the meta information.

    Raises:
        UserError: If a frame is not whole, and its ``ori_shape`` still that of the file.
    """
    for sample in samples:
        transform, shape = sample.metainfo.get('reframed', (None, None))
        if transform is not None and sample.metainfo.get('ori_shape') == shape:
            raise UserError(
                f'{sample.metainfo.get("img_path", "a frame")}: {transform} has cropped or padded '
                'it, and the prediction would be stretched over the whole frame: take '
                f'{transform} out of the pipelines that predict (test_dataloader, val_dataloader, '
                'pseudo_label_generator)'
            )


def check_scores(scores: Tensor, *frames: str) -> None:
    """Ends what uses scores that are no numbers; waits for the device.

    The largest of a NaN and other scores is any: a broken network would be scored, or label, as
    one that works.

    Args:
        scores: Of a prediction, any shape.
        frames: The files that they are of.

    Raises:
        NotFiniteError: If one is NaN or infinite.
    """
    if not bool(scores.isfinite().all()):
        raise NotFiniteError(
            f'{", ".join(frames) or "a frame"}: the scores of the network are NaN or infinite. '
            'Its weights are broken: take another checkpoint.'
        )
