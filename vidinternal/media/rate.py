"""Which constant quality: chosen by encoding a few short pieces of the clip, always the same ones.

50 dB outside the mask and the bitrate of the source exclude each other wherever the source itself was coded below that
quality: coding its pictures again at its own rate loses about as much again. So a person chooses what is held, and the
trial says what the other then becomes.

* ``source`` holds the bitrate of the source's video to within 20 %, and tells how many dB that affords; where 50 dB
  fit into that, they are held as well.
* ``quality`` holds 50 dB outside the mask with the highest crf that does.

The bitrate of a lossless, raw or intra-only source says what its codec costs and not how good it is, so ``source``
means ``quality`` there. So it does where every picture was made anew, perhaps of another size: what the source spent
on its own says nothing of them, and the 50 dB are against the pictures as made. Another codec than the source's gets
the same bitrate all the same: a better one looks better, and what a worse one loses is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from vidinternal.core.clip import ClipInfo
from vidinternal.media.codecs import CrfScale, EncoderPlan, EncodeSettings, crf_scale, with_crf
from vidinternal.media.outside import PERFECT, Allowed
from vidinternal.media.packets import picture_bytes
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import frame_pts
from vidinternal.media.rate_of_source import says_nothing
from vidinternal.media.segments import segment_length
from vidinternal.media.trial import Piece, Trial, try_plan
from vidinternal.media.verify_samples import LEAST_PSNR, LEAST_REMADE

SampleFrames = Callable[[int, int], Iterable[NativeFrame]]
"""Frames ``start`` to ``end`` (excluded) as they will be written."""

TOLERANCE = 0.20
"""Share by which the bitrate may differ from the source's."""
MARGIN = 1.5
"""dB that a whole clip may lie below what its trial affords."""

_CLOSE = 0.06  # of the bitrate; nearer is within what the pieces differ from the whole
_ROOM = 0.17  # of the bitrate, that 50 dB may cost; the rest of the tolerance is for what a trial misjudges
_SPARE = 0.3  # dB above the least that a trial has to reach, for what it did not see
_PROBES = 2
_TRIALS = 6
# Natural logarithm of the size, and dB, per step of crf, before anything is known of the clip.
_SLOPES = {"h264": (0.10, 0.55), "hevc": (0.10, 0.50), "av1": (0.065, 0.30), "vp9": (0.06, 0.30)}
_FIRST_GUESS = {"h264": 20.0, "hevc": 21.0, "av1": 28.0, "vp9": 28.0}
_QUALITY_GUESS = {"h264": 13.0, "hevc": 13.0, "av1": 14.0, "vp9": 12.0}
# A trial looks at so many pixels: about a second of work of x264. Pieces under 20 frames cost less than the same
# pictures in a whole clip, since x264 spends on a picture what the ones behind it will borrow from it.
_PIXELS = 22_000_000
_LEAST_PIECE, _GOOD_PIECE, _LONGEST_PIECE = 12, 20, 48


@dataclass(frozen=True)
class RateChoice:
    """What the trials came to.

    Attributes:
        crf: The quality chosen, or None where there is none to choose.
        expected_ratio: Video bytes over those of the source, where the encoder writes.
        expected_psnr: dB outside the mask, worst plane.
        least_psnr: dB below which the result is refused.
        note: What a person should know, in one line; empty where nothing is worth telling.
        holds: ``source``, ``quality``, ``crf`` where it was given, ``lossless``, or ``copy`` where nothing is encoded.
        per_crf: Fall of the size's natural logarithm, and of the PSNR in dB, per step of crf.
        trials: How many were made.
        curve: Each crf tried, and the logarithm of the ratio it came to.
    """

    crf: float | None
    expected_ratio: float
    expected_psnr: float
    least_psnr: float
    note: str = ""
    holds: str = "crf"
    per_crf: tuple[float, float] = (0.10, 0.55)
    trials: int = 0
    curve: tuple[tuple[float, float], ...] = ()


