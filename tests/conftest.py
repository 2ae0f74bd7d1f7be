"""Fixtures for every room."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from voicewatch.settings import Settings

_LINGER_S = 2.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every async test is checked for leaks; its fixture is set up first and torn down last."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.fixturenames.insert(0, "no_leaks")


@pytest.fixture
async def no_leaks() -> AsyncIterator[None]:
    """Whoever starts a task or a thread ends it."""
    threads = set(threading.enumerate())
    tasks = asyncio.all_tasks()
    yield
    deadline = time.monotonic() + _LINGER_S
    while left := _left_over(tasks, threads):
        assert time.monotonic() < deadline, f"left running: {', '.join(left)}"
        await asyncio.sleep(0.01)


def _left_over(tasks: set[asyncio.Task[object]], threads: set[threading.Thread]) -> list[str]:
    new_tasks = asyncio.all_tasks() - tasks - {asyncio.current_task()}
    new_threads = set(threading.enumerate()) - threads
    own = [
        thread.name for thread in new_threads if not thread.name.startswith("asyncio_")
    ]  # the loop ends its own
    return [repr(task.get_coro()) for task in new_tasks] + own


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of its own."""
    return tmp_path / "data"


@pytest.fixture
def settings(data: Path) -> Settings:
    """A server on a free port."""
    return Settings(port=0, data=data)


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """For Unix sockets, whose paths must be short."""
    with tempfile.TemporaryDirectory(prefix="vw-") as folder:
        yield Path(folder)
