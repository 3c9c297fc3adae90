"""The terms of Double-DIP (``gandelsman2019double``) under the paper's names.

A picture is explained as a mixture of layers, ``I = m y1 + (1 - m) y2``, each drawn by a network of its own. The
networks' own liking for pictures that repeat themselves is what parts the layers; the terms here say the rest.
All pictures are ``N C H W`` in [0, 1], every term is a scalar.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.ops.dark_channel import dark_channel

BLUR = 5
"""Side of the box that :func:`std_loss` blurs with, pixels."""
_LUMA = (0.299, 0.587, 0.114)
_LEAST = 1e-6


def exclusion_loss(first: Tensor, second: Tensor, levels: int = 3) -> Tensor:
    """``Excl``: edges of one layer shall not be where the other's are (``zhang2018single``).

    At every level of a pyramid, ``mean((2 s(g1) - 1)^2 (2 s(g2) - 1)^2)^(1/4)`` with the sigmoid s, for the gradients
    g along x and y and all pairs of colours; the mean of all of them.

    Args:
        first: ``N 3 H W`` one layer.
        second: ``N 3 H W`` the other.
        levels: Pictures of the pyramid, each half as large; those without a gradient are left out.
    """
    found: list[Tensor] = []
    for level in range(levels):
        if level:
            first, second = (nn_functional.avg_pool2d(t, 2) for t in (first, second))
        for dim in (-1, -2):
            one, other = (_edges(t, dim) for t in (first, second))
            if one.numel():
                pairs = (one.unsqueeze(2) * other.unsqueeze(1)).mean(dim=(0, 3, 4))
                # the fourth root has no slope at 0, where a layer is flat
                found.append(pairs.clamp(min=_LEAST**2).pow(0.25).flatten())
        if min(first.shape[-2:]) < 2:
            break
    return torch.cat(found).mean() if found else (first * second).sum() * 0.0


def _edges(picture: Tensor, dim: int) -> Tensor:
    return (2 * torch.sigmoid(picture.diff(dim=dim)) - 1).square()


def gray(picture: Tensor) -> Tensor:
    """``N 1 H W``, the luma of a picture; a map of one channel is its own."""
    if picture.shape[1] == 1:
        return picture
    return (picture * picture.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def std_loss(picture: Tensor) -> Tensor:
    """``StdLoss``, smoothness: the mean square of what a 5x5 box takes away from the grey picture."""
    own = gray(picture)
    padded = nn_functional.pad(own, (BLUR // 2,) * 4, mode="replicate")
    return (own - nn_functional.avg_pool2d(padded, BLUR, stride=1)).square().mean()


def gray_loss(mask: Tensor) -> Tensor:
    """``GrayLoss``, ``1 / mean|m - 0.5|``: 2 where a mask is all black and white, without bound where it is grey."""
    return 1 / (mask - 0.5).abs().mean().clamp(min=1e-4)


def extended_l1(picture: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """``ExtendedL1Loss``: the mean absolute error where the mask is 1; 0 where it is 1 nowhere.

    Args:
        picture: ``N C H W``.
        target: ``N C H W``.
        mask: ``N 1 H W`` in [0, 1].
    """
    weight = mask.mean()
    return ((picture - target).abs() * mask).mean() / weight.clamp(min=_LEAST)


def dark_loss(scene: Tensor, side: int) -> Tensor:
    """``DCL`` of ZID (``li2020zero``): the dark channel of a clear picture is nothing, ``mean(min_c,patch J ^2)``.

    Args:
        scene: ``N 3 H W``.
        side: Of the neighbourhood, odd, pixels; 1 is ZID's own.
    """
    return dark_channel(scene, side).square().mean()


def l1(mix: Tensor, target: Tensor) -> Tensor:
    """``Rec`` of a single mixture and of watermarks: the mean absolute error."""
    return (mix - target).abs().mean()


def mean_squared(mix: Tensor, target: Tensor) -> Tensor:
    """``Rec`` of two mixtures: the mean squared error."""
    return (mix - target).square().mean()


def alpha_of(drawn: Tensor) -> Tensor:
    """``alpha = 0.05 + 0.9 y(centre)``, the one number that a network of a share is read for.

    Args:
        drawn: ``N 1 H W`` in [0, 1].

    Returns:
        ``N 1 1 1`` in [0.05, 0.95].
    """
    row, column = drawn.shape[-2] // 2, drawn.shape[-1] // 2
    return 0.05 + 0.9 * drawn[..., row : row + 1, column : column + 1]


def alpha_prior(alpha: Tensor) -> Tensor:
    """``(alpha - 0.5)^2``, which holds the shares near a half while the layers take shape."""
    return (alpha - 0.5).square().mean()


def mixed(m: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """``I = m y1 + (1 - m) y2``; m is a map, ``N 1 H W``, or a number a picture, ``N 1 1 1``."""
    return m * first + (1 - m) * second


def unclipped_layers(one: Tensor, other: Tensor, alphas: Tensor) -> tuple[Tensor, Tensor]:
    """Solve ``I_k = a_k R + (1 - a_k) T``, k = 1, 2, for the layers.

    Args:
        one: ``N 3 H W`` the first mixture.
        other: ``N 3 H W`` the second.
        alphas: ``N 2`` or ``1 2``, ``a_1`` and ``a_2``; they must differ.

    Returns:
        R and T, ``N 3 H W``; with wrong shares they leave [0, 1].
    """
    a, b = (alphas[:, k].to(one).view(-1, 1, 1, 1) for k in (0, 1))
    return ((1 - b) * one - (1 - a) * other) / (a - b), (a * other - b * one) / (a - b)


def layers_of_mixtures(one: Tensor, other: Tensor, alphas: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`unclipped_layers`, in [0, 1]."""
    first, second = unclipped_layers(one, other, alphas)
    return first.clamp(0, 1), second.clamp(0, 1)


