"""The entry point `ttscale`: quick answers first, then one verb as a Hydra application."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ttscale.cli.verb import VERBS, overview
from ttscale.errors import TtscaleError, unknown_name


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ttscale ARGV`` and return its exit status: 0, 2 for the user's error, 70 for a bug (which says that it is
    one), 130 for Ctrl-C; 1 is of ``compare`` alone, for a run that got worse."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except TtscaleError as error:
        print(f"ttscale: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ttscale: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 141


def _run(arguments: list[str]) -> int:
    if not arguments:
        print(overview(), end="", file=sys.stderr)
        return 2
    first, *rest = arguments
    if first == "help" and rest:
        first, rest = rest[0], ["--help"]
    if first in ("-h", "--help", "help"):
        print(overview(), end="")
        return 0
    if first in ("-V", "--version"):
        from importlib.metadata import version

        print(f"ttscale {version('ttscale')}")
        return 0
    if "-sc" in arguments or "--shell_completion" in arguments:
        from ttscale.cli.completion import complete

        return complete(arguments if first in ("-sc", "--shell_completion") else rest)
    if first not in VERBS:
        raise _no_verb(first)
    if "-h" in rest or "--help" in rest:
        return _help(first, rest)
    from ttscale.cli.app import run_verb

    return run_verb(VERBS[first], rest)


def _help(verb: str, rest: list[str]) -> int:
    from ttscale.cli.help import verb_help
    from ttscale.cli.outcome import guard

    return guard(lambda: print(verb_help(VERBS[verb], rest)), VERBS[verb], debug="debug=true" in rest)


def _no_verb(first: str) -> TtscaleError:
    fix = "ttscale --help lists the verbs."
    if first.startswith("-") or "=" in first:
        return TtscaleError("verb", expected=f"one of {', '.join(VERBS)}, first", got=repr(first), fix=fix)
    return unknown_name("verb", first, VERBS, fix=fix)


if __name__ == "__main__":
    sys.exit(main())
