"""Native pictures made into those an encoder takes: another layout, colour tags, the flag of two fields."""

from __future__ import annotations

from typing import Any

import av.filter
import numpy as np
from av.video.format import VideoFormat

from vidinternal.core.clip import ClipInfo, ColorTags
from vidinternal.media.codecs import EncoderPlan
from vidinternal.media.picture import NativeFrame, PictureFormat, picture_format, plane_shape, sample_dtype, to_av


def fit_planes(
    planes: tuple[np.ndarray, ...], source: PictureFormat, target: PictureFormat, full_range: bool | None
) -> tuple[np.ndarray, ...]:
    """Lay planes out as another format that holds them; every sample can be found again.

    Deeper samples are shifted up, or stretched where the range is full (255 becomes 1023). Finer chroma repeats
    samples. Grey gets neutral chroma; a missing alpha plane is opaque.

    Args:
        planes: Planes of ``source``.
        source: Their format.
        target: A format of the same family (YUV for grey) with no fewer bits and no coarser chroma.
        full_range: Whether YUV or grey samples use all codes.

    Returns:
        Planes of ``target``, of its dtype.
    """
    given = {p.role: (p, plane) for p, plane in zip(source.planes, planes, strict=True)}
    height, width = planes[0].shape
    stretch = source.family == "rgb" or bool(full_range)
    fitted = []
    for layout in target.planes:
        shape = plane_shape(layout, width, height)
        if layout.role not in given:
            top = (1 << target.depth) - 1 if layout.role == "a" else 1 << (target.depth - 1)
            fitted.append(np.full(shape, top, sample_dtype(target)))
            continue
        own, plane = given[layout.role]
        deep = _deepen(plane, source.depth, target, chroma=layout.role in "uv", stretch=stretch or layout.role == "a")
        if (own.x_shift, own.y_shift) != (layout.x_shift, layout.y_shift):
            deep = deep.repeat(1 << (own.y_shift - layout.y_shift), 0).repeat(1 << (own.x_shift - layout.x_shift), 1)
        fitted.append(np.ascontiguousarray(deep[: shape[0], : shape[1]]))
    return tuple(fitted)


def _deepen(plane: np.ndarray, depth: int, target: PictureFormat, *, chroma: bool, stretch: bool) -> np.ndarray:
    dtype = sample_dtype(target)
    if depth == target.depth:
        return plane
    if not stretch:
        return plane.astype(dtype) << (target.depth - depth)
    low, high = (1 << depth) - 1, (1 << target.depth) - 1
    zero = (1 << (depth - 1), 1 << (target.depth - 1)) if chroma else (0, 0)
    wide = np.round((plane.astype(np.float64) - zero[0]) * (high / low)) + zero[1]
    return np.clip(wide, 0, high).astype(dtype)


class Fitter:
    """Makes FFmpeg's pictures for an encoder out of native ones: layout, time base, colour tags, fields.

    Args:
        info: The clip.
        plan: How it is written.
        interlaced: ``tff`` or ``bff`` to flag pictures as two fields, else empty.
    """

    def __init__(self, info: ClipInfo, plan: EncoderPlan, interlaced: str = "") -> None:
        self._info, self._plan = plan.pictures(info), plan
        self._source, self._target = picture_format(info.pix_fmt), picture_format(plan.pix_fmt)
        self._flag = _FieldFlag(self._info, plan, interlaced) if interlaced else None

    def __call__(self, native: NativeFrame) -> Any:
        """The picture, its time in the clip's ticks."""
        planes = fit_planes(native.planes, self._source, self._target, self._plan.full_range)
        fitted = NativeFrame(planes, native.pts, native.duration, native.index)
        frame: Any = to_av(fitted, self._target, self._info.width, self._info.height)
        frame.time_base = self._info.time_base
        color: ColorTags = self._info.color
        frame.color_primaries, frame.color_trc = color.primaries, color.transfer
        frame.colorspace, frame.color_range = self._plan.matrix, self._plan.range_code
        return frame if self._flag is None else self._flag(frame)


class _FieldFlag:
    """Marks pictures as two fields, which PyAV has no attribute for; FFmpeg's ``setfield`` does it."""

    def __init__(self, info: ClipInfo, plan: EncoderPlan, order: str) -> None:
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=info.width, height=info.height, format=VideoFormat(plan.pix_fmt), time_base=info.time_base
        )
        sink = self._graph.add("buffersink")
        self._graph.link_nodes(source, self._graph.add("setfield", order), sink).configure()

    def __call__(self, frame: Any) -> Any:
        self._graph.push(frame)
        return self._graph.pull()
