"""A short run of the fuzzer in every test run; `python -m tests.terraform.fuzz 600` is a long one."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.terraform.fuzz import attempt
from tests.terraform.profile import EXAMPLES
from tests.terraform.test_robustness import real_files

CORPUS = [path.read_text() for path in real_files()] or ['output "x" {\n  value = 1\n}\n']


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32))
def test_mutated_modules_end_in_diagnostics_and_evaluate_again_alike(seed: int) -> None:
    assert attempt(random.Random(seed), CORPUS) == ""
