"""Build hook: a wheel carries the built pages, so that its user needs no Node."""

import os
import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PagesHook(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        built = root / "voicewatch/web/dist/index.html"
        if version == "editable" or built.exists() or os.environ.get("VOICEWATCH_SKIP_PAGES"):
            return
        runpy.run_path(str(root / "scripts/build_pages"), run_name="__main__")
