"""The forward cases of a reference set as requests for the engine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmplug.conversation import Conversation, ImagePart, Message, Part, PromptOptions, TextPart
from vlmplug.pipeline import Request
from vlmplug.sampling import Sampling
from vlmplug.verify.pictures import make_picture


@dataclass(frozen=True)
class Reference:
    """One checkpoint of a reference set."""

    folder: Path
    checkpoint: str

    @cached_property
    def greedy(self) -> dict[str, tuple[int, ...]]:
        """Prompt id -> the 24 ids that the official code generates."""
        cases = self._read("forward.json")["cases"]
        return {case["prompt"]: tuple(case["greedy"]) for case in cases if case["checkpoint"] == self.checkpoint}

    @cached_property
    def _prompts(self) -> dict[str, Any]:
        cases = self._read("prompts.json")["cases"]
        return {case["id"]: case for case in cases if case["checkpoint"] == self.checkpoint}

    @cached_property
    def _images(self) -> dict[str, Any]:
        images: dict[str, Any] = self._read("set.json")["images"]
        return images

    def _read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def request(self, prompt: str, **sampling: Any) -> Request:
        """A case, greedy for 24 tokens unless ``sampling`` says otherwise; only the options that these cases use."""
        case = self._prompts[prompt]
        options = case.get("options", {})
        limits = iter(options.get("max_num", ()))
        messages = tuple(
            Message(turn["role"], tuple(self._part(item, limits) for item in turn["content"]))
            for turn in case["messages"]
        )
        media = {"combine_images": True} if options.get("combine_images") else {}
        return Request(
            Conversation(messages),
            PromptOptions(placement=options.get("placement", "inline"), media=media),
            Sampling(**{"max_new_tokens": 24, "ignore_stop": True, **sampling}),
        )

    def _part(self, item: dict[str, Any], limits: Any) -> Part:
        if item["type"] == "text":
            return TextPart(item["text"])
        limit = next(limits, None)
        picture = make_picture(self._images[item["image"]], self.folder)
        return ImagePart(picture, {} if limit is None else {"max_num": limit})
