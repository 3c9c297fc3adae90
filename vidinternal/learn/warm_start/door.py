"""The one place where a method that trains takes its start weights.

A start is no promise: weights of an unlike picture can be worse than none. Where something is held out, the window is
rendered once with the cold weights and once with the start's, and whichever scores better on the held-out pixels is
what training begins from. Both renderings cost less than an iteration or two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from vidinternal.core.contracts import FitContext, Start
from vidinternal.learn.checkpoint import restore, snapshot

Score = Callable[[], float | None]
"""Renders the window with the network as it is and scores it on the held-out pixels, dB; None where nothing is."""


@dataclass(frozen=True)
class Begun:
    """What a fit began from.

    Attributes:
        warm: Whether it was weights of finished windows.
        note: For a person; empty where there was nothing to choose.
    """

    warm: bool = False
    note: str = ""


def part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {name[len(prefix) :]: tensor for name, tensor in weights.items() if name.startswith(prefix)}


def begin(network: nn.Module, signature: str, context: FitContext, score: Score) -> Begun:
    """Start a network from what the context offers, if that is not worse than what it has now.

    Args:
        network: With its cold weights, or those of a file; changed in place.
        signature: Of the network.
        context: Its ``starts`` are asked; ``context.start``, which somebody chose on purpose, is not dealt with here.
        score: Judges the network as it is.

    Raises:
        ConfigError: The weights do not fit the network, though the signature says so.
        MediaError: Weights of the bank are gone or damaged.
    """
    offered = None if context.starts is None or context.start is not None else context.starts.of(signature)
    return Begun() if offered is None else audition(network, offered, score)


def audition(network: nn.Module, offered: Start, score: Score) -> Begun:
    """Keep the offered weights unless the held-out pixels say that the present ones are better; a tie keeps them.

    Raises:
        ConfigError: The weights do not fit the network; it is as it was.
    """
    cold = snapshot(network)
    before = score()
    restore(network, offered.weights, offered.origin)
    after = score()
    if before is None or after is None:
        return Begun(True, f"warm start, {offered.origin}; nothing is held out to judge it")
    told = f"held out {after:.2f} dB, cold {before:.2f}"
    # written so that NaN, which is no score, is no reason to take a start
    if after >= before:
        return Begun(True, f"warm start, {offered.origin}; {told}")
    restore(network, cold, "cold start")
    return Begun(False, f"cold start: {offered.origin} would begin worse; {told}")
