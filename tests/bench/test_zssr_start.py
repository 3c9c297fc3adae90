"""How the start of ``zssr`` is learned."""

from pathlib import Path

import pytest
import torch

from vidinternal.bench import zssr_start
from vidinternal.bench.zssr_start import Lesson, degradation, learn, main, shapes
from vidinternal.learn.warm_start.meta import decoded, unpacked
from vidinternal.methods.zssr.augment import Source
from vidinternal.methods.zssr.recipe import FAST
from vidinternal.ops.kernels import centre_of_mass, wanted_centre

QUICK = Lesson(iterations=2, crop=32, batch=2, drawn=1)


def test_drawn_pictures_are_full_of_edges_and_the_seed_decides() -> None:
    picture = shapes(4, side=96)
    assert picture.shape == (3, 96, 96) and 0 <= float(picture.min()) <= float(picture.max()) <= 1
    assert float(picture.diff(dim=1).abs().gt(0.1).float().mean()) > 0.01
    assert torch.equal(picture, shapes(4, side=96)) and not torch.equal(picture, shapes(5, side=96))


def test_blurs_are_in_line_with_their_factor_and_as_frequent_as_asked() -> None:
    drawn = [degradation(k, 0.5) for k in range(60)]
    blurred = [(sf, kernel) for sf, kernel in drawn if kernel is not None]
    assert 10 < len(blurred) < 40 and {sf[0] for sf, _ in drawn} == {1.5, 2.0, 3.0, 4.0}
    for sf, kernel in blurred:
        assert centre_of_mass(kernel)[0] == pytest.approx(wanted_centre(kernel.shape[0], sf[0]), abs=0.01)
    assert all(kernel is None for _, kernel in (degradation(k, 0.0) for k in range(20)))


def test_learning_is_repeatable_and_the_file_fits_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [Source(shapes(0, side=64)), Source(shapes(1, side=64))]
    one, other = (learn(pictures, 3, QUICK).state_dict() for _ in range(2))
    assert all(torch.equal(one[k], other[k]) for k in one)
    monkeypatch.setattr(zssr_start, "sources", lambda *_: pictures)
    main(tmp_path / "start.safetensors", 3, QUICK)
    assert [p.name for p in tmp_path.iterdir()] == ["start.safetensors"]
    tensors, index = unpacked((tmp_path / "start.safetensors").read_bytes())
    kept = decoded(tensors, index[FAST.signature])
    assert kept.keys() == one.keys()
    for name, tensor in kept.items():  # 8 bits for each output channel
        assert float((tensor - one[name]).abs().max()) <= float(one[name].abs().max()) / 127
