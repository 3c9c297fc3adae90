import torch

from tests.methods.internal.scenes import SETTINGS, candidates, other_truth, scene
from tests.ops.scene import psnr
from vidinternal.learn.state_tree import from_tree, to_tree
from vidinternal.methods.internal.candidates import LITTLE, NAMES, Candidates, under_the_hole


def test_all_candidates_are_made_for_every_hidden_pixel_and_none_sees_it() -> None:
    truth, masks = scene()
    made, again = candidates(truth, masks), candidates(other_truth(truth, masks), masks)
    assert tuple(made.colours) == NAMES
    for name in NAMES:
        assert made.colours[name].shape == (int(masks.sum()), 3)
        assert torch.equal(made.colours[name], again.colours[name]), name


def test_rows_of_a_frame_are_its_hole_pixels_in_row_major_order() -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    for frame in range(len(masks)):
        found = made.colours["narrow"][made.rows_of(frame)]
        assert torch.equal(found, made.frames[frame][:, masks[frame, 0]].T)


def test_colours_are_read_where_they_belong() -> None:
    truth, masks = scene()
    where = masks.flatten().nonzero()[:, 0]
    expected = truth.permute(0, 2, 3, 1)[masks[:, 0]]
    assert torch.equal(under_the_hole(truth, where), expected)


def test_copies_beat_smooth_fills_where_the_scene_moves_and_what_nobody_saw_is_told() -> None:
    truth, masks = scene()
    made = candidates(truth, masks)
    where = masks & ~made.unseen()
    harmonic = made.frames.clone()
    harmonic.permute(0, 2, 3, 1)[masks[:, 0]] = made.colours["harmonic"]
    assert psnr(made.frames, truth, where) > psnr(harmonic, truth, where) + 3
    still = candidates(*scene((0, 0)))
    assert still.unseen().float().mean() > made.unseen().float().mean()


def test_where_next_to_nothing_is_shown_the_first_round_stands_for_all() -> None:
    truth, masks = scene((0, 0))
    made = candidates(truth, masks)
    assert made.covered < LITTLE
    assert torch.equal(made.colours["narrow"], made.colours["wide"])
    unseen = made.unseen().flatten()[made.where]
    assert torch.equal(made.colours["prefilled"][unseen], made.colours["telea"][unseen])


def test_no_time_still_gives_every_candidate() -> None:
    truth, masks = scene()
    made = Candidates.of(truth.masked_fill(masks, 0.5), masks, SETTINGS, lambda: True)
    assert all(bool(c.isfinite().all()) for c in made.colours.values())


def test_candidates_survive_being_written_and_read() -> None:
    made = candidates(*scene())
    again = from_tree(Candidates, to_tree(made))
    assert torch.equal(again.copies["wide"].past.residual, made.copies["wide"].past.residual)
    assert again.covered == made.covered
