"""The error of one item that cannot be read."""

from __future__ import annotations

from ttscale.errors import TtscaleError


class BadItem(TtscaleError):
    """An item whose raw input cannot be read; a collection may skip it and count it.

    Args:
        item_id: the item.
        source: file or place that it comes from.
        reason: what reading it said.
    """

    def __init__(self, item_id: str, source: str, reason: str) -> None:
        self.item_id, self.source, self.reason = item_id, source, reason
        super().__init__(
            f"item {item_id}", expected="a readable input", got=f"{source}: {reason}",
            fix="Repair or remove it, or leave such items out with on_bad_item=skip.",
        )  # fmt: skip

    def __reduce__(self) -> tuple[type[BadItem], tuple[str, str, str]]:
        return BadItem, (self.item_id, self.source, self.reason)
