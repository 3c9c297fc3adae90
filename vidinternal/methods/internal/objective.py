"""What the generator minimises."""

from __future__ import annotations

from torch import Tensor


def recon_image(output: Tensor, frames: Tensor, known: Tensor) -> Tensor:
    """``L_r = mean |M (G(z) - I)|`` over known pixels, ``M = 1`` where known; the L1 form of ``zhang2019internal``.

    Args:
        output: ``N 3 H W``, G(z).
        frames: ``N 3 H W``, I.
        known: ``N 1 H W`` float.
    """
    return ((output - frames).abs() * known).sum() / (3 * known.sum()).clamp(min=1.0)


def soft_target(output: Tensor, copied: Tensor, confidence: Tensor) -> Tensor:
    """``L_s = mean c |G(z) - P|`` over copied pixels, ``c`` their confidence in [0, 1], zero where nothing was copied.

    Args:
        output: ``N 3 H W``, G(z).
        copied: ``N 3 H W``, P, real pixels brought along the flow.
        confidence: ``N 1 H W``, c.
    """
    return ((output - copied).abs() * confidence).sum() / (3 * confidence.sum()).clamp(min=1.0)
