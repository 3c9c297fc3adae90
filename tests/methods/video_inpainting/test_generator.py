import pytest
import torch
from torch import Tensor

from tests.methods.video_inpainting.case import CPU, settings
from vidinternal.methods.video_inpainting.config import DipVidConfig
from vidinternal.methods.video_inpainting.generator import Generator, Output, input_noise, network_config
from vidinternal.methods.video_inpainting.inference import assemble, centred_windows


def test_flow_channels_are_forward_then_backward_by_stride() -> None:
    config = settings("dip_vid_flow")
    made = Generator(network_config(config, (32, 48), (1, 3, 5)), 0, CPU, config, (1, 3, 5))
    flows = torch.arange(12.0).view(1, 12, 1, 1)
    output = Output(flows, flows)
    for first, stride in zip(range(0, 12, 2), (1, -1, 3, -3, 5, -5), strict=True):
        assert made.flow(output, stride).flatten().tolist() == [first, first + 1]
    with pytest.raises(ValueError, match="no flow"):
        made.flow(Output(flows, None), 1)


def test_depth_beyond_the_given_channels_repeats_the_last() -> None:
    shape = network_config(DipVidConfig(depth=4, channels=(8, 12)), (64, 64))
    assert shape.down == shape.up == (8, 12, 12, 12)


def test_noise_is_fixed_by_the_seed_and_differs_between_frames() -> None:
    noise = input_noise((3, 16, 20), 0.1, 7)
    assert torch.equal(noise, input_noise((3, 16, 20), 0.1, 7))
    assert not torch.equal(noise, input_noise((3, 16, 20), 0.1, 8))
    assert not torch.equal(noise[0], noise[1])
    assert 0.0 <= float(noise.min()) < 0.01
    assert 0.09 < float(noise.max()) < 0.1


@pytest.mark.parametrize(
    ("total", "sources"),
    [(1, [0]), (3, [0] * 3), (5, [0] * 5), (8, [0, 0, 0, 1, 2, 3, 3, 3])],
)
def test_a_frame_comes_from_the_window_it_is_the_centre_of(total: int, sources: list[int]) -> None:
    def stub(rows: range) -> Tensor:
        """Frames that tell which window and which frame they are."""
        return torch.stack([torch.tensor([rows.start, frame]) for frame in rows])

    made = assemble(total, 5, stub)
    assert made[:, 0].tolist() == sources
    assert made[:, 1].tolist() == list(range(total))
    for rows, frames in centred_windows(20, 5):
        if 0 < rows.start < 15:
            assert frames == [rows.start + 2]
