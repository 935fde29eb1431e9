"""What a model writes in front of each answer, taken out of streamed text wherever the pieces are cut."""

from __future__ import annotations


class AnswerLead:
    """Lets an answer through without ``lead``, where it begins with that; holds back what may be its beginning."""

    def __init__(self, lead: str) -> None:
        self._lead, self._held = lead, ""

    def push(self, text: str) -> str:
        """Text that is settled now."""
        held = self._held + text
        if len(held) < len(self._lead) and self._lead.startswith(held):
            self._held = held
            return ""
        lead, self._lead, self._held = self._lead, "", ""
        return held.removeprefix(lead)

    def finish(self) -> str:
        """What was held back, at the end of the answer."""
        held, self._held = self._held, ""
        return held
