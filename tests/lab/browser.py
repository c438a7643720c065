"""A real Chromium that looks at bee's pages, and a note of everything that it asks for and complains of.

with Browser() as browser:
    browser.open(web.origin)
    browser.until(lambda: "CRITICAL" in browser.text)
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

WAIT_SECONDS = 45.0
DESKTOP, PHONE = (1280, 800), (360, 740)

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root's Chromium starts in no other way
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-domain-reliability",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
# Requests of its own that never leave it.
_INSIDE = ("data", "blob", "about", "chrome", "devtools", "chrome-extension", "chrome-untrusted")

T = TypeVar("T")


class Browser:
    """A context manager. ``driver``: the Chromium; ``dark``: what its owner likes."""

    driver: Chrome

    def __init__(self, size: tuple[int, int] = DESKTOP, *, dark: bool = False, scripts: bool = True) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._size = size
        self._dark = dark
        self._scripts = scripts
        self._folder = Path()

    def __enter__(self) -> Self:
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if chromium is None or driver is None:
            pytest.skip("needs Debian's chromium and chromium-driver")
        self._folder = Path(tempfile.mkdtemp(prefix="bee-chromium-"))
        options = ChromeOptions()
        options.binary_location = chromium
        for flag in (*_FLAGS, f"--user-data-dir={self._folder}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = Chrome(options=options, service=ChromeService(driver))
        self.driver.set_page_load_timeout(WAIT_SECONDS)
        self.resize(self._size)
        self.prefer(dark=self._dark)
        if not self._scripts:
            self._tell("Emulation.setScriptExecutionDisabled", value=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()
        shutil.rmtree(self._folder, ignore_errors=True)

    def resize(self, size: tuple[int, int]) -> None:
        width, height = size
        self._tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def prefer(self, *, dark: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._tell("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address: str) -> None:
        self.driver.get(address)

    def run(self, script: str, *arguments: object) -> Any:
        """What a function of JavaScript with this body gives."""
        return self.driver.execute_script(script, *arguments)

    @property
    def text(self) -> str:
        """What can be read, in one line."""
        return " ".join(self.one("body").text.split())

    @property
    def path(self) -> str:
        return urlsplit(self.driver.current_url).path

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> Sequence[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text_of(self, css: str) -> str:
        """Of an element, hidden text too; empty while there is none."""
        found = self.all(css)
        return (found[0].get_attribute("textContent") or "").strip() if found else ""

    def press(self, *keys: str) -> None:
        """On the keyboard, for whatever has the focus."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(getattr(Keys, key, key))

    def tab_to(self, true: Callable[[WebElement], bool], most: int = 80) -> WebElement:
        """Press Tab until the focus is on something of which this holds."""
        for _ in range(most):
            self.press("TAB")
            focused = self.driver.switch_to.active_element
            with suppress(StaleElementReferenceException):
                if true(focused):
                    return focused
        raise AssertionError("the keyboard does not get there")

    def until(self, condition: Callable[[], T], what: str = "it") -> T:
        """Wait for something on the page, which may be changed meanwhile."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                if seen := condition():
                    return seen
            except StaleElementReferenceException:
                pass
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{what} did not happen at {self.driver.current_url}:\n{self.text[:3000]}"
                )
            time.sleep(0.05)

    def listen(self) -> None:
        """Note what was asked for and complained of so far."""
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        for entry in self.driver.get_log("browser"):  # type: ignore[no-untyped-call]
            if entry["level"] in ("SEVERE", "WARNING"):
                self.complaints.append(entry["message"])

    def strangers(self, origin: str) -> list[str]:
        """Requests that went elsewhere."""
        self.listen()
        return [
            url
            for url in self.requests
            if urlsplit(url).scheme not in _INSIDE and not url.startswith(f"{origin}/")
        ]

    def _tell(self, command: str, **parameters: object) -> None:
        self.driver.execute_cdp_cmd(command, parameters)


# The least contrast of any text with what is behind it (WCAG 2.2 §1.4.3), and that text.
CONTRAST = """
const parse = (text) => {
  const n = text.match(/[\\d.]+/g).map(Number);
  return { r: n[0], g: n[1], b: n[2], a: n[3] ?? 1 };
};
const part = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
const light = ({ r, g, b }) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const back = parse(getComputedStyle(at).backgroundColor);
    if (back.a === 1) return back;
  }
  return { r: 255, g: 255, b: 255, a: 1 };
};
let worst = [21, ""];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || element.closest("svg, [disabled]") || !element.checkVisibility()) continue;
  const colours = [parse(getComputedStyle(element).color), behind(element)];
  const [a, b] = colours.map(light).sort((x, y) => y - x);
  const contrast = (a + 0.05) / (b + 0.05);
  const words = `${element.className} ${element.textContent.trim().slice(0, 60)}`;
  if (contrast < worst[0]) worst = [contrast, words];
}
return worst;
"""
