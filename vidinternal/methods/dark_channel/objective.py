"""The equations of ``he2009dark`` under the paper's names; nothing is minimised, they are solved in this order."""

from __future__ import annotations

from vidinternal.ops.dark_channel import airlight, clear, dark_channel, transmission

__all__ = ["airlight", "clear", "dark_channel", "transmission"]
