"""A headless Chromium that talks to nobody but the page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

BROWSER, DRIVER = "chromium", "chromedriver"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--lang=en-US",
]
PHONE, DESKTOP = (360, 780), (1280, 900)


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    with TemporaryDirectory(prefix="chromium-") as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which(BROWSER) or ""
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(shutil.which(DRIVER)))
        try:
            yield driver
        finally:
            driver.quit()


def look_like(driver: webdriver.Chrome, size: tuple[int, int], *, dark: bool = False) -> None:
    """As on a screen of that many CSS pixels. A window cannot be as narrow as a phone; what it shows can."""
    width, height = size
    is_phone = width < 600
    screen = {"width": width, "height": height, "deviceScaleFactor": 2 if is_phone else 1, "mobile": is_phone}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})


def speak(driver: webdriver.Chrome, language: str) -> None:
    """As a browser whose user prefers that language, such as ``zh-CN,zh;q=0.9``. Forgets what the page's switch remembered."""
    agent = driver.execute_script("return navigator.userAgent")
    driver.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": language})
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})


def whole_page(driver: webdriver.Chrome, path: Path, *, most: int = 2200) -> None:
    """A picture of the page down to so many CSS pixels."""
    import base64

    size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], most), "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(shot["data"]))


def complaints(driver: webdriver.Chrome) -> list[str]:
    """What the browser's console has to say: violations of the policy, errors of the script."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
