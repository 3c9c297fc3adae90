"""The account of a clip's damaged frames, for the record and for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vidinternal.core.clip import Damage

if TYPE_CHECKING:
    from vidinternal.runner.run import Run

_LISTED = 12


def damage_account(run: Run) -> dict[str, Any]:
    """What was damaged and what became of it, JSON-ready; ``frames`` are presentation indices from 0."""
    damage: Damage = run.handles["frames"].damage
    return {
        "policy": run.info.policy.damage,
        "frames": list(damage.frames),
        "missing": list(damage.missing),
        "leaning": list(damage.leaning),
        "filled": list(damage.holes(run.info.policy)),
        "ends_early": damage.ends_early,
    }


def damage_notes(run: Run) -> list[str]:
    """One line on what was damaged; none where nothing is."""
    policy, damage = run.info.policy, run.handles["frames"].damage
    if not (damage.frames or damage.ends_early):
        return []
    fate = {"repair": "filled as holes", "keep": "taken as the decoder left them"}[policy.damage]
    words = [f"{_count(damage.frames, 'damaged frame')} {fate} ({_listed(damage.frames)})"] if damage.frames else []
    if damage.missing and policy.damage == "keep":
        words.append(f"the picture before repeated for {len(damage.missing)} that are missing")
    if damage.leaning:
        filled = policy.damage == "repair" and policy.leaning
        rest = "filled too" if filled else "and may show traces (decode.repair_leaning=true fills them)"
        words.append(f"{_count(damage.leaning, 'more frame')} up to the next key picture lean on them {rest}")
    if damage.ends_early:
        words.append("the file breaks off before its end")
    return ["; ".join(words)]


def _count(frames: Sequence[int], what: str) -> str:
    return f"{len(frames)} {what}{'' if len(frames) == 1 else 's'}"


def _listed(frames: Sequence[int]) -> str:
    more = len(frames) - _LISTED
    return ", ".join(map(str, frames[:_LISTED])) + (f" and {more} more" if more > 0 else "")
