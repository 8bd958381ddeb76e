"""Tab completion: Hydra's own, told about verbs, which it does not know."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import fields

from ttscale.cli.verb import VERBS


def complete(arguments: Sequence[str]) -> int:
    """Answer ``ttscale -sc install=bash``, ``uninstall=bash`` and the ``query=bash`` that the installed script makes.

    A query's line comes in ``COMP_LINE``: verbs are completed here; after the verb, it is taken out of the line and
    Hydra completes the rest against the verb's config.
    """
    verb = "sweep"
    if _is_query(arguments):
        line = os.environ.get("COMP_LINE", "")
        program, _, rest = line.lstrip().partition(" ")
        typed = re.match(r"\s*(\S*)(\s?)", rest)
        word, ended = (typed[1], typed[2]) if typed else ("", "")
        if not ended:
            print("\n".join(name for name in VERBS if name.startswith(word)))
            return 0
        if word not in VERBS:
            return 0
        verb = word
        os.environ["COMP_LINE"] = f"{program} {rest.lstrip()[len(word) :].lstrip()}"
    return _hydra_completion(verb, arguments)


def _hydra_completion(verb: str, arguments: Sequence[str]) -> int:
    import hydra

    from ttscale.cli.app import register
    from ttscale.cli.paths import configs_folder
    from ttscale.cli.schema import SCHEMAS

    register(VERBS[verb])
    sys.argv = ["ttscale", *arguments]
    answer = io.StringIO()
    with redirect_stdout(answer):
        hydra.main(version_base="1.3", config_path=str(configs_folder()), config_name=verb)(lambda config: None)()
    text = answer.getvalue()
    if _is_query(arguments):  # Hydra offers every group under configs/, used by this verb or not
        roots = {field.name for field in fields(SCHEMAS[verb])} | {"hydra"}
        text = "\n".join(word for word in text.split() if re.split(r"[.=/@]", word.lstrip("+~"))[0] in roots) + "\n"
    print(text, end="")
    return 0


def _is_query(arguments: Sequence[str]) -> bool:
    return any(argument.startswith("query=") for argument in arguments)
