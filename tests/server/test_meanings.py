"""The model process is told what rules ask for by meaning: when it comes, and when the rules change."""

from __future__ import annotations

from pathlib import Path

from tests.server.house import open_house, until
from voicewatch.processes.messages import SetMeanings

RULES = """
version = 1
[meanings]
leaving = ["{wording}"]

[[rule]]
name = "leaving"
severity = "watch"
reasons = ["high_stakes"]
text = "The customer may leave."
headline = "May leave"
when = {{ meaning = "leaving", level = 0.6 }}
"""


async def test_the_model_process_learns_what_to_look_for(tmp_path: Path, run_dir: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULES.format(wording="close my account"))
    async with open_house(tmp_path / "data", run_dir, judgement={"rules": str(file)}) as house:

        def told() -> list[dict[str, list[str]]]:
            return [one.meanings for one in house.model.told if isinstance(one, SetMeanings)]

        await until(lambda: told() == [{"leaving": ["close my account"]}])
        file.write_text(RULES.format(wording="end my contract"))
        await until(lambda: told()[-1] == {"leaving": ["end my contract"]})
