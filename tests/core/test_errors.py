from vidinternal.core.errors import MediaError, UserError, nearest


def test_an_error_says_where_expected_got_and_what_to_try() -> None:
    text = UserError("clip.mp4", expected="a video", got="a poem", hint="try another").message
    for part in ("clip.mp4", "expected: a video", "got:      a poem", "try:      try another"):
        assert part in text


def test_a_failed_clip_leaves_with_one_and_wrong_usage_with_two() -> None:
    assert MediaError("x").exit_code == 1
    assert UserError("x").exit_code == 2


def test_nearest_names_the_nearest_and_all() -> None:
    assert nearest("tela", ["telea", "harmonic"]).startswith("did you mean 'telea'?")
    assert "harmonic" in nearest("zzz", ["telea", "harmonic"])
