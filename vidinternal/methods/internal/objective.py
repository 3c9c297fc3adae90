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


def soft_target(output: Tensor, fused: Tensor, confidence: Tensor) -> Tensor:
    """``L_s = mean c |G(z) - P|``, the fused picture as a target as far as the narrow copy is to be believed.

    Args:
        output: ``N 3 H W``, G(z).
        fused: ``N 3 H W``, P, the blind fusion of all candidates.
        confidence: ``N 1 H W``, c, the confidence of the narrow copy in [0, 1]: zero on known pixels and where that
            copy brought nothing.
    """
    return ((output - fused).abs() * confidence).sum() / (3 * confidence.sum()).clamp(min=1.0)
