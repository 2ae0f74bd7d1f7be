"""The ear recognises clips by their sound, and nothing else."""

import numpy as np

from voicewatch.demo.ear import RATE_HZ, Ear, dbfs
from voicewatch.demo.scenarios import clip_samples, load_scenario
from voicewatch.demo.turns import TurnListener

SCENARIO = load_scenario("once")
CLIPS = {line.id: clip_samples(line) for line in SCENARIO.lines}
SILENCE = np.zeros(RATE_HZ, np.int16)


def hear_all(ear: Ear, samples: np.ndarray) -> dict[str, int]:
    looks: dict[str, int] = {}
    for heard in ear.hear(samples):
        looks[heard.line_id] = looks.get(heard.line_id, 0) + 1
    return {name: count for name, count in looks.items() if count >= 3}


def test_each_clip_is_recognised_in_noise_and_at_half_level() -> None:
    noise = np.random.default_rng(1).normal(0, 60, RATE_HZ * 20)
    for name in ("greeting", "ask-human", "offer-credit", "agent-hello"):
        sound = np.concatenate([SILENCE, CLIPS[name] // 2, SILENCE])
        noisy = (sound + noise[: len(sound)]).astype(np.int16)
        assert set(hear_all(Ear(CLIPS), noisy)) == {name}


def test_a_clip_heard_to_its_end_says_so_once_it_ended() -> None:
    heard = Ear(CLIPS).hear(np.concatenate([SILENCE, CLIPS["charged"], SILENCE]))
    finished = [one for one in heard if one.line_id == "charged" and one.finished]
    end_s = 1 + len(CLIPS["charged"]) / RATE_HZ
    assert finished
    assert abs(finished[0].at_s - end_s) < 0.6


def test_noise_and_silence_are_nobody() -> None:
    noise = np.random.default_rng(2).normal(0, 3000, RATE_HZ * 5).astype(np.int16)
    assert hear_all(Ear(CLIPS), np.concatenate([SILENCE, noise, SILENCE])) == {}


def test_dbfs_of_full_scale_and_silence() -> None:
    assert abs(dbfs(np.full(320, 32767, np.float32))) < 0.1
    assert dbfs(np.zeros(320, np.float32)) == -96.0


def test_a_turn_is_over_after_speech_and_a_pause() -> None:
    listener = TurnListener(pause_s=0.9, patience_s=3.0)
    listener.hear(CLIPS["charged"])
    assert not listener.turn_is_over
    listener.hear(SILENCE)
    assert listener.turn_is_over
    listener.start_waiting()
    assert not listener.turn_is_over
    listener.hear(np.zeros(RATE_HZ * 4, np.int16))
    assert listener.nobody_speaks