def choose_rate(
    info: ClipInfo,
    plan: EncoderPlan,
    sample_frames: SampleFrames,
    settings: EncodeSettings,
    *,
    spans: Sequence[range] | None = None,
    allowed: Allowed | None = None,
) -> RateChoice:
    """Choose the crf of a lossy plan and learn what it costs and affords.

    Args:
        info: The source.
        plan: How the clip is written; its crf is not looked at unless ``settings`` has it.
        sample_frames: Gives the frames of a span as they will be written.
        settings: What is wanted: ``rate``, or a ``crf`` that wins over it.
        spans: The frames the encoder writes, where others are copied; all when None. Without any there is no trial.
        allowed: What may differ from the source, which does not count for the PSNR.

    Raises:
        MediaError: The encoder fails, or the source cannot be read.
    """
    if plan.lossless:
        return RateChoice(None, 1.0, PERFECT, PERFECT, holds="lossless")
    if spans is not None and not any(spans):
        return RateChoice(plan.crf, 1.0, PERFECT, LEAST_PSNR, holds="copy")
    look = _Look(info, plan, sample_frames, spans or (range(len(frame_pts(info))),), allowed)
    scale = crf_scale(plan.codec)
    if settings.crf is not None or scale is None:
        return _given(look, plan)
    because = _because(info, plan)
    if settings.rate == "quality" or because:
        choice = _hold_quality(look, scale)
        return replace(choice, note=f"{because}{choice.note}")
    return _hold_rate(look, scale)


def _because(info: ClipInfo, plan: EncoderPlan) -> str:
    """Why quality is held and not the bitrate of the source; empty where that can be."""
    if plan.size is not None:
        return "every picture was made anew, and the source's bitrate says nothing of them: "
    foreign = says_nothing(info)
    return f"the source is {foreign}, and its bitrate says nothing about quality: " if foreign else ""


def corrected(choice: RateChoice, plan: EncoderPlan, ratio: float, psnr: float) -> float | None:
    """A better crf after the whole clip came out otherwise than its trial; None where it is as good as it gets.

    Args:
        choice: What the trials came to.
        plan: How the clip was written.
        ratio: Video bytes over those of the source, as written.
        psnr: dB outside the mask as written.
    """
    scale = crf_scale(plan.codec)
    if choice.crf is None or scale is None:
        return None
    crf = here = choice.crf
    if choice.holds == "source" and abs(ratio - 1) > TOLERANCE:
        off = math.log(ratio) - _on_curve(choice, choice.crf)
        steps = round((scale.worst - scale.best) / scale.step)
        every = [scale.best + k * scale.step for k in range(steps + 1)]
        crf = min(every, key=lambda c: (abs(_on_curve(choice, c) + off), abs(c - here)))
    elif choice.holds == "quality" and psnr < (LEAST_PSNR if plan.size is None else choice.least_psnr):
        crf = scale.nearest(choice.crf - max(scale.step, (LEAST_PSNR + _SPARE - psnr) / choice.per_crf[1]))
    return None if crf == choice.crf else crf


def _on_curve(choice: RateChoice, crf: float) -> float:
    """Logarithm of the size that the trials make likely at a quality: straight lines between them and beyond."""
    points = choice.curve or ((choice.crf or 0.0, 0.0),)
    if len(points) > 1 and points[0][0] <= crf <= points[-1][0]:
        (a, low), (b, high) = next(pair for pair in pairwise(points) if pair[0][0] <= crf <= pair[1][0])
        return low + (high - low) * (crf - a) / (b - a)
    at, value = min(points, key=lambda p: abs(p[0] - crf))
    return value - choice.per_crf[0] * (crf - at)


