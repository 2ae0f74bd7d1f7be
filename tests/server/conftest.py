from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.house import House, open_house


@pytest.fixture
async def house(data: Path, run_dir: Path) -> AsyncIterator[House]:
    async with open_house(data, run_dir) as opened:
        yield opened
