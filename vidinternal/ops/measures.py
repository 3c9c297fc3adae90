"""How good a fill is: fidelity to a truth, and steadiness in time.

Frames are ``T 3 H W`` RGB in [0, 1], masks ``T 1 H W`` bool with True = in the hole.
"""

from __future__ import annotations

import math

import torch
from kornia.metrics import ssim as kornia_ssim
from torch import Tensor

from vidinternal.core.errors import UsageError
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.warp import backward_warp, forward_backward_residual

BEST_PSNR = 99.0
"""What :func:`psnr` gives for pictures that agree to within 10 parts in a million of the range."""

_SSIM_WINDOW = 11


def mse(frames: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """Mean squared difference, pooled over all pixels of all frames.

    Args:
        frames: ``T C H W`` in [0, 1].
        truth: ``T C H W`` in [0, 1].
        mask: ``T 1 H W`` bool; pixels that count, None = all.

    Raises:
        UsageError: Shapes differ, or no pixel counts.
    """
    _check(frames, truth, mask)
    error = (frames.to(truth) - truth).double().square()
    return float(error.mean() if mask is None else error[mask.expand_as(error)].mean())


def psnr_of(mean_squared_error: float) -> float:
    """PSNR in dB, peak 1, at most :data:`BEST_PSNR`."""
    return BEST_PSNR if mean_squared_error <= 1e-10 else min(BEST_PSNR, -10.0 * math.log10(mean_squared_error))


def psnr(frames: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """PSNR in dB, peak 1, from the squared error pooled over all pixels of all frames.

    Args:
        frames: ``T C H W`` in [0, 1].
        truth: ``T C H W`` in [0, 1].
        mask: ``T 1 H W`` bool; pixels that count, None = all.

    Raises:
        UsageError: Shapes differ, or no pixel counts.
    """
    return psnr_of(mse(frames, truth, mask))


def hole_psnr(frames: Tensor, truth: Tensor, masks: Tensor) -> float:
    """PSNR in dB over the hole alone; :func:`psnr` with a mask that must be given."""
    return psnr(frames, truth, masks)


def ssim_map(frames: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity at every pixel, mean of the channels (``wang2004image``).

    A Gaussian window of 11 pixels with sigma 1.5 and mirrored borders.

    Args:
        frames: ``T C H W`` in [0, 1].
        truth: ``T C H W`` in [0, 1].

    Returns:
        ``T 1 H W`` in [-1, 1].

    Raises:
        UsageError: Shapes differ, or a side is shorter than the half window needs.
    """
    _check(frames, truth, None)
    if min(frames.shape[-2:]) <= _SSIM_WINDOW // 2:
        raise UsageError(
            "ssim", expected=f"sides of at least {_SSIM_WINDOW // 2 + 1} pixels", got=f"{tuple(frames.shape[-2:])}"
        )
    # frame by frame: it holds a dozen pictures for every one that it is given
    pairs = zip(frames.to(truth).split(1), truth.split(1), strict=True)
    return torch.cat([kornia_ssim(mine, true, _SSIM_WINDOW).mean(dim=1, keepdim=True) for mine, true in pairs])


def ssim(frames: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """Mean of :func:`ssim_map` over the pixels that count.

    Args:
        frames: ``T C H W`` in [0, 1].
        truth: ``T C H W`` in [0, 1].
        mask: ``T 1 H W`` bool; pixels that count, None = all.

    Raises:
        UsageError: Shapes differ, a side is too short, or no pixel counts.
    """
    _check(frames, truth, mask)
    values = ssim_map(frames, truth)
    return float((values if mask is None else values[mask]).double().mean())


def temporal_differences(frames: Tensor, truth: Tensor, masks: Tensor) -> Tensor:
    """All values that :func:`temporal_error` averages, a vector in 8-bit codes; empty without a hole or a pair.

    Raises:
        UsageError: Shapes differ.
    """
    _check(frames, truth, masks, empty_is_fine=True)
    where = (masks[1:] | masks[:-1]).expand(-1, frames.shape[1], -1, -1)
    return (frames.to(truth) - truth).diff(dim=0).abs()[where].double() * 255


def temporal_error(frames: Tensor, truth: Tensor, masks: Tensor) -> float:
    """Flicker beyond what the truth does: mean of ``|(x_t - x_(t-1)) - (g_t - g_(t-1))|``, 8-bit codes.

    Args:
        frames: ``T C H W`` in [0, 1], x.
        truth: ``T C H W`` in [0, 1], g.
        masks: ``T 1 H W`` bool; a difference counts where either of its two frames is in the hole.

    Returns:
        Codes of 255; 0 for a clip of one frame or without a hole.

    Raises:
        UsageError: Shapes differ.
    """
    return _mean_or_zero(temporal_differences(frames, truth, masks))


def warping_differences(frames: Tensor, flow: Tensor, valid: Tensor, masks: Tensor) -> Tensor:
    """All values that :func:`warping_error` averages, a vector; empty where no pixel of the hole has believable flow.

    Raises:
        UsageError: Shapes do not fit.
    """
    pairs = len(frames) - 1
    fits = len(flow) in (pairs, pairs + 1) and len(valid) == len(flow) and len(masks) == len(frames)
    if not fits or flow.shape[-2:] != frames.shape[-2:]:
        raise UsageError(
            "warping_error",
            expected=f"flow and its validity for {pairs} pairs of {tuple(frames.shape[-2:])} and one mask a frame",
            got=f"flow {tuple(flow.shape)}, valid {tuple(valid.shape)}, masks {tuple(masks.shape)}",
        )
    where = (masks[:-1] & valid[:pairs]).expand(-1, frames.shape[1], -1, -1)
    if not where.any():
        return frames.new_zeros(0, dtype=torch.float64)
    return (backward_warp(frames[1:], flow[:pairs]) - frames[:-1]).square()[where].double()


def warping_error(frames: Tensor, flow: Tensor, valid: Tensor, masks: Tensor) -> float:
    """Mean squared difference, in the hole, between each frame and its successor warped back onto it.

    Args:
        frames: ``T C H W`` in [0, 1].
        flow: ``T 2 H W`` or ``T-1 2 H W``; row t is ``F[t -> t+1]`` of the truth in pixels.
        valid: Like ``flow`` with one channel, bool; where the flow can be believed.
        masks: ``T 1 H W`` bool.

    Returns:
        In squared units of [0, 1]; 0 where no pixel of the hole has believable flow.

    Raises:
        UsageError: Shapes do not fit.
    """
    return _mean_or_zero(warping_differences(frames, flow, valid, masks))


def _mean_or_zero(values: Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0


def flow_of(truth: Tensor, tolerance: float = 1.1774) -> tuple[Tensor, Tensor]:
    """Flow from each frame of a clip to the next, for :func:`warping_error`, and where it can be believed.

    Args:
        truth: ``T 3 H W`` in [0, 1].
        tolerance: Largest forward/backward residual of believable flow, pixels.

    Returns:
        ``T-1 2 H W`` pixels by Dense Inverse Search (``kroeger2016fast``), and ``T-1 1 H W`` bool.
    """
    forward, backward = dis_flow(truth[:-1], truth[1:]), dis_flow(truth[1:], truth[:-1])
    return forward, forward_backward_residual(forward, backward) < tolerance


def pearson(left: Tensor, right: Tensor) -> float | None:
    """Linear correlation of two vectors, or None where one of them does not vary or has fewer than 2 values.

    Raises:
        UsageError: They are not two vectors of one length.
    """
    if left.ndim != 1 or left.shape != right.shape:
        raise UsageError(
            "correlation", expected="two vectors of one length", got=f"{tuple(left.shape)} and {tuple(right.shape)}"
        )
    if len(left) < 2:
        return None
    a, b = left.double() - left.double().mean(), right.double() - right.double().mean()
    scale = a.norm() * b.norm()
    return None if float(scale) <= 1e-12 else float((a @ b / scale).clamp(-1, 1))


def spearman(left: Tensor, right: Tensor) -> float | None:
    """Rank correlation of two vectors, ties sharing their mean rank; None as for :func:`pearson`.

    Raises:
        UsageError: They are not two vectors of one length.
    """
    return pearson(_ranks(left), _ranks(right))


def _ranks(values: Tensor) -> Tensor:
    """Mean rank of every value."""
    if values.ndim != 1:
        return values
    below = (values[None] < values[:, None]).sum(dim=1)
    same = (values[None] == values[:, None]).sum(dim=1)
    return below.double() + (same.double() - 1) / 2


def _check(frames: Tensor, truth: Tensor, mask: Tensor | None, *, empty_is_fine: bool = False) -> None:
    if frames.shape != truth.shape or frames.ndim != 4:
        raise UsageError(
            "measure",
            expected=f"two stacks T C H W of one shape, {tuple(truth.shape)}",
            got=str(tuple(frames.shape)),
        )
    if mask is None:
        return
    if mask.dtype != torch.bool or mask.shape != (len(frames), 1, *frames.shape[-2:]):
        raise UsageError(
            "measure(mask)",
            expected=f"bool {(len(frames), 1, *frames.shape[-2:])}",
            got=f"{str(mask.dtype).removeprefix('torch.')} {tuple(mask.shape)}",
        )
    if not empty_is_fine and not mask.any():
        raise UsageError("measure(mask)", expected="at least one pixel in the mask", got="none")
