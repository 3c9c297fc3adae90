"""The four terms of ``zhang2019internal``.

Every mean runs over all elements of the batch, those masked to zero included, as published: a larger hole lowers a
term's scale, and the weights 1, 0.1, 1 and 0.01 were chosen so. Symbols: hole ``m``, affected area
``u_ij = m_i or m_j(p + F_ij(p)) > 0``, validity ``v_ij`` of the reference flow, its scale ``S``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from vidinternal.ops.warp import backward_warp, in_bounds

Norm = Literal["L2", "L1"]


def recon_image(prediction: Tensor, target: Tensor, hole: Tensor, norm: Norm = "L2") -> Tensor:
    """``L_r = mean |(1 - m) (Î - I)|^2``: known pixels are reproduced.

    Args:
        prediction: ``Î``, ``N 3 H W``.
        target: ``I``, ``N 3 H W``; finite everywhere, zero in the hole.
        hole: ``m``, ``N 1 H W`` float, 1 = to fill.
        norm: ``L2`` for squares, ``L1`` for absolute values.

    Returns:
        A scalar.
    """
    return _mean((prediction - target) * (1.0 - hole), norm)


def recon_flow(prediction: Tensor, target: Tensor, affected: Tensor, valid: Tensor, norm: Norm = "L2") -> Tensor:
    """``L_f = mean |v (1 - u) (F̂ - F/S)|^2``: reference flow is reproduced where neither end touches a hole.

    Args:
        prediction: ``F̂``, normalised flow, ``N 2 H W``.
        target: ``F / S``, ``N 2 H W``.
        affected: ``u``, ``N 1 H W`` float.
        valid: ``v``, ``N 1 H W`` float.
        norm: ``L2`` or ``L1``.

    Returns:
        A scalar.
    """
    return _mean((prediction - target) * (1.0 - affected) * valid, norm)


def consistency_loss(neighbour: Tensor, reference: Tensor, flow: Tensor, affected: Tensor, norm: Norm = "L2") -> Tensor:
    """``L_c = mean |u b (Î_j(p + F̂_ij(p)) - Î_i(p))|^2``: filled pixels agree along the predicted flow.

    The gradient goes to the neighbour ``Î_j`` and to the flow; the reference ``Î_i`` is held still. ``b`` leaves out
    what flows from outside the picture.

    Args:
        neighbour: ``Î_j``, ``N 3 H W``.
        reference: ``Î_i``, ``N 3 H W``.
        flow: ``F̂_ij`` in pixels, ``N 2 H W``.
        affected: ``u_ij``, ``N 1 H W`` float.
        norm: ``L2`` or ``L1``.

    Returns:
        A scalar.
    """
    where = affected * in_bounds(flow.detach())
    return _mean((backward_warp(neighbour, flow) - reference.detach()) * where, norm)


def perceptual_loss(prediction: Sequence[Tensor], target: Sequence[Tensor], holes: Sequence[Tensor]) -> Tensor:
    """``L_p = sum_k mean |(1 - m_k) (φ_k(Î) - φ_k(I))|^2`` over relu1_2, relu2_2 and relu3_3 of VGG16.

    Args:
        prediction: ``φ_k(Î)`` for each layer k.
        target: ``φ_k(I)``, no gradient.
        holes: ``m_k``, ``N 1 h w`` float: 1 where the receptive field of a feature touches the hole.

    Returns:
        A scalar.
    """
    layers = zip(prediction, target, holes, strict=True)
    return torch.stack([_mean((p - t.detach()) * (1.0 - m), "L2") for p, t, m in layers]).sum()


def affected_area(hole_reference: Tensor, hole_neighbour: Tensor, flow: Tensor) -> Tensor:
    """``u_ij``: in the reference's hole, or flowing from the neighbour's hole.

    Args:
        hole_reference: ``m_i``, ``N 1 H W`` float.
        hole_neighbour: ``m_j``, ``N 1 H W`` float.
        flow: Reference flow ``F_ij`` in pixels, ``N 2 H W``.

    Returns:
        ``N 1 H W`` float, 0 or 1.
    """
    # not > 0: rounding of the sampling grid gives the pixel beside an exact shift a weight of 1e-7
    warped = (backward_warp(hole_neighbour, flow) > 1e-3) & in_bounds(flow)
    return ((hole_reference > 0) | warped).to(flow.dtype)


def _mean(difference: Tensor, norm: Norm) -> Tensor:
    return difference.square().mean() if norm == "L2" else difference.abs().mean()
