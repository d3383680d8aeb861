"""`make fuzz ARGS="[--seconds N] [--only TARGET] [--reproduce FILE]"`: look for bytes that break a promise.

Each target runs for its share of the time in a process of its own, guided by coverage (atheris); where
atheris is not to be had, hypothesis chooses the mutations, blindly. What breaks something is kept in .fuzz/.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
FOUND = TESTS.parent / ".fuzz"
MAX_INPUT_BYTES = 64 << 10
MAX_MEMORY_MB = 2048
HANG_SECONDS = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=120, help="for all targets together (default: 120)")
    parser.add_argument("--only", metavar="TARGET", help="one target, or all whose name begins like this")
    parser.add_argument(
        "--engine", choices=["atheris", "hypothesis"], help="default: atheris where it can be imported"
    )
    parser.add_argument("--reproduce", metavar="FILE", type=Path, help="run one input again; with --only")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    engine = options.engine or _engine()
    if options.child:
        return {"atheris": _atheris, "hypothesis": _hypothesis}[engine](options.only, options.seconds)

    from fuzz.targets import targets

    names = [name for name in targets() if name.startswith(options.only or "")]
    if not names:
        parser.error(f"--only must begin like one of {', '.join(targets())}; got {options.only!r}")
    if options.reproduce is not None:
        targets()[names[0]](options.reproduce.read_bytes())
        print(f"{names[0]}: {options.reproduce} breaks nothing")
        return 0
    return _all(names, engine, max(1, options.seconds // len(names)))


def _engine() -> str:
    if importlib.util.find_spec("atheris") is not None:
        return "atheris"
    python = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    print(f"atheris cannot be imported; {python} on {sys.platform} may have no build of it.")
    print("Falling back to hypothesis: the same targets and seeds, but nothing guides the mutations.")
    return "hypothesis"


def _all(names: list[str], engine: str, seconds: int) -> int:
    """Run each target in a process of its own, since libFuzzer ends the one it runs in."""
    broken = []
    for name in names:
        began = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "fuzz",
            "--child",
            "--only",
            name,
            "--seconds",
            str(seconds),
            "--engine",
            engine,
        ]
        child = subprocess.run(
            command, cwd=TESTS, capture_output=True, text=True, errors="replace", check=False
        )
        output = child.stdout + child.stderr
        verdict = "BROKEN" if child.returncode else "ok"
        print(f"{name:32} {time.monotonic() - began:5.0f} s  {_progress(output)}  {verdict}", flush=True)
        if child.returncode:
            broken.append(name)
            print("\n".join(output.splitlines()[-40:]))
    print(f"{len(names) - len(broken)} of {len(names)} targets held their promises; engine: {engine}")
    return 1 if broken else 0


def _progress(output: str) -> str:
    """Return the last line in which an engine tells how far it got."""
    lines = [line for line in output.splitlines() if line.startswith(("#", "Done", "runs:"))]
    return " ".join(lines[-1].split())[:60] if lines else ""


# -- engines -------------------------------------------------------------------------------------------


def _atheris(name: str, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(include=["otel_stream"]):
        from fuzz.targets import targets
    from fuzz.mutate import mutate
    from fuzz.seeds import dictionary, libfuzzer_dictionary, seeds

    place = FOUND / name.replace(":", "-")
    corpus, given = place / "corpus", place / "seeds"
    for folder in (corpus, given):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (given / str(number)).write_bytes(seed)
    (place / "dictionary").write_text(libfuzzer_dictionary(dictionary(name)), "ascii")

    def custom(data: bytes, max_size: int, seed: int) -> bytes:
        mutated = mutate(data, seed) if seed % 2 else atheris.Mutate(data, len(data) or 1)
        return bytes(mutated[:max_size])

    limits = [f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}", f"-timeout={HANG_SECONDS}"]
    limits += [
        f"-rss_limit_mb={MAX_MEMORY_MB}",
        f"-dict={place / 'dictionary'}",
        f"-artifact_prefix={place}/",
    ]
    arguments = [sys.argv[0], *limits, str(corpus), str(given)]
    atheris.Setup(arguments, targets()[name], custom_mutator=custom)
    atheris.Fuzz()
    return 0


def _hypothesis(name: str, seconds: int) -> int:
    import hypothesis
    from hypothesis import strategies as st

    from fuzz.mutate import mutate
    from fuzz.seeds import seeds
    from fuzz.targets import targets

    run, until, runs = targets()[name], time.monotonic() + seconds, 0
    mutated = st.builds(
        _mutated(mutate), st.sampled_from(seeds(name)), st.lists(st.integers(0, 2**32), max_size=5)
    )

    @hypothesis.settings(
        max_examples=100, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(st.one_of(mutated, st.binary(max_size=2048)))
    def look(data: bytes) -> None:
        nonlocal runs
        runs += 1
        run(data)

    while time.monotonic() < until:
        hypothesis.seed(random.SystemRandom().getrandbits(32))(look)()
    print(f"runs: {runs}")
    return 0


def _mutated(mutate):
    def build(data: bytes, seeds: list[int]) -> bytes:
        for seed in seeds:
            data = mutate(data, seed)[:MAX_INPUT_BYTES]
        return data

    return build


if __name__ == "__main__":
    sys.exit(main())