def affordable(
    info: ClipInfo, plan: EncoderPlan, sample_frames: SampleFrames, frame: int, allowed: Allowed | None = None
) -> float:
    """The dB below which a result is refused, from a trial of what the plan affords around a frame.

    Args:
        info: The source.
        plan: How it was written.
        sample_frames: Gives the frames of a span as they were written.
        frame: The frame that came out worst.
        allowed: What does not count.
    """
    count = len(frame_pts(info))
    start = max(0, min(frame - _LONGEST_PIECE // 2, count - _LONGEST_PIECE))
    piece = Piece(list(sample_frames(start, min(count, start + _LONGEST_PIECE))))
    return _gate(try_plan(info, plan, [piece], allowed))


class _Look:
    """Trials of one clip at several qualities, each made once."""

    def __init__(
        self,
        info: ClipInfo,
        plan: EncoderPlan,
        frames: SampleFrames,
        spans: Sequence[range],
        allowed: Allowed | None,
    ) -> None:
        self.info, self.plan = info, plan
        self._allowed, self._sample = allowed, frames
        self._spans = spans
        made = plan.pictures(info)
        self.pixels = made.width * made.height
        self._pieces = [Piece(list(frames(p.start, p.stop))) for p in pick_pieces(spans, self.pixels)]
        pts = frame_pts(info)
        stored = picture_bytes(info)
        sizes = [stored[t][0] if t in stored else 0 for t in pts]
        if not all(sizes):  # packets that are no pictures: fields, or times of their own
            sizes = [sum(size for size, _ in stored.values()) / len(pts)] * len(pts)
        self.sizes: list[float] = list(sizes)
        self.tried: dict[float, Trial] = {}

    @property
    def source_bytes(self) -> float:
        """Video bytes of the source where the encoder writes."""
        return sum(sum(self.sizes[s.start : s.stop]) for s in self._spans)

    def at(self, crf: float | None) -> Trial:
        """The trial at a quality, or at the plan's own where it has none."""
        key = -1.0 if crf is None else crf
        if key not in self.tried:
            plan = self.plan if crf is None else with_crf(self.plan, crf)
            self.tried[key] = try_plan(self.info, plan, self._pieces, self._allowed)
        return self.tried[key]

    def ratio(self, trial: Trial) -> float:
        """Bytes of the whole, over those of the source, as a trial of pieces makes them likely.

        A piece opens with a key picture, of which the whole has far fewer, so these are counted apart; the others are
        scaled by what the source spent on the very same pictures, which evens out that some pieces are busier.
        """
        opening = sum(piece.opening for piece in trial.pieces) / len(trial.pieces)
        rest = sum(piece.rest for piece in trial.pieces)
        same = sum(sum(self.sizes[i] for i in piece.indices[1:]) for piece in self._pieces)
        source = self.source_bytes
        if not same:
            return opening * sum(len(s) for s in self._spans) / source
        firsts = sum(self.sizes[s.start] for s in self._spans)
        distance = min(_KEY_DISTANCE, segment_length(self.plan, self.pixels))
        keys = sum(-(-len(s) // distance) for s in self._spans)
        return (max(source - firsts, 0.0) * rest / same + keys * opening) / source

    def slopes(self, codec: str) -> tuple[float, float]:
        """Fall of the size's logarithm and of the PSNR per step of crf, from the two nearest trials."""
        usual = _SLOPES[codec]
        crfs = sorted(c for c in self.tried if c >= 0)
        if len(crfs) < 2:
            return usual
        # closer ones would tell the encoder's whims, not its slope
        wide = [(a, b) for a, b in combinations(crfs, 2) if b - a >= 1] or [(crfs[0], crfs[-1])]
        a, b = min(wide, key=lambda pair: pair[1] - pair[0])
        one, two = self.tried[a], self.tried[b]
        size = (math.log(self.ratio(one)) - math.log(self.ratio(two))) / (b - a)
        psnr = (one.psnr - two.psnr) / (b - a)
        return _held(size, usual[0]), _held(psnr, usual[1])


_KEY_DISTANCE = 250


def trial_pixels(frames: int, pixels: int) -> int:
    """Pixels that are encoded at most to choose a quality that holds the source's bitrate.

    Args:
        frames: Frames that are encoded.
        pixels: Pixels of each.
    """
    return _PROBES * pixels * sum(len(p) for p in pick_pieces((range(frames),), pixels))


def _held(value: float, usual: float) -> float:
    return min(3 * usual, max(usual / 3, value))


def pick_pieces(spans: Sequence[range], pixels: int) -> list[range]:
    """Where to try: all of a short clip, else two or three pieces spread evenly over the frames the encoder writes.

    Args:
        spans: Those frames.
        pixels: Pixels of a frame; larger ones get shorter pieces, so that a trial stays at a second or two.
    """
    count = sum(len(s) for s in spans)
    budget = _PIXELS // pixels
    number = min(3, max(2, budget // _GOOD_PIECE))
    length = min(_LONGEST_PIECE, max(_LEAST_PIECE, budget // number))
    if count <= max(number * length, 48 if budget >= 40 else 0):
        return [s for s in spans if len(s)]
    pieces: dict[range, None] = {}
    for k in range(number):
        at = count * (2 * k + 1) // (2 * number)
        for span in spans:
            if at < len(span):
                start = span.start + max(0, min(at - length // 2, len(span) - length))
                pieces[range(start, min(span.stop, start + length))] = None
                break
            at -= len(span)
    return list(pieces)


def _given(look: _Look, plan: EncoderPlan) -> RateChoice:
    """What a quality that was given, or a codec without one, affords."""
    trial = look.at(plan.crf)
    slopes = look.slopes(plan.codec) if plan.codec in _SLOPES else (0.10, 0.55)
    choice = RateChoice(plan.crf, look.ratio(trial), trial.psnr, _gate(trial), per_crf=slopes, trials=1)
    return replace(choice, note=affords(choice.expected_psnr, choice.expected_ratio, choice, plan))


def _gate(trial: Trial) -> float:
    """What the result must hold: 50 dB, or what the worst piece affords less a margin."""
    return min(LEAST_PSNR, min(p.psnr for p in trial.pieces) - MARGIN)


def _hold_rate(look: _Look, scale: CrfScale) -> RateChoice:
    codec = look.plan.codec
    crf = _FIRST_GUESS[codec]
    for _ in range(_PROBES):
        off = math.log(look.ratio(look.at(crf)))
        following = scale.nearest(crf + off / look.slopes(codec)[0])
        if abs(off) <= _CLOSE or following in look.tried:
            break
        crf = following
    # the last step of the secant is not tried: the whole clip is the trial, and is written again where it misses
    near = min(look.tried, key=lambda c: (abs(c - crf), c))
    trial, slopes, more = look.at(near), look.slopes(codec), crf - near
    # Where 50 dB cost little more than the source's bitrate, both are held.
    lift = max(0.0, (LEAST_PSNR + _SPARE - trial.psnr + slopes[1] * more) / slopes[1])
    dearer = math.log(look.ratio(trial)) + slopes[0] * (lift - more)
    if lift > 0 and dearer <= math.log(1 + _ROOM) and crf - lift >= scale.best:
        crf = scale.nearest(crf - lift)
        more = crf - near
    ratio, psnr = look.ratio(trial) * math.exp(-slopes[0] * more), trial.psnr - slopes[1] * more
    least = min(LEAST_PSNR, _gate(trial) - slopes[1] * more)
    curve = tuple((c, math.log(look.ratio(t))) for c, t in sorted(look.tried.items()))
    choice = RateChoice(crf, ratio, psnr, least, "", "source", slopes, len(look.tried), curve)
    aim = f"crf {crf:g} holds the source's bitrate"
    if abs(ratio - 1) > TOLERANCE:
        aim = f"crf {crf:g} is as near as {codec} comes to the source's bitrate, {ratio:.2f} times it"
    return replace(choice, note="; ".join(filter(None, (aim, affords(psnr, ratio, choice, look.plan)))))


def affords(psnr: float, ratio: float, choice: RateChoice, plan: EncoderPlan) -> str:
    """What a quality below 50 dB is, and what 50 dB would cost; empty where it is no lower.

    Args:
        psnr: dB outside the mask.
        ratio: Video bytes over those of the source.
        choice: What the trials came to.
        plan: How the clip is written.
    """
    if psnr >= LEAST_PSNR:
        return ""
    below = f"{_where(plan)} that affords {psnr:.1f} dB, less than {LEAST_PSNR:g}"
    scale = crf_scale(plan.codec)
    if scale is None or choice.crf is None:
        return f"{below}; --set encode.codec=ffv1 changes no sample there"
    if choice.holds == "quality":
        return below
    steps = (LEAST_PSNR - psnr) / choice.per_crf[1]
    size = ratio * math.exp(choice.per_crf[0] * min(steps, choice.crf - scale.best))
    return f"{below}; --set encode.rate=quality gives {LEAST_PSNR:g} dB at about {size:.1f} times the source's bitrate"


def _where(plan: EncoderPlan) -> str:
    return "outside the mask" if plan.size is None else "against the pictures made"


def _hold_quality(look: _Look, scale: CrfScale) -> RateChoice:
    """The highest crf whose trial has 50 dB and a little to spare, by secant steps inside a bracket."""
    codec = look.plan.codec
    wanted = LEAST_PSNR + _SPARE
    crf, good, bad = _QUALITY_GUESS[codec], scale.best, scale.worst
    for _ in range(_TRIALS + 1):
        psnr = look.at(crf).psnr
        if psnr >= wanted:
            good = max(good, crf)
            if psnr < wanted + _SPARE:
                break
        else:
            bad = min(bad, crf)
        if bad - good <= max(scale.step, 0.5):
            break
        inside = scale.nearest(crf + (psnr - wanted) / look.slopes(codec)[1])
        crf = inside if good < inside < bad else scale.nearest((good + bad) / 2)
        if crf in look.tried:
            break
    trial = look.at(good)
    ratio = look.ratio(trial)
    note = f"crf {good:g} holds {LEAST_PSNR:g} dB {_where(look.plan)}"
    if trial.psnr < LEAST_PSNR:
        note = (
            f"crf {good:g}, the best of {codec}, affords only {trial.psnr:.1f} dB; --set encode.lossless=true holds all"
        )
    least = LEAST_PSNR if look.plan.size is None else min(LEAST_REMADE, _gate(trial))
    return RateChoice(good, ratio, trial.psnr, least, note, "quality", look.slopes(codec), len(look.tried))
