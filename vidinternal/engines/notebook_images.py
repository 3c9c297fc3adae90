"""The verbs of image methods for Python: ``upscale``, ``denoise``, ``dehaze``, ``segment``, ``separate``, ``restore``.

An image is an array ``H W``, ``H W 3``, ``H W 4`` ... of uint8, uint16 or floats in [0, 1], a clip ``T H W 3`` of one
take, a float tensor ``3 H W``, or the path of an image file. What comes back is of the same type and kind: grey stays
grey, alpha is kept, 16 bits stay 16 bits. An image file comes back as an array of its own depth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import ConfigError, MaskError, UsageError, nearest
from vidinternal.core.hints import Hint, Hints
from vidinternal.core.imaging import ImageCard
from vidinternal.core.timecode import FrameIndex
from vidinternal.engines.image_arrays import Form, Image, as_mask, taken
from vidinternal.methods import card, image_method
from vidinternal.ops.kernels import kernel_shift, validated
from vidinternal.ops.objects.seeds import OBJECT, OTHER, Place, seeds
from vidinternal.ops.scale import scale_pair
from vidinternal.runner.job import pick_device
from vidinternal.stages import stage_class
from vidinternal.stages.blur_kernel import check_setting, resolve
from vidinternal.stages.lift.arrays import Beside, Lifted, lift_arrays
from vidinternal.stages.lift.deflicker import on_arrays
from vidinternal.stages.lift.run import LiftSettings, Survey


class How(BaseModel):
    """What every verb can be told beside the settings of its method.

    Attributes:
        seed: Same seed, same result.
        budget: Seconds it may take; None = as long as it needs.
        device: ``auto``, ``cpu`` or ``cuda``.
        tile: Pictures with more pixels than a square of this side are made in overlapping tiles; 0 = never, None = the
            side that the method works best at.
        carry: Whether pictures of a clip go on from the one before.
        deflicker: Whether a small network learns the finished clip and gives it back steadier, where it flickers.
        details: Whether to return :class:`Details` too: ``(image, details)``.
    """

    model_config = {"extra": "forbid"}

    seed: int = 0
    budget: float | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    tile: int | None = None
    carry: bool = True
    deflicker: bool = False
    details: bool = False


@dataclass(frozen=True)
class Details:
    """What there is beside the image.

    Attributes:
        layers: Layers of the method by name, ``H W`` or ``H W C`` float32 in [0, 1], with the time of a clip in front.
        facts: The account: iterations, seconds, why it stopped, notes, and what the method found.
    """

    layers: dict[str, np.ndarray]
    facts: dict[str, Any]


@dataclass(frozen=True)
class _Asked:
    """One call, its settings checked.

    Attributes:
        task: The verb.
        method: Name of the method; None = the stage's usual one.
        given: Settings of the method and of :class:`How`.
    """

    task: str
    method: str | None
    given: dict[str, Any]

    @property
    def where(self) -> str:
        """For errors."""
        return f"{self.task}(image)"

    @property
    def card(self) -> ImageCard:
        """Of the method that was asked for, or of the usual one."""
        usual = stage_class(self.task).Config.model_fields["method"].default
        return cast(ImageCard, card(self.method or usual, self.task))

    def run(self, frames: Tensor, beside: Beside | None = None) -> tuple[Lifted, How]:
        """Run the method on the pictures of one take."""
        chosen, (how, options) = self.card, self.settings()
        if (how.tile or 0) < 0 or (how.budget is not None and not how.budget > 0):
            bad = "tile" if (how.tile or 0) < 0 else "budget"
            raise ConfigError(f"{self.task}({bad}=)", expected="a number above 0", got=str(getattr(how, bad)))
        context = FitContext(seed=how.seed, device=pick_device(how.device), budget=Budget(how.budget))
        method = image_method(chosen.name, self.task)
        if beside is not None and beside.hints is not None and method.card.hints == "no":
            raise UsageError(self.where, expected="a method that takes hints", got=chosen.name)
        if beside is not None and beside.guide is not None and not method.card.guided:
            raise UsageError(self.where, expected="a method that takes a second picture", got=chosen.name)
        settings = LiftSettings(how.tile, None, how.carry)
        lifted = lift_arrays(frames, method, options, context, settings, beside)
        return (_steadied(frames, lifted, context) if how.deflicker else lifted), how

    def settings(self) -> tuple[How, Any]:
        """What every verb can be told, and the method's own settings.

        Raises:
            ConfigError: One of them has a wrong name, type or value.
        """
        name, config = self.card.name, self.card.config
        own = {k: v for k, v in self.given.items() if k in How.model_fields}
        rest = {k: v for k, v in self.given.items() if k not in own}
        where = f"{self.task}(method='{name}')"
        known = [*config.model_fields, *How.model_fields, "method"]
        for option in rest.keys() - config.model_fields.keys():
            raise ConfigError(where, expected="a setting of the method", got=option, hint=nearest(option, known))
        try:
            return How.model_validate(own), config.model_validate(rest)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"][:1]) or name
            text = first["msg"].removeprefix("Value error, ")
            raise ConfigError(f"{where}: {place}", expected=text, got=repr(first["input"])) from error


def upscale(
    image: Image,
    scale: float | tuple[float, float] = 2.0,
    *,
    method: str | None = None,
    kernel: str | Path | np.ndarray = "cubic",
    **options: Any,
) -> Any:
    """Enlarge an image or a clip.

    Args:
        image: See the module.
        scale: How much larger, or two numbers: vertical, horizontal.
        method: A name from ``vidinternal methods``; None = the usual one.
        kernel: How the image lost its detail: ``cubic``, ``kernelgan`` (estimated from it), the path of a .npy or .mat
            file, or an array that sums to 1.
        options: Settings of the method, and of :class:`How`.

    Returns:
        The image in its type and kind, ``ceil(side * scale)`` large.

    Raises:
        UserError: The image, the kernel or a setting cannot be used; one line says which.
    """
    frames, form = taken(image, "upscale(image)")
    asked = _Asked("upscale", method, {"scale": scale, **options})
    lifted, how = asked.run(frames, Beside(survey=_blur(kernel, asked, frames)))
    return _answer(lifted, form, how)


def denoise(image: Image, *, method: str | None = None, **options: Any) -> Any:
    """Take noise off an image or a clip; arguments and result as of :func:`upscale`."""
    return _plain("denoise", image, method, options)


def dehaze(image: Image, *, method: str | None = None, **options: Any) -> Any:
    """Take haze off an image or a clip; arguments and result as of :func:`upscale`."""
    return _plain("dehaze", image, method, options)


def segment(
    image: Image,
    *,
    box: Sequence[int] | None = None,
    points: Sequence[Sequence[int]] = (),
    outside: Sequence[Sequence[int]] = (),
    mask: Any = None,
    method: str | None = None,
    **options: Any,
) -> Any:
    """Part an image in an object and what is behind it.

    Args:
        image: See the module; the hints speak of its first picture.
        box: ``x, y, width, height``: the object lies inside, and all around is not it.
        points: ``(x, y)`` on the object.
        outside: ``(x, y)`` not on it.
        mask: ``H W``, not 0 where the object is, about; or ``T H W``; or the path of one.
        method: A name; None = the usual one.
        options: Settings of the method, and of :class:`How`.

    Returns:
        ``H W`` bool (``T H W`` of a clip), True on the object; usable as a mask of :func:`vidinternal.inpaint`.

    Raises:
        MaskError: A hint lies outside the picture or selects nothing.
        UserError: The image or a setting cannot be used.
    """
    frames, form = taken(image, "segment(image)")
    hints = _object(frames, (box, points, outside, mask))
    lifted, how = _Asked("segment", method, options).run(frames, Beside(hints))
    found = lifted.layers.get("mask")
    if found is None:
        raise RuntimeError("a method of task segment has a layer 'mask'")
    inside = (found[:, 0] > 0.5).numpy()
    answer = inside if form.clip else inside[0]
    return (answer, _details(lifted, form)) if how.details else answer


def separate(image: Image, *, guide: Any = None, method: str | None = None, **options: Any) -> Any:
    """Part an image or a clip in the two layers it is a mixture of.

    Args:
        image: See the module.
        guide: A second mixture of the same two layers, of the same size: what tells them apart best.
        method: A name; None = the usual one.
        options: Settings of the method, and of :class:`How`.

    Returns:
        The layers in their order, each in the image's type and kind: what is seen through and what is reflected.

    Raises:
        UserError: The image, the guide or a setting cannot be used.
    """
    frames, form = taken(image, "separate(image)")
    second = _second(guide, frames, "separate(guide)")
    lifted, how = _Asked("separate", method, options).run(frames, Beside(guide=second))
    pictures = [layer for layer in lifted.layers.values() if layer.shape[1] == 3] or [lifted.frames]
    answer = tuple(form.back(layer) for layer in pictures)
    return (answer, _details(lifted, form)) if how.details else answer


def restore(image: Image, *, mask: Any = None, guide: Any = None, method: str | None = None, **options: Any) -> Any:
    """Make good what is missing or spoilt in an image or a clip.

    Args:
        image: See the module.
        mask: ``H W`` or ``T H W``, not 0 where pixels are missing; or the path of one; None = none are.
        guide: A second image of the same scene and size, such as the one taken with flash.
        method: A name; None = the usual one.
        options: Settings of the method, and of :class:`How`.

    Returns:
        The image in its type and kind.

    Raises:
        MaskError: The mask selects nothing or everything.
        UserError: The image, the guide or a setting cannot be used.
    """
    frames, form = taken(image, "restore(image)")
    holes = None if mask is None else as_mask(mask, frames, "restore(mask)")
    if holes is not None:
        _check_selects(holes, "restore(mask)")
        if bool(holes.all()):
            raise MaskError("restore(mask)", expected="some known pixels to learn from", got="all of them masked")
    second = _second(guide, frames, "restore(guide)")
    lifted, how = _Asked("restore", method, options).run(frames, Beside(holes, second))
    return _answer(lifted, form, how)


def _second(guide: Any, frames: Tensor, where: str) -> Tensor | None:
    """The second pictures, one beside every picture; None where none are given.

    Raises:
        UsageError: Their size or number is another one.
    """
    if guide is None:
        return None
    second, _ = taken(guide, where)
    if len(second) == 1 < len(frames):
        second = second.expand(len(frames), -1, -1, -1).clone()
    if second.shape != frames.shape:
        sizes = [f"{t.shape[-1]}x{t.shape[-2]}, {len(t)} pictures" for t in (frames, second)]
        raise UsageError(where, expected=f"{sizes[0]}, as the image", got=sizes[1])
    return second


def _plain(task: str, image: Image, method: str | None, options: dict[str, Any]) -> Any:
    frames, form = taken(image, f"{task}(image)")
    lifted, how = _Asked(task, method, options).run(frames)
    return _answer(lifted, form, how)


def _answer(lifted: Lifted, form: Form, how: How) -> Any:
    made = form.back(lifted.frames)
    return (made, _details(lifted, form)) if how.details else made


def _details(lifted: Lifted, form: Form) -> Details:
    found = {}
    for name, layer in lifted.layers.items():
        array = layer.permute(0, 2, 3, 1).numpy()
        array = array[..., 0] if array.shape[-1] == 1 else array
        found[name] = array if form.clip else array[0]
    return Details(found, dict(lifted.facts))


def _steadied(frames: Tensor, lifted: Lifted, context: FitContext) -> Lifted:
    """The clip without its flicker, if it has any; the account says what came of it."""
    told = lifted.facts.get("flicker")
    errors = None if told is None else (told["source"], told["before"])
    pictures, answer = on_arrays(frames, lifted.frames, errors, context)
    facts = {**lifted.facts, "notes": [*lifted.facts["notes"], answer.note]}
    facts |= {"deflicker": {"taken": answer.taken, **answer.facts}}
    facts |= {"flicker": {**told, "after": answer.after}} if told else {}
    return replace(lifted, frames=pictures, facts=facts)


def _blur(kernel: Any, asked: _Asked, frames: Tensor) -> Survey | None:
    """What finds the blur kernel of the take; None for the ideal cubic.

    Raises:
        ConfigError: The method takes no kernel, or it is neither a word nor a file.
        UsageError: It cannot be read, or is no kernel.
    """
    if isinstance(kernel, str) and kernel == "cubic":
        return None
    where, scale = "upscale(kernel=)", scale_pair(asked.settings()[1].scale)
    if not asked.card.kernels:
        got = f"method '{asked.card.name}', which takes none"
        raise ConfigError(where, expected="a method that takes a blur kernel", got=got, hint="method='zssr'")
    if isinstance(kernel, np.ndarray | Tensor):
        shifted = kernel_shift(validated(torch.as_tensor(kernel).float(), where), scale)
        return lambda _frames, _context: ({"kernel": shifted}, ())
    if not isinstance(kernel, str | Path):
        raise ConfigError(where, expected="a word, a file or an array", got=type(kernel).__name__)
    check_setting(kernel, scale, (frames.shape[-2], frames.shape[-1]), where)

    def found(keys: Tensor, context: FitContext) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
        blur = resolve(kernel, keys, scale, context)
        return blur.facts(), blur.notes

    return found


def _check_selects(mask: Tensor, where: str) -> None:
    if not bool((mask > 0).any()):
        raise MaskError(where, expected="at least one pixel that is not 0", got="a mask that selects nothing")


def _object(frames: Tensor, told: tuple[Any, Any, Any, Any]) -> Tensor | None:
    """Hints of the first picture, ``T 1 h w`` with NaN where nothing is said; None without any."""
    box, points, outside, mask = told
    if mask is not None:
        if box is not None or len(points) or len(outside):
            raise UsageError("segment(mask=)", expected="a mask, or a box and points", got="both")
        inside = as_mask(mask, frames, "segment(mask)")
        _check_selects(inside, "segment(mask)")
        if np.ndim(mask) == 2 or isinstance(mask, str | Path):
            inside[1:] = torch.nan
        return inside
    hints = [] if box is None else [_hint("box", box, 4)]
    hints += [_hint("point", p, 2) for p in points] + [_hint("not", p, 2) for p in outside]
    if not hints:
        return None
    size = (frames.shape[-2], frames.shape[-1])
    (found,) = seeds(Hints(tuple(hints)), Place(size, (0, 1)), _no_file)["object"]  # pyright: ignore[reportArgumentType]
    known = torch.full((len(frames), 1, *size), torch.nan)
    told_first = torch.from_numpy(found.known)
    known[0, 0][told_first == OTHER] = 0.0
    known[0, 0][told_first == OBJECT] = 1.0
    return known


def _hint(kind: Literal["box", "point", "not"], numbers: Any, count: int) -> Hint:
    where = f"segment({'box' if kind == 'box' else 'points' if kind == 'point' else 'outside'}={numbers!r})"
    array = np.asarray(numbers)
    fine = array.shape == (count,) and array.dtype.kind in "iu" and bool((array >= 0).all())
    if not fine or (kind == "box" and 0 in array[2:]):
        form = "x, y, width, height" if kind == "box" else "x, y"
        raise MaskError(where, expected=f"{form} in whole pixels inside the picture", got=repr(numbers))
    return Hint("object", kind, FrameIndex(0), tuple(int(n) for n in array), None, where)


def _no_file(path: Path) -> np.ndarray:
    raise RuntimeError(f"no hint here names a file, got {path}")
