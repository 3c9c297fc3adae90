import torch

from tests.methods.internal.scenes import candidates, other_truth, scene
from vidinternal.methods.internal.evidence import COUNT, Evidence


def test_evidence_is_finite_has_one_row_a_pixel_and_never_sees_the_truth() -> None:
    truth, masks = scene()
    first, second = (Evidence(candidates(t, masks)) for t in (truth, other_truth(truth, masks)))
    for frame in range(len(masks)):
        rows = first.of(frame)
        assert rows.shape == (int(masks[frame].sum()), COUNT)
        assert bool(rows.isfinite().all())
        assert torch.equal(rows, second.of(frame))


def test_a_moving_scene_and_a_standing_one_leave_other_evidence() -> None:
    moving, still = (Evidence(candidates(*scene(step))).of(3).mean(dim=0) for step in ((3, 0), (0, 0)))
    assert not torch.allclose(moving, still, atol=0.1)


def test_a_single_frame_has_evidence_too() -> None:
    truth, masks = scene()
    rows = Evidence(candidates(truth[:1], masks[:1])).of(0)
    assert rows.shape[1] == COUNT and bool(rows.isfinite().all())
