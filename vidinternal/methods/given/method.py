"""The masks a person gave, as they are."""

from __future__ import annotations

from vidinternal.core.errors import MaskError
from vidinternal.core.finding import Asked, ClipView, FindContext, Found, MaskedSpan, MaskMethod, SpanRequest
from vidinternal.methods.given import CARDS
from vidinternal.methods.given.config import Config


class Given(MaskMethod):
    """Finds nothing by itself."""

    card = CARDS[0]

    def check(self, asked: Asked, config: Config) -> None:
        """Refuse a job without a mask.

        Raises:
            MaskError: Neither a mask nor a region was given, and nothing else is to be filled.
        """
        if asked.mask or asked.regions or asked.known:
            return
        raise MaskError(
            f"{asked.source}: nothing to remove was given",
            expected="--mask PATH (white = remove) or --region X,Y,W,H[@START-END]",
            got="neither",
            hint=f"vidinternal run inpaint {asked.source.name} --region 40,400,560,60 -o {asked.destination.name}",
        )

    def find(self, clip: ClipView, config: Config, context: FindContext) -> Found:
        """Find nothing: everything is known."""
        return Found()

    def masks(self, found: Found, request: SpanRequest, config: Config) -> MaskedSpan:
        """The union of what was given and drawn."""
        return MaskedSpan(request.given | request.drawn)


METHODS = (Given(),)
