"""One run of one verb, and the summary.json that it leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttscale.cli.verb import VERBS, Verb
from ttscale.errors import TtscaleError
from ttscale.records.files import write_json
from ttscale.scaling.summaries.entries import json_ready
from ttscale.scaling.summaries.summary import SCHEMA_VERSION

_KINDS = {verb.writes: verb.name for verb in reversed(VERBS.values())}


def _verb_of(summary: dict[str, Any]) -> str:
    """The verb that wrote a summary; several write the same kind, and its command says which."""
    words = str(summary.get("command") or summary.get("run", {}).get("command", "")).split()
    return words[1] if len(words) > 1 and words[1] in VERBS else _KINDS[summary["kind"]]


@dataclass(frozen=True)
class Job:
    """One run of one verb: where it writes and the command that started it."""

    verb: Verb
    out: Path
    command: str

    def check_out(self) -> None:
        """Refuse to write where something else is.

        Raises:
            TtscaleError: ``out`` is a file, or holds the results of a verb that writes another kind of summary.
        """
        if self.out.exists() and not self.out.is_dir():
            raise TtscaleError("out", expected="a folder", got=f"the file {self.out}", fix="Choose another `out`.")
        last = self.last_summary()
        kind = last.get("kind", self.verb.writes)
        of_records = (VERBS[name].writes for name in ("collect", "import"))  # what they say is in the manifest as well
        replaceable = (self.verb.writes, *of_records)
        if kind in _KINDS and kind not in replaceable:
            raise TtscaleError(
                "out", expected=f"a folder without results of another verb than {self.verb.name}",
                got=f"{self.out}, which holds those of ttscale {_verb_of(last)}", fix="Choose another `out`.",
            )  # fmt: skip

    def last_summary(self) -> dict[str, Any]:
        """The summary.json in ``out``; empty where there is none that can be read."""
        try:
            found = json.loads((self.out / "summary.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_summary(self, **content: Any) -> None:
        """Write ``out/summary.json``, with the schema version, the kind and the command before ``content``."""
        head = {"schema_version": SCHEMA_VERSION, "kind": self.verb.writes, "command": self.command}
        write_json(self.out / "summary.json", json_ready(head | content))
