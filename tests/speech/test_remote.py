"""A recogniser over HTTP: a real server, with the bundled Whisper behind it."""

from __future__ import annotations

import email
import email.policy
import io
import json
import threading
import time
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_models.api import BUNDLED_MODEL, MissingModel, Transcriber, load_transcriber
from audio_models.remote import RemoteFailed, RemoteTranscriber

Samples = NDArray[np.float32]


class Server(ThreadingHTTPServer):
    """Answers as OpenAI-compatible servers do; `mood` says what it does with the next requests."""

    def __init__(self, engine: Transcriber) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.engine = engine
        self.mood = "well"
        self.asked: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts()  # type: ignore[attr-defined]
        }
        server = self.server
        server.asked.append(
            {"path": self.path, "token": self.headers.get("Authorization", "")}
            | {name: value.decode() for name, value in parts.items() if name != "file"}
        )
        if server.mood == "hangs":
            time.sleep(1.5)
        with server.lock:
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        answer = self._transcribed(parts["file"]) if server.mood == "well" else b"<html>sorry</html>"
        with server.lock:
            server.at_once -= 1
        self.send_response(503 if server.mood == "fails" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _transcribed(self, wav: bytes) -> bytes:
        with wave.open(io.BytesIO(wav)) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        heard = self.server.engine.transcribe(pcm.astype(np.float32) / np.float32(32768))
        words = [
            {"word": one.text, "start": one.start_ms / 1000, "end": one.end_ms / 1000}
            | {"probability": one.probability}
            for one in heard.words
        ]
        segment = {"avg_logprob": heard.avg_logprob, "no_speech_prob": heard.no_speech_prob}
        return json.dumps({"text": heard.text, "words": words, "segments": [segment]}).encode()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def whisper() -> Transcriber:
    return load_transcriber("auto", BUNDLED_MODEL)


@pytest.fixture
def server(whisper: Transcriber) -> Iterator[Server]:
    with Server(whisper) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def remote(server: Server) -> Iterator[RemoteTranscriber]:
    made = RemoteTranscriber(server.url, model="tiny", token="secret", workers=2, timeout_s=0.7)
    yield made
    made.close()


def test_it_hears_what_the_model_there_hears(
    remote: RemoteTranscriber, server: Server, whisper: Transcriber, speech: Samples
) -> None:
    here = whisper.transcribe(speech)
    there = remote.transcribe(speech)
    assert there.text == here.text
    assert [word.text for word in there.words] == [word.text for word in here.words]
    assert abs(there.words[-1].end_ms - here.words[-1].end_ms) <= 20
    assert there.avg_logprob == pytest.approx(here.avg_logprob, abs=0.05)
    assert server.asked[0]["path"] == "/v1/audio/transcriptions"
    assert server.asked[0]["token"] == "Bearer secret"
    assert server.asked[0]["model"] == "tiny"


def test_silence_is_not_sent_anywhere(remote: RemoteTranscriber, server: Server) -> None:
    assert remote.transcribe(np.zeros(16_000, np.float32)).flags == ("silence",)
    assert server.asked == []


@pytest.mark.parametrize("mood", ["hangs", "fails", "raves"])
def test_a_sick_server_is_an_error_in_time_and_then_left_alone(
    remote: RemoteTranscriber, server: Server, speech: Samples, mood: str
) -> None:
    server.mood = mood
    for _ in range(3):
        began_s = time.monotonic()
        with pytest.raises(RemoteFailed):
            remote.transcribe(speech)
        assert time.monotonic() - began_s < 2
    asked = len(server.asked)
    with pytest.raises(RemoteFailed, match="left alone"):
        remote.transcribe(speech)
    assert len(server.asked) == asked


def test_no_more_requests_at_once_than_allowed(
    remote: RemoteTranscriber, server: Server, speech: Samples
) -> None:
    heard: list[str] = []
    threads = [
        threading.Thread(target=lambda: heard.append(remote.transcribe(speech).text)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(heard)) == 1
    assert len(heard) == 6
    assert server.most_at_once <= 2


@pytest.mark.parametrize(
    "url",
    ["", "asr.example.com", "ftp://asr", "http://asr.example.com", "http://8.8.8.8:80", "https://u:p@h"],
)
def test_speech_is_sent_only_where_it_may_go(url: str) -> None:
    with pytest.raises(MissingModel, match=r"speech\.remote_url"):
        load_transcriber("remote", remote_url=url)
