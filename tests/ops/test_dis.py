import cv2
import pytest
import torch

from tests.ops.scene import sliding, texture
from vidinternal.core.errors import UsageError
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.settings import DisPreset


@pytest.mark.parametrize("preset", ["fast", "medium"])
def test_a_shift_is_recovered(preset: DisPreset) -> None:
    picture = texture(80, 110)
    source, target = picture[None, :, 2:72, 3:103], picture[None, :, 4:74, :100]
    inner = dis_flow(source, target, preset)[0, :, 8:-8, 8:-8]
    assert float((inner[0] - 3).abs().mean()) < 0.3
    assert float((inner[1] + 2).abs().mean()) < 0.3


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 7), (11, 40), (18, 10), (200, 6)])
def test_tiny_pictures_have_a_flow(height: int, width: int) -> None:
    frames = sliding(2, height, width)
    flow = dis_flow(frames[:1], frames[1:])
    assert flow.shape == (1, 2, height, width)
    assert flow.isfinite().all()


def test_a_picture_smaller_than_a_patch_pyramid_still_shows_its_motion() -> None:
    frames = sliding(2, 20, 24)
    inner = dis_flow(frames[:1], frames[1:])[0, :, 5:-5, 5:-5]
    assert float((inner[0] + 1).abs().mean()) < 0.3


def test_pairs_do_not_depend_on_each_other() -> None:
    frames = sliding(4, 40, 48, (2, 1))
    together = dis_flow(frames[:-1], frames[1:])
    assert torch.equal(together[2:], dis_flow(frames[2:3], frames[3:]))


def test_the_number_of_threads_changes_nothing() -> None:
    frames = sliding(2, 60, 80, (2, 1))
    before = cv2.getNumThreads()
    flows = []
    try:
        for threads in (1, 3):
            cv2.setNumThreads(threads)
            flows.append(dis_flow(frames[:1], frames[1:]))
    finally:
        cv2.setNumThreads(before)
    assert torch.equal(flows[0], flows[1])


def test_no_pairs_give_no_flow() -> None:
    nothing = torch.zeros(0, 3, 20, 30)
    assert dis_flow(nothing, nothing).shape == (0, 2, 20, 30)


@pytest.mark.parametrize("shape", [(1, 3, 20, 31), (2, 3, 20, 30), (1, 1, 20, 30)])
def test_pictures_must_belong_together(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="two tensors N 3 H W"):
        dis_flow(torch.zeros(shape), torch.zeros(1, 3, 20, 30))
