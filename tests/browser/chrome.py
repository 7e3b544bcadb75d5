"""Debian's chromium, without a window, and what tests do with a page in it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.site import PASSWORD
from tests.support.skips import tool

PICTURES = Path(__file__).parents[2] / "build" / "pictures"
"""What pages looked like in the last run of the tests."""
DESKTOP, PHONE = (1280, 800), (360, 740)
_PATIENCE_S = 60.0


@contextmanager
def chromium(*arguments: str) -> Iterator[Page]:
    options = webdriver.ChromeOptions()
    options.binary_location = tool("chromium", "chromium")
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--disable-gpu", "--lang=en-GB", *sandbox, *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(tool("chromedriver", "chromium-driver")))
    try:
        yield Page(driver)
    finally:
        driver.quit()


class Page:
    """What somebody sees and does."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        self.url = ""
        self.look()

    def look(self, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> None:
        """On a screen of this size, as somebody who prefers light or dark."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, still]})

    def visit(self, url: str, user: str | None = "admin") -> None:
        """As somebody who has nothing in the browser; `user`: who logs in then."""
        self.url = url
        self.driver.get(f"{url}/healthz")
        self.driver.delete_all_cookies()
        self.driver.execute_script("localStorage.clear()")
        self.driver.get(url)
        self.wait("#name")
        if user is not None:
            self.log_in(user)

    def log_in(self, user: str, password: str = PASSWORD) -> None:
        self.wait("#name").send_keys(user)
        self.wait("#password").send_keys(password, Keys.ENTER)
        self.wait("#navigation:not([hidden])")

    def go(self, path: str) -> None:
        self.driver.get(self.url + path)
        self.wait("main h1")

    def find(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, selector: str) -> WebElement:
        """The first element of a selector, once it is seen."""

        def seen(_: object) -> WebElement | None:
            return next((element for element in self.find(selector) if element.is_displayed()), None)

        found = WebDriverWait(self.driver, _PATIENCE_S, ignored_exceptions=(Exception,)).until(seen, f"no {selector} is seen")
        assert found is not None
        return found

    def wait_for(self, text: str, within: str = "main") -> None:
        """Until the words are there."""
        WebDriverWait(self.driver, _PATIENCE_S).until(lambda _: text in self.text(within), f"{text!r} is not seen in {within}")

    def text(self, selector: str = "main") -> str:
        """Without the marks that isolate names of another direction."""
        said = str(self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector))
        return said.translate(dict.fromkeys(range(0x2066, 0x206A)))

    def script(self, text: str, *values: object) -> Any:
        return self.driver.execute_script(text, *values)

    def press(self, *keys: str) -> None:
        """To what has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def focused(self) -> str:
        """The words of what has the focus, as a screen reader says them."""
        return str(self.driver.switch_to.active_element.accessible_name)

    def picture(self, name: str, *, whole: bool = False) -> Path:
        """`whole`: of all of it, however long it is."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {"format": "png"}
        if whole:
            width, height = self.script("return [innerWidth, document.documentElement.scrollHeight]")
            clip = {"x": 0, "y": 0, "width": width, "height": min(height, 4000), "scale": 1}
            options |= {"captureBeyondViewport": True, "clip": clip}
        path = PICTURES / f"{name}.png"
        path.write_bytes(base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]))
        return path

    def complaints(self) -> list[str]:
        """What scripts complained of since this was asked last: errors, and what the policy of the page refused."""
        return [entry["message"] for entry in self._log("browser") if entry["level"] == "SEVERE" and entry["source"] != "network"]

    def transfers(self) -> Sequence[tuple[str, int]]:
        """Every answer since this was asked last, and how many bytes of it came over the network."""
        urls: dict[str, str] = {}
        sizes: dict[str, int] = {}
        for entry in self._log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.responseReceived":
                urls[message["params"]["requestId"]] = message["params"]["response"]["url"]
            elif message["method"] == "Network.loadingFinished":
                sizes[message["params"]["requestId"]] = int(message["params"]["encodedDataLength"])
        return [(url, sizes[request]) for request, url in urls.items() if request in sizes]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        return list(self.driver.execute("getLog", {"type": kind})["value"])

    def barriers(self) -> list[str]:
        """What axe-core finds that keeps somebody from using the page, one line each."""
        if not self.script("return 'axe' in window"):
            self.script(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        found = self.driver.execute_async_script("axe.run().then(arguments[0])")
        return [
            f"{violation['id']}: {violation['help']}: {node['html'][:200]} {node['any'][:1]}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def is_too_wide(self) -> bool:
        """Whether somebody has to scroll sideways."""
        return bool(self.script("return document.documentElement.scrollWidth > innerWidth"))
