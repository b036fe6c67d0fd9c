"""A profile of the steps that were asked for, where TensorBoard looks for one."""

import logging

import pytest
import tensorflow as tf

from models.training.profile import Profile


def profiles(folder) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("plugins/profile/*/*.xplane.pb"))]


def work(profile: Profile, steps) -> None:
    for step in steps:
        profile.at(step)
        tf.raw_ops.Softsign(features=tf.ones([step]))


def test_the_steps_asked_for_are_recorded(tmp_path):
    # Given a wish for steps 3 and 4,
    profile = Profile(str(tmp_path), (3, 5))
    # when training comes to the first of them, nothing is written yet,
    work(profile, range(1, 5))
    assert profiles(tmp_path) == []
    # and when it comes past the last, one profile is, which tells the steps and their operations.
    work(profile, range(5, 8))
    profile.close()
    (written,) = profiles(tmp_path)
    assert b"training step" in written and b"Softsign" in written


def test_a_training_that_ends_early_leaves_a_whole_profile(tmp_path):
    profile = Profile(str(tmp_path), (2, 100))
    work(profile, range(1, 4))
    profile.close()
    (written,) = profiles(tmp_path)
    assert b"training step" in written
    # And the next training of this process can be profiled too.
    later = Profile(str(tmp_path / "later"), (1, 2))
    work(later, range(1, 3))
    assert len(profiles(tmp_path / "later")) == 1


@pytest.mark.parametrize(("wanted", "steps"), [(None, range(1, 4)), ((1, 3), range(3, 6))])
def test_without_a_wish_or_past_it_nothing_is_recorded(tmp_path, wanted, steps):
    profile = Profile(str(tmp_path), wanted)
    work(profile, steps)
    profile.close()
    assert list(tmp_path.iterdir()) == []


def test_a_profile_that_cannot_be_taken_is_told_once_and_ends_nothing(tmp_path, caplog):
    # Given a profiler that somebody else has started,
    tf.profiler.experimental.start(str(tmp_path / "other"))
    # when training wants it for several steps,
    try:
        with caplog.at_level(logging.WARNING):
            profile = Profile(str(tmp_path / "ours"), (1, 4))
            work(profile, range(1, 6))
            profile.close()
    finally:
        tf.profiler.experimental.stop(save=False)
    # then it goes on, and says in one sentence what it does without.
    (warning,) = caplog.messages
    assert warning.startswith(f"No profile of training in {tmp_path / 'ours'}: ")
    assert profiles(tmp_path / "ours") == []


def test_a_folder_that_cannot_be_written_is_told_and_ends_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    profile = Profile(str(tmp_path / "file" / "events"), (1, 2))
    with caplog.at_level(logging.WARNING):
        work(profile, range(1, 4))
    (warning,) = caplog.messages
    assert "No profile of training" in warning and "\n" not in warning
