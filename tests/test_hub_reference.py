"""How people write which repository they mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.errors import RegistryError
from vlmplug.hub_reference import HubReference, cached_repository, parse_reference

ID = "Org/Model-1.5_2B"
HF, MS = "huggingface", "modelscope"


@pytest.mark.parametrize(
    ("text", "hub", "revision"),
    [
        (ID, None, None),
        (f"{ID}@v1.0", None, "v1.0"),
        (f"{ID}@refs/pr/3", None, "refs/pr/3"),
        (f"{ID}@main", None, None),
        (f"hf://{ID}", HF, None),
        (f"HF://{ID}@abc", HF, "abc"),
        (f"ms://{ID}", MS, None),
        (f"https://huggingface.co/{ID}", HF, None),
        (f"https://huggingface.co/{ID}/", HF, None),
        (f"https://huggingface.co/{ID}.git", HF, None),
        (f"https://huggingface.co/{ID}?library=true#files", HF, None),
        (f"https://huggingface.co/{ID}/tree/main", HF, None),
        (f"https://huggingface.co/{ID}/tree/0123abc/sub/folder", HF, "0123abc"),
        (f"https://huggingface.co/{ID}/tree/refs%2Fpr%2F3", HF, "refs/pr/3"),
        (f"https://huggingface.co/{ID}/blob/v2/config.json", HF, "v2"),
        (f"https://huggingface.co/{ID}/resolve/v2/model.safetensors", HF, "v2"),
        (f"https://huggingface.co/{ID}/discussions/4", HF, None),
        (f"https://hf-mirror.com/{ID}/tree/v2", HF, "v2"),
        (f"http://mirror.corp:8080/hub/{ID}", HF, None),
        (f"huggingface.co/{ID}", HF, None),
        (f"hf-mirror.com/{ID}/tree/v2", HF, "v2"),
        (f"https://modelscope.cn/models/{ID}", MS, None),
        (f"https://www.modelscope.cn/models/{ID}/summary", MS, None),
        (f"https://modelscope.cn/models/{ID}/files", MS, None),
        (f"https://modelscope.cn/models/{ID}/file/view/v1/config.json?status=1", MS, "v1"),
        (f"https://modelscope.cn/models/{ID}/resolve/master/config.json", MS, None),
        (f"modelscope.cn/models/{ID}", MS, None),
    ],
)
def test_what_is_a_repository(text: str, hub: str | None, revision: str | None) -> None:
    assert parse_reference(text) == HubReference(ID, hub, revision)


@pytest.mark.parametrize("text", ["internvl2-2b", "a/b/c", "/abs/path", "../x", "-a/b", "a//b", "Org/", "s3://a/b", ""])
def test_what_is_none(text: str) -> None:
    assert parse_reference(text) is None


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://huggingface.co/datasets/Org/Set", "one of the hub's datasets"),
        ("https://huggingface.co/spaces/Org/App", "one of the hub's spaces"),
        ("https://huggingface.co/gpt2", "names no repository"),
        ("https://huggingface.co/", "names no repository"),
        ("https://huggingface.co/Org/../../etc", "names no repository"),
    ],
)
def test_addresses_of_something_else_are_refused(address: str, said: str) -> None:
    with pytest.raises(RegistryError, match=said):
        parse_reference(address)


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("/c/hub/models--Org--Model-1.5_2B", HubReference(ID, HF)),
        ("/c/hub/models--Org--Model-1.5_2B/snapshots/0123", HubReference(ID, HF)),
        ("/home/me/.cache/modelscope/hub/models/Org/Model-1___5_2B", HubReference(ID, MS)),
        ("/home/me/.cache/modelscope/hub/Org/Model-1___5_2B", HubReference(ID, MS)),
        ("/home/me/Org/Model", None),
        ("/home/me/models--Org", None),
    ],
)
def test_folders_of_caches_are_named_after_repositories(folder: str, found: HubReference | None) -> None:
    assert cached_repository(Path(folder)) == found


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_none_or_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except RegistryError:
        return
    assert reference is None or reference.repository.count("/") == 1
