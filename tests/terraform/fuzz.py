"""A fuzzer for as long as one likes: `python -m tests.terraform.fuzz [SECONDS] [SEED]`.

It mutates real templates, random trees of modules and random expressions, then loads, evaluates, evaluates
again with another input and compares with an evaluation from scratch. Whatever is raised, and every input
that takes much longer than its budget allows, is written to standard output with its input; exit code 1.
"""

from __future__ import annotations

import random
import sys
import time
import traceback

from coder_admin.terraform import Budget, EvalContext, MemoryFileSystem, evaluate, load_module
from tests.terraform.random_expressions import random_expression
from tests.terraform.random_modules import Answers, random_inputs, random_tree
from tests.terraform.test_incremental import everything
from tests.terraform.test_robustness import PIECES, real_files

BUDGET = Budget(seconds=1.0)
TOO_LONG = 3.0  # processor seconds of one evaluation; the budget counts the clock's


def mutated(source: random.Random, text: str, other: str) -> str:
    """The text with a few pieces cut, inserted, doubled, or taken from another one."""
    for _ in range(source.randint(1, 6)):
        start = source.randint(0, len(text))
        end = min(len(text), start + source.choice([0, 0, 1, 5, 40, 200]))
        there = source.randint(0, len(other))
        piece = source.choice(
            [
                "",
                source.choice(PIECES),
                text[start:end] * 2,
                other[there : there + source.randint(1, 60)],
                chr(
                    source.choice(
                        [0, 9, 34, 36, 92, 123, 125, 0xE9, 0x1F600, 0xFEFF, source.randint(32, 126)]
                    )
                ),
                random_expression(source, source.randint(0, 3)),
            ]
        )
        text = text[:start] + piece + text[end:]
    return text


def files_for(source: random.Random, corpus: list[str]) -> dict[str, str]:
    """One input: a mutated tree of modules, or mutated real files."""
    if source.random() < 0.4:
        files = random_tree(source)
        if source.random() < 0.6:
            name = source.choice(sorted(files))
            files[name] = mutated(source, files[name], source.choice(corpus))
        return files
    if source.random() < 0.2:
        body = "".join(f"  v{at} = {random_expression(source, 4)}\n" for at in range(20))
        return {"main.tf": "locals {\n" + body + "}\n"}
    return {"main.tf": mutated(source, source.choice(corpus), source.choice(corpus))}


def attempt(source: random.Random, corpus: list[str]) -> str:
    """What went wrong with one input; nothing when all is well."""
    files = files_for(source, corpus)
    started = time.process_time()
    try:
        module = load_module(MemoryFileSystem(files))
        context = EvalContext(strict=source.random() < 0.3, budget=BUDGET)
        first = evaluate(module, variables=random_inputs(source), provider=Answers({}), context=context)
        data = [found.address for found in first.instances if found.mode == "data"]
        answers = Answers({source.choice(data): "a"} if data else {})
        inputs = random_inputs(source)
        again = evaluate(module, variables=inputs, provider=answers, context=context, previous=first)
        scratch = evaluate(module, variables=inputs, provider=answers, context=context)
        slow = any(found.code == "budget" for found in [*again.diagnostics, *scratch.diagnostics])
        if not slow and everything(again) != everything(scratch):
            return f"evaluating again differs from scratch\n{files}"
    except Exception:
        return f"{traceback.format_exc()}\n{files}"
    took = time.process_time() - started
    return f"{took:.1f} s\n{files}" if took > TOO_LONG * 3 else ""


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    corpus = [path.read_text() for path in real_files()] or ['output "x" {\n  value = 1\n}\n']
    end = time.monotonic() + seconds
    inputs = failures = 0
    while time.monotonic() < end:
        found = attempt(random.Random(seed + inputs), corpus)
        inputs += 1
        if found:
            failures += 1
            print(f"--- seed {seed + inputs - 1}: {found}", flush=True)
    print(f"{inputs} inputs from seed {seed}, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
