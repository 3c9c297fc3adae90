import torch

from vidinternal.core.seeds import branch, generator


def test_same_path_same_seed_other_path_other_seed() -> None:
    assert branch(7, "inpaint", 3) == branch(7, "inpaint", 3)
    assert len({branch(7, "inpaint", 3), branch(7, "inpaint", 4), branch(8, "inpaint", 3), branch(7, "flow", 3)}) == 4


def test_generators_do_not_touch_the_global_state() -> None:
    before = torch.get_rng_state()
    first = torch.rand(4, generator=generator(1, "a"))
    assert torch.equal(first, torch.rand(4, generator=generator(1, "a")))
    assert torch.equal(before, torch.get_rng_state())
