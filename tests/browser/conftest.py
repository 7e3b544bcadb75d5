"""One browser for all tests of a process: it takes a second to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chrome import Page, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """Nothing may have gone wrong in its scripts."""
    browser.look()
    browser.complaints()
    yield browser
    assert browser.complaints() == []
