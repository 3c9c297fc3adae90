"""Image methods on clips: what goes on and what begins anew, what is kept, what is refused before any work."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests import media_made
from tests.media_made import Recipe
from tests.stages.lifted import Settings, Witness, counts
from tests.woven import woven
from vidinternal.core.clip import ReadPolicy, Shot
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import ConfigError, MediaError, PipelineError, UsageError
from vidinternal.core.imaging import ImageResult
from vidinternal.core.stop import Interrupted
from vidinternal.core.timecode import parse_region
from vidinternal.media.probe import probe
from vidinternal.methods import card as real_card
from vidinternal.runner.job import Job
from vidinternal.runner.run import run_job
from vidinternal.runner.spec import load_pipeline
from vidinternal.stages import decode, per_frame
from vidinternal.stages.artifacts import Windows
from vidinternal.stages.base import JobInputs, StageContext
from vidinternal.stages.dehaze import Dehaze
from vidinternal.stages.denoise import Denoise
from vidinternal.stages.lift.reader import InOrder
from vidinternal.stages.made import Made
from vidinternal.stages.patches import Patches
from vidinternal.stages.per_frame import PerFrame
from vidinternal.stages.restore import Restore
from vidinternal.stages.segment import Segment
from vidinternal.stages.shots import cut_windows
from vidinternal.stages.upscale import Upscale

CPU = torch.device("cpu")


class Kept:
    """Checkpoints in memory; the process dies at one of the offers."""

    def __init__(self) -> None:
        self.pieces: dict[str, Any] = {}
        self.left = -1

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.pieces.get(f"{piece}|{fits}"))

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        self.pieces[f"{piece}|{fits}"] = copy.deepcopy(dict(state))

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        self.save(piece, fits, state())
        self.left -= 1
        if self.left == 0:
            raise Interrupted("killed")


class Rig:
    """A clip, and a stage with the witness as its method, a window at a time.

    Args:
        clip: The file.
        monkeypatch: Puts the witness in place.
        shots: Ends of the takes.
        scale: Of the witness.
        card: What its card says.
        settings: Of the stage.
    """

    def __init__(self, clip: Path, monkeypatch: pytest.MonkeyPatch, **how: Any) -> None:
        self.witness = how.get("witness") or Witness.of(**how.get("card", {}))
        monkeypatch.setattr(per_frame, "image_method", lambda _name, _task: self.witness)
        monkeypatch.setattr(per_frame, "card", lambda _name, _task: self.witness.card)
        config = Denoise.Config.model_validate({"init": "cold", **how.get("settings", {})})
        self.stage = Denoise(config, Settings(scale=how.get("scale", 1)))
        info = probe(clip)
        self.frames = decode.FrameSource(info, how.get("scan", "progressive"))
        ends = how.get("shots", (len(self.frames),))
        starts = (0, *ends[:-1])
        shots = tuple(Shot(k, a, b) for k, (a, b) in enumerate(zip(starts, ends, strict=True)))
        self.windows = Windows(shots, cut_windows(shots, how.get("window", 5), how.get("overlap", 0)))
        self.inputs = how.get("inputs", JobInputs(clip, clip.with_name("out.mkv")))
        self.context = StageContext(self.inputs, info, CPU, seed=7)

    def window(self, index: int, before: Made | None, **context: Any) -> tuple[Made, Patches]:
        told = {"frames": self.frames, "windows": self.windows, "previous:made": before}
        own = self.windows.windows[index]
        made = self.stage.run(told, replace(self.context, window=own, **context))
        return made["made"], made["patches"]

    def all(self, folder: Path | None = None) -> list[tuple[Made, Patches]]:
        made: list[tuple[Made, Patches]] = []
        for k in range(len(self.windows.windows)):
            made.append(self.window(k, made[-1][0] if made else None, scratch=folder and folder / str(k)))
        return made


def film(folder: Path, **changes: Any) -> Path:
    return media_made.clip(folder / "clip.mkv", **{"size": (32, 24), "frames": 9, "pix_fmt": "yuv444p", **changes})


def planes(patches: Patches) -> dict[int, list[np.ndarray]]:
    return {index: [p[2] for p in patches.frames[index] if p is not None] for index in patches.frames}


def same(one: Mapping[int, list[np.ndarray]], other: Mapping[int, list[np.ndarray]]) -> bool:
    alike = (np.array_equal(a, b) for k in one for a, b in zip(one[k], other[k], strict=True))
    return one.keys() == other.keys() and all(alike)


def near(plane: np.ndarray, source: np.ndarray) -> bool:
    """Whether samples are the same but for rounding; those that are no colour of RGB are clipped to one."""
    return float((np.abs(plane.astype(int) - source) <= 2).mean()) > 0.9


def test_chains_go_on_over_windows_and_begin_anew_at_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(film(tmp_path), monkeypatch, shots=(6, 9), window=3)
    made = rig.all()
    assert [w.shot for w in rig.windows.windows] == [0, 0, 1]
    assert counts(rig.witness) == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert rig.witness.surveyed == 2
    assert [sorted(p.frames) for _, p in made] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [m.facts["size"] for m, _ in made] == [[24, 32]] * 3
    assert all(m.facts["signature"] == "witness-1" and m.facts["trained"] and m.facts["description"] for m, _ in made)


@pytest.mark.parametrize("overlap", [1, 2])
def test_frames_that_windows_share_are_made_once(overlap: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(film(tmp_path), monkeypatch, window=5, overlap=overlap)
    made = rig.all()
    indices = [index for _, p in made for index in p.frames]
    assert indices == list(range(9))
    assert counts(rig.witness) == list(range(9))


def test_pictures_are_put_into_planes_of_the_new_size_with_their_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(film(tmp_path), monkeypatch, scale=2, window=9)
    ((made, patches),) = rig.all(tmp_path / "scratch")
    assert patches.size == (48, 64) and made.facts["output_size"] == [48, 64]
    stored = planes(patches)
    for index, native in enumerate(rig.frames.native(0, 9)):
        for plane, source in zip(stored[index], native.planes, strict=True):
            assert plane.shape == (48, 64) and plane.dtype == source.dtype
            assert near(plane[::2, ::2], source)
        layer = made.layers[index]["ramp"]
        assert layer.shape == (1, 48, 64) and layer.dtype == np.uint16
        assert int(layer[0, 0, 0]) == round(index / 100 * 65535)


def test_what_is_kept_of_a_window_is_what_the_next_goes_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(film(tmp_path), monkeypatch, window=5)
    straight = rig.all()
    other = Rig(film(tmp_path), monkeypatch, window=5)
    first, patches = other.window(0, None, scratch=tmp_path / "scratch")
    for name, artifact in (("made", first), ("patches", patches)):
        (tmp_path / name).mkdir()
        artifact.save(tmp_path / name)
    second, last = other.window(1, Made.load(tmp_path / "made"))
    assert same(planes(last), planes(straight[1][1]))
    assert same(planes(Patches.load(tmp_path / "patches")), planes(straight[0][1]))
    assert second.facts["count"] == straight[1][0].facts["count"]
    assert Made.facts_in(tmp_path / "made")["signature"] == "witness-1"
    assert Made.weights_in(tmp_path / "made").keys() == {"w"}


@pytest.mark.parametrize("dies_at", [1, 3, 5])
@pytest.mark.parametrize("scan", ["progressive", "tff"])
def test_a_window_killed_anywhere_comes_out_the_same(
    dies_at: int, scan: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe("clip.mkv", size=(32, 24), frames=5, pix_fmt="yuv444p", interlaced="tff" if scan == "tff" else "")
    clip = media_made.make(recipe, tmp_path, woven(recipe) if scan == "tff" else None)
    ((whole, expected),) = Rig(clip, monkeypatch, scan=scan).all()
    kept = Kept()
    kept.left = dies_at
    folder = tmp_path / "scratch"
    with pytest.raises(Interrupted):
        Rig(clip, monkeypatch, scan=scan).window(0, None, checkpoint=kept, scratch=folder)
    rig = Rig(clip, monkeypatch, scan=scan)
    made, patches = rig.window(0, None, checkpoint=kept, scratch=folder)
    assert same(planes(patches), planes(expected))
    assert {k: v for k, v in made.facts.items() if k != "seconds"} == {
        k: v for k, v in whole.facts.items() if k != "seconds"
    }
    assert len(rig.witness.seen) == (5 - dies_at) * (2 if scan == "tff" else 1)


def test_fields_are_pictures_and_a_size_cannot_change_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe("clip.mkv", size=(32, 24), frames=3, pix_fmt="yuv444p", interlaced="tff")
    clip = media_made.make(recipe, tmp_path, woven(recipe))
    rig = Rig(clip, monkeypatch, scan="tff")
    ((made, patches),) = rig.all()
    assert [t.frames.shape for t, _ in rig.witness.seen] == [(1, 3, 12, 32)] * 6
    for index, native in enumerate(rig.frames.native(0, 3)):
        for plane, source in zip(planes(patches)[index], native.planes, strict=True):
            assert near(plane, source)
    assert made.layers[0]["ramp"].shape == (1, 24, 32)
    larger = Rig(clip, monkeypatch, scan="tff", scale=2)
    with pytest.raises(MediaError, match="interlaced"):
        larger.stage.output(larger.frames.info, "tff")


def test_no_more_than_what_is_looked_at_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(film(tmp_path, frames=30), monkeypatch, window=30, card={"around": 2})
    most = 0
    advance = InOrder._advance

    def counted(self: InOrder, index: int) -> None:
        nonlocal most
        advance(self, index)
        most = max(most, len(self._held))

    monkeypatch.setattr(InOrder, "_advance", counted)
    ((_, patches),) = rig.all(tmp_path / "scratch")
    assert most <= 7 and len(patches.frames) == 30
    assert len(list((tmp_path / "scratch" / "0" / "frames").iterdir())) == 30


def test_reading_in_order_is_reading(tmp_path: Path) -> None:
    frames = decode.FrameSource(probe(film(tmp_path, frames=40)))
    reader = InOrder(frames, 40, 3)
    for start, end in ((0, 2), (1, 3), (30, 33), (2, 3), (39, 40)):
        assert torch.equal(reader.pictures(start, end), frames.rgb(start, end))
    with pytest.raises(RuntimeError, match="frame 40"):
        reader.native(40)


class Flickers(Witness):
    """Every second picture comes out darker."""

    def apply(self, task: Any, config: Any, context: FitContext) -> ImageResult:
        made = super().apply(task, config, context)
        return replace(made, frames=made.frames * (0.8 if len(self.seen) % 2 else 1.0))


def test_a_window_that_flickers_is_given_back_steadier_and_others_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = film(tmp_path, size=(48, 32), frames=8, smooth=True, speed=1)
    restless = Rig(clip, monkeypatch, witness=Flickers(), settings={"deflicker": True}, window=8)
    ((made, patches),) = restless.all(tmp_path / "scratch")
    flicker = made.facts["flicker"]
    assert made.facts["deflicker"]["taken"] and flicker["after"] < 0.3 * flicker["before"]
    assert any("warping error" in note for note in made.facts["notes"])
    means = [float(planes(patches)[k][0].mean()) for k in range(8)]
    plain = Rig(clip, monkeypatch, witness=Flickers(), window=8)
    ((before, raw),) = plain.all()
    raw_means = [float(planes(raw)[k][0].mean()) for k in range(8)]
    assert np.abs(np.diff(means)).mean() < 0.4 * np.abs(np.diff(raw_means)).mean()
    assert before.facts["flicker"]["after"] is None
    calm = Rig(clip, monkeypatch, settings={"deflicker": True}, window=8)
    ((left, _),) = calm.all()
    assert not left.facts["deflicker"]["taken"] and left.state["deflicker"] == {}
    assert any("no more than the source" in note for note in left.facts["notes"])


def picture(path: Path, drawn: np.ndarray) -> Path:
    cv2.imwrite(str(path), drawn)
    return path


def stage_of(kind: type[PerFrame], method: str, options: Mapping[str, Any] | None = None, **config: Any) -> PerFrame:
    known = real_card(method, kind.name)
    return kind(
        kind.Config.model_validate({"method": method, **config}), known.config.model_validate(dict(options or {}))
    )


def preflight(stage: PerFrame, clip: Path, policy: ReadPolicy | None = None, **given: Any) -> tuple[str, ...]:
    inputs = JobInputs(clip, clip.with_name("out.mkv"), **given)
    return stage.preflight(StageContext(inputs, probe(clip, policy), CPU))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"regions": (parse_region("1,1,4,4"),)}, "--region"),
        ({"mask": Path("m.png")}, "--mask"),
        ({"objects": ("box=1,1,4,4",)}, "--object"),
        ({"soft_subs": True}, "--soft-subs"),
    ],
)
def test_what_the_method_has_no_use_for_is_refused(given: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        preflight(stage_of(Upscale, "bicubic"), film(tmp_path), **given)


def test_objects_are_for_segmenting(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--object"):
        preflight(stage_of(Restore, "dip"), film(tmp_path), objects=("box=1,1,4,4",))


def test_settings_that_cannot_be_are_refused_before_any_work(tmp_path: Path) -> None:
    clip = film(tmp_path)
    with pytest.raises(ConfigError, match=r"upscale\.init: bank"):
        preflight(stage_of(Upscale, "bicubic", init="bank"), clip)
    with pytest.raises(ConfigError, match=r"decode\.damage"):
        preflight(stage_of(Upscale, "bicubic"), clip, ReadPolicy(damage="repair"))
    with pytest.raises(ConfigError, match=r"upscale\.scale"):
        preflight(stage_of(Upscale, "bicubic", {"scale": 16}), clip, ReadPolicy(max_pixels=24 * 32 * 9))
    with pytest.raises(ConfigError, match=r"upscale\.kernel"):
        preflight(stage_of(Upscale, "bicubic", kernel="kernelgan"), clip)
    assert preflight(stage_of(Upscale, "bicubic"), clip) == ()


def test_second_pictures_fit_or_are_refused(tmp_path: Path) -> None:
    clip = film(tmp_path)
    flash = picture(tmp_path / "flash.png", np.full((24, 32, 3), 90, np.uint8))
    fits = stage_of(Restore, "dip", guide=flash)
    preflight(fits, clip)
    frames = decode.FrameSource(probe(clip))
    guide = fits.guide(frames)
    assert guide is not None and torch.allclose(guide.pictures(3, 5), torch.full((2, 3, 24, 32), 90 / 255), atol=1e-3)
    small = picture(tmp_path / "small.png", np.full((20, 32, 3), 90, np.uint8))
    with pytest.raises(UsageError, match="32x20"):
        preflight(stage_of(Restore, "dip", guide=small), clip)
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="got:      4"):
        preflight(stage_of(Restore, "dip", guide=film(tmp_path / "other", frames=4)), clip)
    with pytest.raises(MediaError):
        preflight(stage_of(Restore, "dip", guide=tmp_path / "nothing.png"), clip)
    same_length = stage_of(Restore, "dip", guide=clip).guide(frames)
    assert same_length is not None and torch.equal(same_length.pictures(2, 4), frames.rgb(2, 4))


def test_two_stages_that_make_the_same_thing_are_a_finding(tmp_path: Path) -> None:
    pipeline = tmp_path / "two.yaml"
    steps = ["decode", "shots", "denoise", "upscale", "encode"]
    pipeline.write_text("version: 1\nname: two\nstages:\n" + "".join(f"  - stage: {s}\n" for s in steps))
    with pytest.raises(PipelineError, match=r"'upscale' writes .* which stage 'denoise' writes already"):
        load_pipeline(str(pipeline), ("upscale.method=bicubic",))


QUICK = ("encode.codec=ffv1", "shots.detector=none", "shots.window=5")


def test_from_file_to_file(tmp_path: Path) -> None:
    clip = film(tmp_path)
    job = Job(
        "upscale", JobInputs(clip, tmp_path / "out.mkv"), (*QUICK, "upscale.method=lanczos", "upscale.scale=[2,1.5]")
    )
    done = run_job(job)
    made = probe(done.destination)
    assert (made.width, made.height, made.pix_fmt) == (48, 48, "yuv444p")
    windows = [w for shot in done.record["shots"] for w in shot["windows"]]
    assert [w["method"] for w in windows] == ["lanczos"] * 2
    assert all(w["flicker"]["source"] > 0 for w in windows)
    assert run_job(job).status == "already done"


def test_weights_go_from_clip_to_clip_by_the_bank(tmp_path: Path) -> None:
    sets = (*QUICK, f"upscale.bank={tmp_path / 'bank'}", "upscale.iterations=3", "upscale.frame_iterations=2")
    sets = (*sets, "upscale.start=random")
    clip = film(tmp_path, frames=3)
    run_job(Job("upscale", JobInputs(clip, tmp_path / "a" / "out.mkv"), sets))
    assert list((tmp_path / "bank" / "entries").iterdir())
    (tmp_path / "b").mkdir()
    other = film(tmp_path / "b", frames=3, seed=5)
    done = run_job(Job("upscale", JobInputs(other, tmp_path / "b" / "out.mkv"), sets))
    notes = [n for shot in done.record["shots"] for w in shot["windows"] for n in w["notes"]]
    assert any("nearest: " in note for note in notes)


def test_layers_are_kept_of_a_real_method(tmp_path: Path) -> None:
    stage = stage_of(Dehaze, "dark_channel", init="cold")
    clip = film(tmp_path, frames=2)
    frames = decode.FrameSource(probe(clip))
    windows = Windows((Shot(0, 0, 2),), cut_windows((Shot(0, 0, 2),), 5, 0))
    context = StageContext(JobInputs(clip, tmp_path / "o.mkv"), frames.info, CPU, window=windows.windows[0])
    made = stage.run({"frames": frames, "windows": windows, "previous:made": None}, context)["made"]
    assert sorted(made.layers[1]) == sorted(stage.card.layers)


def test_segmenting_takes_hints_from_its_stage() -> None:
    assert {"objects", "hints", "mask", "regions"} <= set(Segment.from_job)
