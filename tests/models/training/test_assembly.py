"""What a training is put together from."""

from pathlib import Path

from models.training.assembly import remembered


class Counting:
    """Reads a corpus of so many batches."""

    times = 0

    def __call__(self) -> int:
        self.times += 1
        return 8_800


def test_the_corpus_is_counted_once_for_this_process_and_those_after_it(tmp_path):
    counting, folder = Counting(), str(tmp_path / "unfinished")
    this = remembered(folder, counting)
    assert (this(), this()) == (8_800, 8_800)
    assert remembered(folder, counting)() == 8_800
    assert counting.times == 1


def test_a_number_that_was_half_written_or_cannot_be_written_is_counted_again(tmp_path):
    counting = Counting()
    Path(tmp_path, "batches-per-epoch").write_text("")
    assert remembered(str(tmp_path), counting)() == 8_800
    file = tmp_path / "a file"
    file.write_text("where the folder should be")
    assert remembered(str(file), counting)() == 8_800
    assert counting.times == 2
