"""Fetching a CTranslate2 Whisper from the Hugging Face hub into its usual cache, or from a mirror of it.

Written out instead of left to huggingface_hub: a pull goes on where it was broken off, every file is checked
against what the hub says of it, and what goes wrong is one sentence with the remedy. `HF_ENDPOINT` names
another hub, `HF_HUB_CACHE` or `HF_HOME` another place to keep things, as they do for that library. It finds
what is fetched here: blobs by their hash, snapshots of a commit that point at them, refs naming the commit.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from audio_models.api import MissingModel

HUB = "https://huggingface.co"
NAMES = {
    **{
        name: f"Systran/faster-whisper-{name}"
        for name in (
            "tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en",
            "large-v1", "large-v2", "large-v3",
        )
    },
    "large": "Systran/faster-whisper-large-v3",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}  # fmt: skip
"""What faster-whisper calls by a short name."""
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WANTED = re.compile(r"config\.json|preprocessor_config\.json|model\.bin|tokenizer\.json|vocabulary\.\w+")
COMMIT = re.compile(r"[0-9a-f]{40}")
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
ATTEMPTS = 4
BLOCK = 1 << 20
TIMEOUT_S = 30.0

Progress = Callable[[str, int, int], None]
"""(file, bytes there, bytes in all) now and then."""


@dataclass(frozen=True)
class _File:
    """A file of the repository. `digest` is the SHA-256 of large ones, git's SHA-1 of the others."""

    name: str
    size: int
    digest: str


def cache_folder() -> Path:
    """Where huggingface_hub keeps what it fetched, by its documented variables."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def pull(name: str, progress: Progress | None = None) -> Path:
    """Fetches what is not there yet of the model `name`: its folder. Raises MissingModel with the remedy."""
    repository = NAMES.get(name, name)
    if not REPOSITORY.fullmatch(repository):
        raise MissingModel(
            f"unknown model {name!r}; known: {', '.join(NAMES)}, or OWNER/REPOSITORY of a CTranslate2 Whisper"
        )
    endpoint = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    headers = {"Authorization": f"Bearer {token}"} if (token := os.environ.get("HF_TOKEN")) else {}
    with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True, headers=headers) as client:
        try:
            return _Pull(client, endpoint, repository, progress or (lambda *_: None)).run()
        except httpx.HTTPError as error:
            raise MissingModel(
                f"{endpoint} cannot be reached ({type(error).__name__}); a pull goes on where it stopped. Is "
                "this machine online? A mirror is named by HF_ENDPOINT, and a folder fetched elsewhere does "
                'as well: speech.model = "/path/to/it"'
            ) from None
        except OSError as error:
            raise MissingModel(f"cannot write {error.filename or cache_folder()}: {error.strerror}") from None


class _Pull:
    def __init__(self, client: httpx.Client, endpoint: str, repository: str, progress: Progress) -> None:
        self._client = client
        self._endpoint = endpoint
        self._repository = repository
        self._progress = progress
        self._home = cache_folder() / ("models--" + repository.replace("/", "--"))

    def run(self) -> Path:
        commit, files = self._listed()
        snapshot = self._home / "snapshots" / commit
        (self._home / "blobs").mkdir(parents=True, exist_ok=True)
        snapshot.mkdir(parents=True, exist_ok=True)
        for file in files:
            self._fetch(commit, file)
            link = snapshot / file.name
            link.unlink(missing_ok=True)
            link.symlink_to(Path("..") / ".." / "blobs" / file.digest)
        (self._home / "refs").mkdir(exist_ok=True)
        (self._home / "refs" / "main").write_text(commit)
        return snapshot

    def _listed(self) -> tuple[str, list[_File]]:
        url = f"{self._endpoint}/api/models/{self._repository}/revision/main"
        answer = self._client.get(url, params={"blobs": "true"})
        if answer.status_code in (401, 403, 404):
            raise MissingModel(
                f"{self._endpoint} has no model {self._repository} (or it asks for a token: HF_TOKEN)"
            )
        answer.raise_for_status()
        try:
            told = answer.json()
            commit = str(told["sha"])
            files = list(_wanted(told["siblings"]))
        except (ValueError, KeyError, TypeError):
            raise MissingModel(f"{url} does not answer as a hub does; is HF_ENDPOINT right?") from None
        missing = {"model.bin", "config.json"} - {file.name for file in files}
        if missing or not COMMIT.fullmatch(commit):
            raise MissingModel(
                f"{self._repository} is no CTranslate2 Whisper: {', '.join(sorted(missing)) or 'commit'} not "
                "there; faster-whisper's own models are named as in `voicewatch models pull small.en`"
            )
        return commit, files

    def _fetch(self, commit: str, file: _File) -> None:
        blob = self._home / "blobs" / file.digest
        if blob.is_file() and blob.stat().st_size == file.size:
            self._progress(file.name, file.size, file.size)
            return
        part = blob.with_suffix(".incomplete")
        for attempt in range(ATTEMPTS):
            try:
                self._go_on(f"{self._endpoint}/{self._repository}/resolve/{commit}/{file.name}", file, part)
            except httpx.TransportError:
                if attempt == ATTEMPTS - 1:
                    raise
            if part.is_file() and part.stat().st_size >= file.size:
                break
        if _digest(part, file) != file.digest:
            part.unlink(missing_ok=True)
            raise MissingModel(
                f"{file.name} of {self._repository} came damaged (its checksum is another than the hub's) "
                "and was thrown away; pull again"
            )
        part.rename(blob)

    def _go_on(self, url: str, file: _File, part: Path) -> None:
        """Fetches the rest of the file, all of it where the server knows no ranges."""
        there = part.stat().st_size if part.is_file() else 0
        if there >= file.size:
            return
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
        with self._client.stream("GET", url, headers=headers) as answer:
            answer.raise_for_status()
            if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                there = 0
            with part.open("ab" if there else "wb") as out:
                for block in answer.iter_bytes():
                    out.write(block)
                    there += len(block)
                    self._progress(file.name, there, file.size)
                    if there > file.size:
                        return  # another file than the hub listed: its checksum will say so


def _wanted(siblings: Iterable[dict[str, Any]]) -> Iterable[_File]:
    for one in siblings:
        name = str(one["rfilename"])
        if not WANTED.fullmatch(name):
            continue
        large = one.get("lfs")
        digest = str(large["sha256"] if large else one["blobId"])
        if not HASH.fullmatch(digest):
            raise ValueError(digest)
        yield _File(name, int(large["size"] if large else one["size"]), digest)


def _digest(path: Path, file: _File) -> str:
    if not path.is_file():
        return ""
    made = hashlib.sha256() if len(file.digest) == 64 else hashlib.sha1(usedforsecurity=False)
    if len(file.digest) == 40:
        made.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as content:
        while block := content.read(BLOCK):
            made.update(block)
    return made.hexdigest()
