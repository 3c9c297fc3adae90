import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vidinternal.core.errors import MaskError, UsageError
from vidinternal.runner.compare import compare

SIZE = (48, 64)
FRAMES = 6
HOLE = (slice(10, 30), slice(20, 44))


def scene(seed: int = 0) -> np.ndarray:
    """``T H W 3`` uint8, a smooth texture that moves two pixels a frame."""
    ground = np.random.default_rng(seed).uniform(20, 230, (12, 24, 3))
    wide = np.kron(ground, np.ones((8, 8, 1)))
    rows = slice(20, 20 + SIZE[0])
    return np.stack([wide[rows, 40 - 2 * t : 40 - 2 * t + SIZE[1]] for t in range(FRAMES)]).astype(np.uint8)


def planes(rgb: np.ndarray) -> list[av.VideoFrame]:
    return [av.VideoFrame.from_ndarray(np.ascontiguousarray(f), format="rgb24").reformat(format="yuv420p") for f in rgb]


def write(
    path: Path,
    frames: list[av.VideoFrame],
    *,
    rate: int = 25,
    tones: tuple[int, ...] = (),
    pix_fmt: str = "yuv420p",
    skip: int = 0,
) -> Path:
    """A lossless clip with one sine of each frequency as an audio stream."""
    with av.open(path, "w") as out:
        video = out.add_stream("ffv1", rate=rate)
        video.width, video.height, video.pix_fmt = SIZE[1], SIZE[0], pix_fmt
        sounds = [out.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in tones]
        for index, frame in enumerate(frames):
            copy = frame.reformat(format=pix_fmt)
            copy.pts, copy.time_base = index + (skip if index > 2 else 0), Fraction(1, rate)
            out.mux(video.encode(copy))
        out.mux(video.encode(None))
        for stream, tone in zip(sounds, tones, strict=True):
            wave = (8000 * np.sin(np.arange(1600) * tone * 2 * math.pi / 8000)).astype(np.int16)
            sound = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            sound.sample_rate, sound.pts = 8000, 0
            out.mux(stream.encode(sound))
            out.mux(stream.encode(None))
    return path


def write_mask(path: Path, count: int = FRAMES) -> Path:
    mask = np.zeros((*SIZE, 3), dtype=np.uint8)
    mask[HOLE] = 255
    return write(path, [av.VideoFrame.from_ndarray(mask, format="rgb24") for _ in range(count)], pix_fmt="gray")


