"""Tries a call out on the documentation page of a running service and keeps a picture of it.

    python scripts/screenshot_docs.py http://127.0.0.1:8000 docs/swagger.png

It needs `selenium`, and either `chromium` and `chromium-driver` of Debian or a Chrome that Selenium
finds by itself.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as conditions
from selenium.webdriver.support.wait import WebDriverWait

WAIT_SECONDS = 30
WIDTH, HEIGHT = 1280, 1700
BODY = '{"name": "World"}'


def main() -> int:
    """Return 0 when the page showed the expected answer, 1 when it did not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base_url", help="such as http://127.0.0.1:8000")
    parser.add_argument("picture", type=Path, help="the PNG file to write")
    parser.add_argument("--operation", default="Greeter_SayHello", help="its operation id")
    parser.add_argument(
        "--body", default='{"name": "World"}', help="the request to send; empty: the example"
    )
    parser.add_argument("--expect", default="Hello, World!", help="what the answer holds")
    arguments = parser.parse_args()
    base_url = arguments.base_url.rstrip("/")
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile, browser(profile) as driver:
        driver.get(f"{base_url}/docs/swagger")
        answer = try_out(driver, arguments.operation, arguments.body)
        arguments.picture.parent.mkdir(parents=True, exist_ok=True)
        driver.save_screenshot(str(arguments.picture))
        faults = [
            *([] if arguments.expect in answer else [f"the answer is {answer!r}"]),
            *(f"loaded from another host: {url}" for url in foreign(driver, base_url)),
            *(f"console: {entry['message']}" for entry in errors(driver)),
        ]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


def browser(profile: str) -> Chrome:
    """Start a headless Chromium that talks to no service of its maker's."""
    options = ChromeOptions()
    if program := found("chromium", "chromium-browser", "google-chrome"):
        options.binary_location = program
    for flag in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        f"user-data-dir={profile}",
        f"window-size={WIDTH},{HEIGHT}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options, ChromeService(found("chromedriver")))


def found(*names: str) -> str | None:
    """Return the path of the first of these programs that is on PATH."""
    return next(filter(None, map(shutil.which, names)), None)


def try_out(driver: Chrome, operation_id: str, body: str) -> str:
    """Expand an operation, execute it, and return the response body that is shown."""
    wait = WebDriverWait(driver, WAIT_SECONDS)
    block = f'[id^="operations-"][id$="-{operation_id}"]'

    def shown(selector: str) -> WebElement:
        return wait.until(
            conditions.visibility_of_element_located((By.CSS_SELECTOR, f"{block} {selector}"))
        )

    shown(".opblock-summary-control").click()
    shown(".try-out__btn").click()
    editor = shown("textarea.body-param__text")
    if body:
        editor.send_keys(Keys.CONTROL, "a")
        editor.send_keys(body)
    shown(".execute").click()
    answer = shown(".live-responses-table .response-col_description .highlight-code code").text
    driver.execute_script(
        "document.querySelector(arguments[0]).scrollIntoView({block: 'start'})", block
    )
    return answer


def foreign(driver: Chrome, base_url: str) -> list[str]:
    """List what the page loaded from elsewhere than the service."""
    urls = driver.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    return [url for url in urls if not url.startswith((f"{base_url}/", "data:"))]


def errors(driver: Chrome) -> list[dict[str, Any]]:
    """List the errors on the page's console, such as breaches of its content security policy."""
    entries = driver.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's lack
    return [entry for entry in entries if entry["level"] == "SEVERE"]


if __name__ == "__main__":
    sys.exit(main())
