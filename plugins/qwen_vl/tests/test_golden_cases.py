"""Every prompt and picture of the reference set, as the official code made them."""

from __future__ import annotations

from pathlib import Path

from vlmplug.verify import Selection, VerifyOptions, verify
from vlmplug.verify.set_reader import read_golden_set


def test_all_prompts_and_pictures(golden: Path) -> None:
    found = verify(read_golden_set(golden), VerifyOptions(Selection(("prompts", "preprocess", "video"))))
    outcomes = [result.outcome for result in found.results]
    assert outcomes.count("passed") == 23 + 29
    undefined = {result.case: result.outcome for result in found.results if result.outcome != "passed"}
    assert undefined == {
        "system_none": "refused",
        "unclosed_img_text": "agrees",
        "closed_img_text": "agrees",
        "imgpad_endimg_text": "agrees",
        "video": "refused",
    }
