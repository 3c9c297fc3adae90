"""How clips that were made anew are judged, and what their rows come to: benches ``upscale`` and ``denoise``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from vidinternal.bench.base import Column
from vidinternal.ops.measures import psnr, ssim, warping_error

QUALITY = (
    Column("method", "method"),
    Column("psnr", "PSNR dB", 2),
    Column("ssim", "SSIM", 4),
    Column("warping_error_e3", "warping error ×10³", 3),
    Column("truth_e3", "of the truth ×10³", 3),
    Column("seconds_frame", "seconds a frame", 2),
)
"""The first columns of either table."""


CLOCK = "Seconds on a CPU are the processor's, all cores together: other work on the machine does not count."
"""Note beside seconds that were taken by :func:`clock`."""


def clock(device: torch.device) -> Callable[[], float]:
    """What seconds are counted by: the processor's own where it does the work, the wall's where a GPU does."""
    return time.process_time if device.type == "cpu" else time.monotonic


def judged(made: Tensor, truth: Tensor, flow: tuple[Tensor, Tensor]) -> dict[str, Any]:
    """PSNR in dB, SSIM, and mean squared difference along the truth's flow, the truth's own beside it.

    Args:
        made: ``T 3 H W``; judged as 8 bits would hold it.
        truth: ``T 3 H W``.
        flow: Of the truth, and where it can be believed: ``ops.measures.flow_of``.
    """
    everywhere = torch.ones(len(truth), 1, *truth.shape[-2:], dtype=torch.bool)
    made = (made * 255).round() / 255
    return {
        "psnr": round(psnr(made, truth), 3),
        "ssim": round(ssim(made, truth), 5),
        "warping_error_e3": round(1e3 * warping_error(made, *flow, everywhere), 4),
        "truth_e3": round(1e3 * warping_error(truth, *flow, everywhere), 4),
    }


def means(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> list[dict[str, Any]]:
    """One row a method: means of what its rows say under ``columns``, of which the first is the method."""
    found = []
    for name in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == name]
        told = {c.key: [row[c.key] for row in mine if row.get(c.key) is not None] for c in columns[1:]}
        found.append({"method": name, "cases": len(mine), **{k: fmean(v) for k, v in told.items() if v}})
    return found
