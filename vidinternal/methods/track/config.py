"""Settings of the object tracker; imports neither torch nor OpenCV."""

from typing import Literal

from pydantic import Field

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """How objects are followed, and what is masked of them."""

    first: Literal["grabcut", "double_dip"] = "grabcut"
    """How a hint's own frame is cut out: by GrabCut and votes, or by Double-DIP, which trains two layers on it."""
    work_height: int = Field(default=0, ge=0, le=1080)
    """Rows at which objects are followed; 0 chooses 240 to 480 by the size of the first hint."""
    first_steps: int = Field(default=80, ge=1, le=2000)
    """Training steps of the refining network on a hint's own frame."""
    steps: int = Field(default=2, ge=0, le=100)
    """Training steps after every frame."""
    worklist: float = Field(default=0.5, ge=0, le=1)
    """Frames with less confidence are listed, for a further hint there."""
    level: float = Field(default=0.25, ge=0.05, le=0.95)
    """Belief from which a pixel is masked: 0.5 is the likeliest outline, less leaves less of the object behind."""
    ground: bool = True
    """Whether tracks are held against the picture of what lies behind them, where other frames of the shot show it."""
    soft: int = Field(default=3, ge=0, le=64)
    """Pixels of the clip added around an object for its soft border."""
    shutter: float = Field(default=0.5, ge=0, le=1)
    """Share of the way to the next frame that motion blur smears the border over; 0 = none is masked."""
    shadow: bool = False
    """Whether the shadow or reflection that moves with an object is masked, too."""