def altered(frame: av.VideoFrame, plane: int, rows: slice, columns: slice, by: int) -> av.VideoFrame:
    """Change samples of one plane."""
    flat = frame.to_ndarray(format="yuv420p")
    if plane == 0:
        flat[: SIZE[0]][rows, columns] += np.uint8(by)
    else:
        chroma = flat[SIZE[0] :].reshape(2, SIZE[0] // 2, SIZE[1] // 2)
        chroma[plane - 1][rows, columns] += np.uint8(by)
    return av.VideoFrame.from_ndarray(flat, format="yuv420p")


def test_a_file_equals_itself(tmp_path: Path) -> None:
    clip = write(tmp_path / "a.mkv", planes(scene()), tones=(440, 880))
    found = compare(clip, clip, write_mask(tmp_path / "m.mkv"))
    assert found.whole.psnr == 99.0
    assert found.hole is not None and found.hole.psnr == 99.0
    assert found.whole.ssim == pytest.approx(1.0, abs=1e-4)
    assert found.untouched is not None and (found.untouched.changed, found.untouched.largest) == (0, 0)
    assert found.times_equal and found.streams_equal and len(found.streams) == 2
    assert found.temporal_error == 0.0
    assert not found.notes


def test_pixels_are_sorted_into_hole_and_outside(tmp_path: Path) -> None:
    truth = planes(scene())
    changed = [altered(f, 0, *HOLE, 20) for f in truth]
    found = compare(
        write(tmp_path / "a.mkv", changed), write(tmp_path / "b.mkv", truth), write_mask(tmp_path / "m.mkv")
    )
    hole = (HOLE[0].stop - HOLE[0].start) * (HOLE[1].stop - HOLE[1].start) * FRAMES
    assert found.hole is not None and found.outside is not None and found.untouched is not None
    assert (found.hole.pixels, found.outside.pixels) == (hole, found.whole.pixels - hole)
    assert found.hole.psnr < found.whole.psnr < found.outside.psnr == 99.0
    assert found.hole.ssim < found.outside.ssim
    assert found.untouched.changed == 0
    # luma samples outside the hole and chroma samples that no masked pixel touches; the hole is even on all sides
    assert found.untouched.samples == FRAMES * SIZE[0] * SIZE[1] * 3 // 2 - hole * 3 // 2


@pytest.mark.parametrize(("plane", "rows", "columns", "count"), [(0, 0, 0, 1), (1, 2, 3, 1), (2, 7, 12, 0)])
def test_changed_samples_are_counted_in_the_files_own_planes(
    tmp_path: Path, plane: int, rows: int, columns: int, count: int
) -> None:
    truth = planes(scene())
    changed = [*truth]
    changed[3] = altered(truth[3], plane, slice(rows, rows + 1), slice(columns, columns + 1), 5)
    found = compare(
        write(tmp_path / "a.mkv", changed), write(tmp_path / "b.mkv", truth), write_mask(tmp_path / "m.mkv")
    )
    assert found.untouched is not None
    assert (found.untouched.changed, found.untouched.largest) == (count, 5 * count)


def test_flicker_and_broken_motion_are_seen(tmp_path: Path) -> None:
    truth = planes(scene())
    mask = write_mask(tmp_path / "m.mkv")
    reference = write(tmp_path / "b.mkv", truth)
    steady = compare(write(tmp_path / "a.mkv", [altered(f, 0, *HOLE, 10) for f in truth]), reference, mask)
    shaken = [altered(f, 0, *HOLE, 20 * (t % 2)) for t, f in enumerate(truth)]
    flickering = compare(write(tmp_path / "c.mkv", shaken), reference, mask)
    perfect = compare(reference, reference, mask)
    assert steady.temporal_error < 1 < flickering.temporal_error
    assert perfect.warping_error < flickering.warping_error


def test_times_are_compared_exactly(tmp_path: Path) -> None:
    frames = planes(scene())
    found = compare(write(tmp_path / "a.mkv", frames, skip=2), write(tmp_path / "b.mkv", frames))
    assert not found.times_equal
    assert found.largest_time_error == pytest.approx(0.08)


def test_streams_are_matched_by_kind_and_content(tmp_path: Path) -> None:
    frames = planes(scene())
    reference = write(tmp_path / "b.mkv", frames, tones=(440, 880))
    swapped = compare(write(tmp_path / "a.mkv", frames, tones=(440, 600)), reference)
    assert [s.identical for s in swapped.streams] == [True, False]
    lost = compare(write(tmp_path / "c.mkv", frames), reference)
    assert [s.codec for s in lost.streams] == [(None, "pcm_s16le")] * 2
    assert not lost.streams_equal
    added = compare(reference, write(tmp_path / "d.mkv", frames))
    assert added.streams[0].codec == ("pcm_s16le", None)


def test_without_a_mask_everything_is_judged(tmp_path: Path) -> None:
    truth = planes(scene())
    shaken = [altered(f, 0, *HOLE, 20 * (t % 2)) for t, f in enumerate(truth)]
    found = compare(write(tmp_path / "a.mkv", shaken), write(tmp_path / "b.mkv", truth))
    assert (found.hole, found.outside, found.untouched) == (None, None, None)
    assert found.temporal_error > 0
    assert found.warping_error > 0


def test_lost_frames_and_other_formats_are_told(tmp_path: Path) -> None:
    truth = planes(scene())
    mask = write_mask(tmp_path / "m.mkv")
    found = compare(write(tmp_path / "a.mkv", truth[:4], pix_fmt="yuv444p"), write(tmp_path / "b.mkv", truth), mask)
    assert found.frames == (4, FRAMES)
    assert found.untouched is None
    assert not found.times_equal
    assert any("yuv444p" in n for n in found.notes)
    assert any("first 4 frames" in n for n in found.notes)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    clip = write(tmp_path / "a.mkv", planes(scene()))
    with pytest.raises(MaskError, match=f"{FRAMES} frames"):
        compare(clip, clip, write_mask(tmp_path / "m.mkv", count=3))
    other = tmp_path / "small.mkv"
    with av.open(other, "w") as out:
        video = out.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        out.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
        out.mux(video.encode(None))
    with pytest.raises(UsageError, match="64x48"):
        compare(other, clip)


def test_the_account_is_json_and_text(tmp_path: Path) -> None:
    import json

    clip = write(tmp_path / "a.mkv", planes(scene()), tones=(440,))
    heard: list[float] = []
    found = compare(clip, clip, write_mask(tmp_path / "m.mkv"), lambda share, _: heard.append(share))
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["hole"]["psnr"] == 99.0
    assert plain["streams_equal"] is True
    assert plain["result"] == str(clip)
    text = found.text()
    assert "in the hole" in text
    assert "samples changed outside the mask: 0 of" in text
    assert "audio 0 (pcm_s16le against pcm_s16le): identical packets" in text
    assert heard[-1] == 1.0 and len(heard) == FRAMES
