"""The log allowance of a job."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from coder_admin.provisioning.limits import (
    CUT_NOTICE,
    MAX_JOB_LOG_BYTES,
    MAX_LINE_BYTES,
    OVERFLOW_NOTICE,
    Line,
    admit,
    clean,
    size,
)

T0 = datetime(2026, 1, 5, 9, tzinfo=UTC)


def line(output: str) -> Line:
    return Line(T0, "Apply", output)


@given(st.lists(st.integers(0, 60_000), max_size=60))
def test_the_length_never_passes_the_limit_and_the_notice_comes_once(sizes: list[int]) -> None:
    length, overflowed, notices, stored = 0, False, 0, 0
    for start in range(0, len(sizes), 7):
        batch = admit([line("x" * n) for n in sizes[start : start + 7]], length=length, overflowed=overflowed)
        notices += sum(1 for entry in batch.lines if entry.output == OVERFLOW_NOTICE)
        stored += sum(size(entry.output) for entry in batch.lines if entry.output != OVERFLOW_NOTICE)
        length, overflowed = batch.length, batch.overflowed
        assert length <= MAX_JOB_LOG_BYTES
    assert stored == length
    assert notices == (1 if overflowed else 0)
    assert overflowed == (sum(sizes) > MAX_JOB_LOG_BYTES)


def test_a_line_that_just_fits_is_kept() -> None:
    fits = admit([line("x" * 10)], length=MAX_JOB_LOG_BYTES - 10, overflowed=False)
    assert fits.lines[0].output == "x" * 10
    assert not fits.overflowed
    over = admit([line("x"), line("y")], length=MAX_JOB_LOG_BYTES, overflowed=False)
    assert [(entry.level, entry.output, entry.stage) for entry in over.lines] == [
        ("warn", OVERFLOW_NOTICE, "Apply")
    ]


def test_nothing_is_stored_after_the_overflow() -> None:
    assert admit([line("x")], length=5, overflowed=True).lines == ()


@given(st.text(max_size=200) | st.text(alphabet=["\ud800", "\x00", "ä"], max_size=50))
def test_clean_text_can_always_be_stored(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert "\x00" not in cleaned


def test_a_long_line_is_cut_at_a_character() -> None:
    cut = clean("ä" * MAX_LINE_BYTES)
    assert cut.endswith("ä" + CUT_NOTICE)
    assert size(cut) <= MAX_LINE_BYTES
