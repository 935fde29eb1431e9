"""A checkpoint is downloaded whole, only what is needed, only once, and into the hub's own cache."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hub.conftest import ENTRY, FAMILY, FILES, WEIGHTS, options_of
from tests.hub.hub_server import COMMIT, Fault, HubServer
from vlmplug.errors import (
    DiskSpaceError,
    HubAccessError,
    HubError,
    HubNotFoundError,
    HubOfflineError,
    HubRateError,
    HubUnreachableError,
)
from vlmplug.hub import HubName, HubOptions, Site, cached_checkpoint, carry_out, fetch_checkpoint, plan_fetch
from vlmplug.model_type import Hub, Licence


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


NEEDED = {name: FILES[name] for name in ("config.json", "tokenizer.json", "model.safetensors")}


def test_what_the_family_needs_is_downloaded_and_nothing_else(server: HubServer, options: HubOptions) -> None:
    folder = fetch_checkpoint(ENTRY, FAMILY, options)
    assert contents(folder) == NEEDED
    assert not [seen for seen in server.seen if seen.path.endswith((".py", ".md"))]


def test_the_family_says_what_it_needs(server: HubServer, options: HubOptions) -> None:
    server.files |= {"vocab/ein wörterbuch.txt": b"words", "vocab/deeper/other.txt": b"more words"}
    family = replace(FAMILY, files=("config.json", "*.safetensors", "vocab/*.txt"))
    folder = fetch_checkpoint(ENTRY, family, options)
    assert set(contents(folder)) == {"config.json", "model.safetensors", "vocab/ein wörterbuch.txt"}
    assert (folder / "vocab/ein wörterbuch.txt").read_bytes() == b"words"


def test_the_second_time_only_the_listing_is_asked_for(server: HubServer, options: HubOptions) -> None:
    first = fetch_checkpoint(ENTRY, FAMILY, options)
    server.seen.clear()
    assert fetch_checkpoint(ENTRY, FAMILY, options) == first
    assert len(server.seen) == 1


def test_what_is_here_is_found_without_the_hub(server: HubServer, options: HubOptions) -> None:
    assert cached_checkpoint(ENTRY, FAMILY, options) is None
    folder = fetch_checkpoint(ENTRY, FAMILY, options)
    server.seen.clear()
    assert cached_checkpoint(ENTRY, FAMILY, options) == folder
    assert fetch_checkpoint(ENTRY, FAMILY, replace(options, offline=True)) == folder
    assert server.seen == []


def test_new_weights_of_the_same_size_are_noticed(server: HubServer, options: HubOptions, hub: HubName) -> None:
    if hub == "huggingface":
        pytest.skip("a snapshot of Hugging Face has a commit, whose files never change")
    fetch_checkpoint(ENTRY, FAMILY, options)
    server.files["model.safetensors"] = WEIGHTS[::-1]
    folder = fetch_checkpoint(ENTRY, FAMILY, options)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS[::-1]


def test_a_plan_has_all_the_numbers_and_fetches_nothing(server: HubServer, options: HubOptions) -> None:
    plan = plan_fetch(ENTRY, FAMILY, options)
    size = sum(map(len, NEEDED.values()))
    assert (plan.size, plan.bytes_to_fetch, plan.bytes_to_convert) == (size, size, 0)
    assert {file.path for file in plan.missing} == set(NEEDED)
    assert plan.listing.commit in (COMMIT, "master")
    assert not plan.folder.exists()
    folder = carry_out(plan, options)
    assert folder == plan.folder
    after = plan_fetch(ENTRY, FAMILY, options)
    assert (after.size, after.bytes_to_fetch, after.missing) == (size, 0, ())


def test_small_files_come_first_so_that_all_weights_mean_all_files(server: HubServer, options: HubOptions) -> None:
    fetch_checkpoint(ENTRY, FAMILY, options)
    order = [seen.path.rpartition("/")[2] for seen in server.seen if seen.server == "hub"][1:]
    assert order[-1] == "model.safetensors"


@pytest.mark.parametrize("revision", ["v1.5", COMMIT, "refs/pr/7"])
def test_a_revision_is_taken_instead_of_the_newest(server: HubServer, options: HubOptions, revision: str) -> None:
    server.revisions = {revision}
    chosen = replace(options, revision=revision)
    folder = fetch_checkpoint(ENTRY, FAMILY, chosen)
    assert cached_checkpoint(ENTRY, FAMILY, chosen) == folder
    assert cached_checkpoint(ENTRY, FAMILY, options) is None


def test_the_manifest_may_pin_revisions(server: HubServer, options: HubOptions) -> None:
    server.revisions = {"pinned"}
    pinned = replace(ENTRY.hub, huggingface_revision="pinned", modelscope_revision="pinned")
    assert contents(fetch_checkpoint(replace(ENTRY, hub=pinned), FAMILY, options)) == NEEDED


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (Fault(401), HubAccessError, "accept the conditions there (licence: https://example.org/licence), then"),
        (Fault(403), HubAccessError, "is not given to everybody: 403 Forbidden"),
        (Fault(404), HubNotFoundError, "Org/Toy-1B"),
        (Fault(404, {"X-Error-Code": "RevisionNotFound"}), HubNotFoundError, "has no revision"),
        (Fault(401, {"X-Error-Code": "RepoNotFound"}), HubNotFoundError, "does not exist or is private"),
        (Fault(418, body=b'{"Message": "tea\\u001b[31m only"}'), HubError, "418 I'm a Teapot, tea [31m only"),
        (Fault(200, body=b"<html>log in to this network</html>"), HubError, "its listing cannot be read"),
        (Fault(200, body=b'{"sha": "x"}'), HubError, "another form than that of"),
        (Fault(200, body=b'{"Success": false, "Code": 404, "Message": "gone"}'), HubError, "Org/Toy-1B"),
        (Fault(302, {"Location": "file:///etc/hostname"}), HubError, "was refused: 302 Found"),
        (Fault(302, {"Location": "ftp://127.0.0.1/x"}), HubUnreachableError, "redirects to ftp, which is not secure"),
    ],
    ids=lambda value: f"{value.status} {dict(value.headers)}" if isinstance(value, Fault) else "",
)
def test_a_hub_that_refuses(
    server: HubServer, options: HubOptions, fault: Fault, error: type[HubError], says: str
) -> None:
    server.faults["listing"] = [fault] * 5
    with pytest.raises(error) as caught:
        fetch_checkpoint(ENTRY, FAMILY, options)
    assert says in str(caught.value)
    assert caught.value.remedy
    assert str(caught.value).isprintable()


def test_a_gated_file_names_the_page_and_the_token_opens_it(server: HubServer, tmp_path: Path, hub: HubName) -> None:
    server.gated, server.token = True, "secret"
    with pytest.raises(HubAccessError, match=r"Access to model Org/Toy-1B is restricted") as caught:
        fetch_checkpoint(ENTRY, FAMILY, options_of(server, tmp_path, hub))
    page = f"{server.endpoint}/Org/Toy-1B" if hub == "huggingface" else f"{server.endpoint}/models/Org/Toy-1B"
    assert page in caught.value.remedy
    assert {"huggingface": "HF_TOKEN", "modelscope": "MODELSCOPE_API_TOKEN"}[hub] in caught.value.remedy
    with pytest.raises(HubAccessError, match="with the account of your token"):
        fetch_checkpoint(ENTRY, FAMILY, options_of(server, tmp_path, hub, "wrong"))
    assert contents(fetch_checkpoint(ENTRY, FAMILY, options_of(server, tmp_path, hub, "secret"))) == NEEDED


def test_the_token_is_shown_to_the_hub_and_to_nobody_else(server: HubServer, tmp_path: Path, hub: HubName) -> None:
    fetch_checkpoint(ENTRY, FAMILY, options_of(server, tmp_path, hub, "secret"))
    assert {seen.headers.get("authorization") for seen in server.seen if seen.server == "hub"} == {"Bearer secret"}
    elsewhere = [seen.headers for seen in server.seen if seen.server == "cdn"]
    assert elsewhere
    assert not any("secret" in value for headers in elsewhere for value in headers.values())


def test_a_redirect_within_the_hub_keeps_the_token(server: HubServer, tmp_path: Path) -> None:
    server.gated, server.token = True, "secret"
    server.files["moved.md"] = server.files["config.json"]
    server.faults["config.json"] = [Fault(308, {"Location": f"/Org/Toy-1B/resolve/{COMMIT}/moved.md"})]
    folder = fetch_checkpoint(ENTRY, FAMILY, options_of(server, tmp_path, "huggingface", "secret"))
    assert (folder / "config.json").read_bytes() == server.files["config.json"]
    assert server.faults["config.json"] == []


def test_a_limit_on_requests_is_waited_for(server: HubServer, options: HubOptions) -> None:
    server.faults["listing"] = [Fault(429, {"Retry-After": "0"}), Fault(503)]
    assert contents(fetch_checkpoint(ENTRY, FAMILY, options)) == NEEDED


@pytest.mark.parametrize(
    ("header", "asked"), [("3600", 1), ("0", 3), ("soon", 3), ("", 3)], ids=["too long", "always", "words", "nothing"]
)
def test_but_not_for_ever(server: HubServer, options: HubOptions, header: str, asked: int) -> None:
    server.faults["listing"] = [Fault(429, {"Retry-After": header})] * 9
    with pytest.raises(HubRateError, match="wants fewer requests"):
        fetch_checkpoint(ENTRY, FAMILY, options)
    assert len(server.seen) == asked


def test_nobody_there(server: HubServer, options: HubOptions, hub: HubName) -> None:
    gone = Site("http://127.0.0.1:9", options.cache(hub), "")
    with pytest.raises(HubUnreachableError, match=r"cannot be reached after 3 tries: .*[Rr]efused") as caught:
        fetch_checkpoint(ENTRY, FAMILY, replace(options, huggingface=gone, modelscope=gone))
    assert "HF_ENDPOINT" in caught.value.remedy


def test_the_other_hub_helps_out(server: HubServer, tmp_path: Path) -> None:
    options = options_of(server, tmp_path)
    gone = replace(options.huggingface, endpoint="http://127.0.0.1:9")
    folder = fetch_checkpoint(ENTRY, FAMILY, replace(options, huggingface=gone))
    assert folder.is_relative_to(tmp_path / "ms")


def test_but_not_with_a_revision_which_is_one_hubs_own(server: HubServer, tmp_path: Path) -> None:
    options = options_of(server, tmp_path)
    gone = replace(options.huggingface, endpoint="http://127.0.0.1:9")
    with pytest.raises(HubUnreachableError, match="Hugging Face"):
        fetch_checkpoint(ENTRY, FAMILY, replace(options, huggingface=gone, revision="main"))


def test_offline_nothing_is_asked(server: HubServer, options: HubOptions) -> None:
    offline = replace(options, offline=True)
    with pytest.raises(HubOfflineError, match="vlmplug models pull toy-1b"):
        fetch_checkpoint(ENTRY, FAMILY, offline)
    with pytest.raises(HubOfflineError, match="offline mode"):
        plan_fetch(ENTRY, FAMILY, offline)
    assert server.seen == []


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_the_environment_may_say_offline(
    server: HubServer, options: HubOptions, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(HubOfflineError):
        fetch_checkpoint(ENTRY, FAMILY, replace(options, offline=None))
    assert server.seen == []


def test_a_full_disk_is_found_before_anything_is_fetched(
    server: HubServer, options: HubOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmplug.hub.disk.free_space", lambda folder: 1000)
    with pytest.raises(DiskSpaceError, match=r"300 kB would be written, and 1 kB are free.*Free 299 kB"):
        fetch_checkpoint(ENTRY, FAMILY, options)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "name", ["../evil.json", "/etc/evil.json", "a/../../evil.json", "C:/evil.json", "a\\evil.json", "a//b.json", "\n"]
)
def test_a_listed_name_that_leads_out_is_refused(
    server: HubServer, options: HubOptions, name: str, tmp_path: Path
) -> None:
    server.files["evil.json"] = b"{}"
    server.listed["evil.json"] = name
    with pytest.raises(HubError, match="leads out of the checkpoint's folder"):
        fetch_checkpoint(ENTRY, FAMILY, options)
    assert not list(tmp_path.rglob("*evil*"))


def test_a_hub_without_the_model(options: HubOptions, hub: HubName) -> None:
    entry = replace(ENTRY, hub=Hub())
    with pytest.raises(HubNotFoundError, match="names no repository on"):
        fetch_checkpoint(entry, FAMILY, options)
    assert cached_checkpoint(entry, FAMILY, options) is None


@pytest.mark.parametrize("id_", ["../../etc/passwd", "Org/../x", "Org/Name?x=1", "", "a/b/c", "Org/Toy 1B"])
def test_an_id_that_no_hub_has(options: HubOptions, id_: str) -> None:
    entry = replace(ENTRY, hub=Hub(huggingface=id_ or "/", modelscope=id_ or "/"))
    with pytest.raises(HubNotFoundError, match="is no repository of"):
        fetch_checkpoint(entry, FAMILY, options)


@pytest.mark.parametrize("revision", ["../main", "a b", "main?x", "/x"])
def test_a_revision_that_is_no_name(options: HubOptions, revision: str) -> None:
    with pytest.raises(HubNotFoundError, match="is no revision of"):
        fetch_checkpoint(ENTRY, FAMILY, replace(options, revision=revision))


@pytest.mark.parametrize("files", [{"pytorch_model.pt": b"x"}, {"tf_model.h5": b"x"}, {"other.safetensors": b"x"}, {}])
def test_a_repository_without_weights_that_can_be_opened(
    server: HubServer, options: HubOptions, files: dict[str, bytes]
) -> None:
    del server.files["model.safetensors"]
    server.files |= files
    with pytest.raises(HubError, match="has no weights that vlmplug opens") as caught:
        fetch_checkpoint(ENTRY, FAMILY, options)
    assert all(name in caught.value.problem for name in files)
    assert len(server.seen) == 1


def test_a_repository_without_a_configuration(server: HubServer, options: HubOptions) -> None:
    del server.files["config.json"]
    with pytest.raises(HubNotFoundError, match=r"has no config\.json"):
        fetch_checkpoint(ENTRY, FAMILY, options)


def test_weights_to_convert_count_twice(server: HubServer, options: HubOptions) -> None:
    server.files["pytorch_model.bin"] = server.files.pop("model.safetensors")
    plan = plan_fetch(ENTRY, FAMILY, options)
    assert [file.path for file in plan.files if file.path.endswith(".bin")] == ["pytorch_model.bin"]
    assert plan.bytes_to_convert == len(WEIGHTS)
    assert cached_checkpoint(ENTRY, FAMILY, options) is None
    assert fetch_checkpoint(ENTRY, FAMILY, options) == cached_checkpoint(ENTRY, FAMILY, options)


def test_a_licence_that_has_to_be_accepted_is_asked_for_first(server: HubServer, options: HubOptions) -> None:
    entry = replace(ENTRY, licence=Licence("Strict licence", accept=True, url="https://example.org/strict"))
    with pytest.raises(HubAccessError, match=r"Strict licence.*has to be accepted") as caught:
        fetch_checkpoint(entry, FAMILY, options)
    assert "https://example.org/strict" in caught.value.remedy
    assert "vlmplug models pull toy-1b" in caught.value.remedy
    assert len(server.seen) == 1
    assert contents(fetch_checkpoint(entry, FAMILY, replace(options, accept_licence=True))) == NEEDED
    assert contents(fetch_checkpoint(entry, FAMILY, options)) == NEEDED


def test_progress_counts_every_byte_once(server: HubServer, options: HubOptions) -> None:
    told = Told()
    server.faults["model.safetensors"] = [Fault(cut=100_000), Fault(ignore_range=True)]
    fetch_checkpoint(ENTRY, FAMILY, replace(options, progress=told))
    (note,) = told.notes
    assert re.fullmatch(r"fetching toy-1b from \w+( \w+)?: 300 kB, licence: Toy licence", note)
    assert (told.total, told.done, told.ended) == (sum(map(len, NEEDED.values())), told.total, 1)


class Told:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.total = self.done = self.ended = 0
        self.notes: list[str] = []

    def begin(self, total: int, done: int) -> None:
        self.total, self.done = total, done

    def advance(self, count: int) -> None:
        self.done += count

    def note(self, text: str) -> None:
        self.notes.append(text)

    def end(self) -> None:
        self.ended += 1