def shared_edges(first: Tensor, second: Tensor) -> Tensor:
    """``Excl`` in another form: the correlation of where two layers have edges, from -2 to 2; 0 of unlike pictures.

    :func:`exclusion_loss` sinks with every edge that fades, whichever layer it is taken from; a correlation does not,
    so that layers of unlike contrast can be compared. Edges are taken by their square root: few are strong.

    Args:
        first: ``N 3 H W``.
        second: ``N 3 H W``.
    """
    found = first.new_zeros(())
    for dim in (-1, -2):
        one, other = (t.diff(dim=dim).mean(dim=1).abs().sqrt() for t in (first, second))
        if one.numel():
            one, other = one - one.mean(), other - other.mean()
            found = found + (one * other).mean() / (one.square().mean() * other.square().mean()).sqrt().clamp(min=1e-9)
    return found


def unmarked(picture: Tensor, mask: Tensor, marked: Tensor, least: float) -> Tensor:
    """``c = (I - m w) / (1 - m)``, what is under a mark that lets something through.

    Args:
        picture: ``N 3 H W`` with the mark.
        mask: ``1 1 H W`` or ``N 1 H W``, m: how much the mark hides.
        marked: ``1 3 H W`` or ``N 3 H W``, ``m w``: what it adds.
        least: Least of ``1 - m`` that is divided by.
    """
    return ((picture - marked) / (1 - mask).clamp(min=least)).clamp(0, 1)


def mark_edges(clean: Tensor, mask: Tensor) -> Tensor:
    """Edges a mark leaves behind, ``mean (1 - m) |grad c| = mean |grad I - (w - c) grad m|`` for an even mark w.

    It is least where the mark's edges vanish from all pictures at once, and inside an even mark it does not depend on m
    (``dekel2017watermarks``).

    Args:
        clean: ``K 3 H W``, c: the pictures without the mark.
        mask: ``1 1 H W``, m.
    """
    left = 1 - mask
    found = clean.new_zeros(())
    for dim in (-1, -2):
        shown = (left.narrow(dim, 1, left.shape[dim] - 1) + left.narrow(dim, 0, left.shape[dim] - 1)) / 2
        edges = shown * clean.diff(dim=dim)
        if edges.numel():
            found = found + (edges.square() + 1e-5).sqrt().mean()
    return found
