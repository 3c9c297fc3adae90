from pathlib import Path

import numpy as np
import torch

from vidinternal.core.contracts import FlowField
from vidinternal.stages.artifacts import KINDS, Fill, Flows, MaskTrack, Patches, Written


def test_masks_come_back_bit_for_bit(tmp_path: Path) -> None:
    masks = torch.rand(3, 1, 7, 11, generator=torch.Generator().manual_seed(1)) > 0.5
    MaskTrack(masks, (1, 7, 2, 11)).save(tmp_path)
    back = MaskTrack.load(tmp_path)
    assert torch.equal(back.masks, masks)
    assert back.box == (1, 7, 2, 11)


def test_flows_come_back(tmp_path: Path) -> None:
    flow = torch.randn(2, 2, 6, 8, generator=torch.Generator().manual_seed(2))
    Flows({-3: FlowField(flow, flow[:, :1] > 0, -3)}).save(tmp_path)
    back = Flows.load(tmp_path).fields[-3]
    assert torch.allclose(back.flow, flow, atol=2e-3)
    assert torch.equal(back.valid, flow[:, :1] > 0)


def test_no_flow_is_no_flow(tmp_path: Path) -> None:
    Flows({}).save(tmp_path)
    assert Flows.load(tmp_path).fields == {}


def test_fills_come_back_within_half_a_16_bit_code(tmp_path: Path) -> None:
    frames = torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(3))
    provenance = torch.arange(96, dtype=torch.int16).view(2, 1, 6, 8)
    Fill(frames, (0, 6, 0, 8), provenance, {"w": torch.ones(3)}, {"method": "x"}).save(tmp_path)
    back = Fill.load(tmp_path)
    assert back.frames is not None
    assert (back.frames - frames).abs().max() <= 0.51 / 65535
    assert back.provenance is not None
    assert torch.equal(back.provenance, provenance)
    assert torch.equal(back.weights["w"], torch.ones(3))
    assert back.facts == {"method": "x"}
    assert (back.origin, back.error, back.learned_flow) == (None, None, None)


def test_what_a_fill_tells_of_its_pixels_comes_back(tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(4)
    frames, error = torch.rand(2, 3, 6, 8, generator=random), torch.rand(2, 1, 6, 8, generator=random)
    origin = torch.randint(0, 5, (2, 1, 6, 8), generator=random, dtype=torch.uint8)
    flow = torch.randn(2, 2, 6, 8, generator=random)
    Fill(frames, (0, 6, 0, 8), origin=origin, error=error, learned_flow=flow).save(tmp_path)
    back = Fill.load(tmp_path)
    assert back.origin is not None and back.error is not None and back.learned_flow is not None
    assert torch.equal(back.origin, origin)
    assert (back.error - error).abs().max() <= 0.51 / 65535
    assert torch.allclose(back.learned_flow, flow, atol=2e-3)


def test_patches_come_back_with_planes_that_do_not_change(tmp_path: Path) -> None:
    samples = np.arange(12, dtype=np.uint16).reshape(3, 4)
    Patches({5: ((1, 2, samples), None, None)}, 0.25).save(tmp_path)
    back = Patches.load(tmp_path)
    assert back.seam == 0.25
    patch = back.frames[5][0]
    assert patch is not None
    assert patch[:2] == (1, 2)
    assert patch[2].dtype == np.uint16
    assert np.array_equal(patch[2], samples)
    assert back.frames[5][1:] == (None, None)


def test_accounts_come_back(tmp_path: Path) -> None:
    Written({"path": "a.mp4", "bytes": 3}).save(tmp_path)
    assert Written.load(tmp_path).facts == {"path": "a.mp4", "bytes": 3}


def test_every_artifact_a_stage_names_has_a_kind() -> None:
    from vidinternal import stages

    for name in stages.names():
        stage = stages.stage_class(name)
        assert set(stage.reads) | set(stage.writes) | set(stage.recalls) <= KINDS.keys()
