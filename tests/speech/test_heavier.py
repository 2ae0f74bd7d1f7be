"""Hugging Face models of random weights in the place of our own: loaded, batched, cut, refused, failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_models.api import (
    FUSED_FROM,
    MissingModel,
    NotACustomer,
    ScoreRequest,
    VoiceNotJudged,
    load_caller_voice,
    load_scorer,
    missing_engine,
)
from audio_models.hugging_face import LONGEST_S, _folder
from voicewatch.doctor import _heavier
from voicewatch.settings import Settings
from voicewatch.speech.voices import Spoken, score_spoken

WORDS = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *("my", "bill", "is", "wrong", "again", "nobody", "helps", "thank", "you"),
)
THREE = ("negative", "neutral", "positive")
Build = Callable[..., str]


@pytest.fixture
def transformers() -> Any:
    return pytest.importorskip("transformers", reason="not installed: pip install voicewatch[engines]")


@pytest.fixture
def bert(tmp_path: Path, transformers: Any) -> Build:
    """A tiny sequence classifier with these classes."""

    def build(labels: tuple[str, ...] = THREE, name: str = "bert", **beside: Any) -> str:
        folder = tmp_path / name
        config = transformers.BertConfig(
            vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=16, max_position_embeddings=24, id2label=dict(enumerate(labels)),
            label2id={label: at for at, label in enumerate(labels)},
        )  # fmt: skip
        transformers.set_seed(1)
        transformers.BertForSequenceClassification(config).save_pretrained(folder)
        (folder / "vocab.txt").write_text("\n".join(WORDS))
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
        for file, content in beside.items():
            (folder / f"{file}.json").write_text(json.dumps(content))
        return f"hf:{folder}"

    return build


@pytest.fixture
def wav2vec2(tmp_path: Path, transformers: Any) -> Build:
    """A tiny classifier of voices with these classes."""

    def build(labels: tuple[str, ...] = ("angry", "neutral", "sad")) -> str:
        folder = tmp_path / "wav2vec2"
        config = transformers.Wav2Vec2Config(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
            conv_dim=(8, 8), conv_stride=(20, 16), conv_kernel=(20, 16), num_feat_extract_layers=2,
            num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, classifier_proj_size=8,
            mask_time_length=2, id2label=dict(enumerate(labels)),
            label2id={label: at for at, label in enumerate(labels)},
        )  # fmt: skip
        transformers.set_seed(1)
        transformers.Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
        return f"hf:{folder}"

    return build


def test_its_sentiment_stands_where_ours_did_and_the_rest_is_ours(bert: Build) -> None:
    scorer, ours = load_scorer(bert()), load_scorer()
    assert "not calibrated" in scorer.sentiment_name
    assert "bert" in scorer.sentiment_name
    requests = [ScoreRequest("my bill is wrong again " * times) for times in (1, 2, 40)]
    together, mine = scorer.score_batch(requests), ours.score_batch(requests)
    for one, request, other in zip(together, requests, mine, strict=True):
        [alone] = scorer.score_batch([request])
        assert one.sentiment is not None
        assert alone.sentiment is not None
        assert one.sentiment.score == pytest.approx(alone.sentiment.score, abs=0.01)
        assert (one.uncertainty, one.cues) == (other.uncertainty, other.cues)
        assert not [span for span in one.evidence if span.kind == "sentiment"]
    refused = scorer.score(ScoreRequest("Hola, quiero hablar con una persona por favor"))
    assert refused.sentiment is None
    assert "unsupported_language" in refused.not_scored["sentiment"]


@pytest.mark.parametrize(
    "labels",
    [("NEGATIVE", "POSITIVE"), THREE, tuple(f"{n} star{'s' * (n > 1)}" for n in range(1, 6))],
)
def test_classes_of_two_three_or_five_are_understood(bert: Build, labels: tuple[str, ...]) -> None:
    found = load_scorer(bert(labels, name=f"of{len(labels)}")).score(ScoreRequest("thank you so much"))
    assert found.sentiment is not None
    assert -5 <= found.sentiment.score <= 5
    assert 0 < found.sentiment.confidence <= 1


def test_a_temperature_beside_the_weights_makes_it_calibrated(bert: Build) -> None:
    request = ScoreRequest("my bill is wrong")
    plain, softer = load_scorer(bert()), load_scorer(bert(name="softer", voicewatch={"temperature": 50}))
    assert "not calibrated" not in softer.sentiment_name
    before, after = plain.score(request).sentiment, softer.score(request).sentiment
    assert before is not None
    assert after is not None
    assert abs(after.confidence - 1 / 3) < abs(before.confidence - 1 / 3)


def test_a_model_that_fails_leaves_a_reason_and_no_neutral_value(
    bert: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = load_scorer(bert())
    network = scorer._model.network  # type: ignore[attr-defined]
    forward = network.forward

    def fails(**inputs: Any) -> Any:
        if int((inputs["input_ids"] == WORDS.index("nobody")).sum()):
            raise RuntimeError("out of memory")
        return forward(**inputs)

    monkeypatch.setattr(network, "forward", fails)
    good, bad = scorer.score_batch([ScoreRequest("my bill is wrong"), ScoreRequest("nobody helps")])
    assert good.sentiment is not None
    assert bad.sentiment is None
    assert bad.not_scored["sentiment"] == "the model failed (RuntimeError)"
    assert bad.uncertainty is not None


def test_what_cannot_be_loaded_says_what_to_do(bert: Build, tmp_path: Path) -> None:
    named = bert(("LABEL_0", "LABEL_1"), name="nameless")
    with pytest.raises(MissingModel, match="id2label"):
        load_scorer(named)
    (_folder(named) / "model.safetensors").unlink()
    with pytest.raises(MissingModel, match="safetensors"):
        load_scorer(named)
    assert "safetensors" in missing_engine(named)


def test_what_is_not_there_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    for name, says in (
        (f"hf:{tmp_path}", "config.json"),
        ("hf:nobody/has-this", "hf download nobody/has-this"),
        ("vader", "hf:FOLDER"),
    ):
        assert says in missing_engine(name)
        with pytest.raises(MissingModel, match=says):
            load_scorer(name)
    named = Settings(speech={"voice_model": "hf:nobody/has-this"})  # type: ignore[arg-type]
    finding = _heavier(named)
    assert (finding.state, finding.detail) == ("fail", "speech.voice_model cannot be loaded")
    assert "hf download" in finding.remedy


def test_voices_of_several_callers_are_measured_together(
    wav2vec2: Build, speech: NDArray[np.float32]
) -> None:
    named = wav2vec2()
    with pytest.raises(NotACustomer):
        load_caller_voice("agent", named)
    callers = [load_caller_voice("customer", named) for _ in range(2)]
    alone = load_caller_voice("customer", named)
    with pytest.raises(VoiceNotJudged):
        alone.judge(np.zeros(16_000, np.float32))
    scorer = load_scorer()
    request = ScoreRequest("my bill is wrong")
    for turn in range(4):
        heard = np.concatenate([speech] * (turn * LONGEST_S // 4 + 1))  # the last are cut
        found = score_spoken(scorer, [(request, Spoken(voice, heard)) for voice in callers])
        expected = alone.judge(heard)
        for one in found:
            assert one.arousal is not None
            assert one.arousal.change == pytest.approx(expected.change, abs=0.01)
    assert expected.confidence >= FUSED_FROM
    assert -1 <= expected.change <= 1
