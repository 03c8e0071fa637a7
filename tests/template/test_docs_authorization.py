"""The documentation page where tokens are asked for, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import running
from screenshot_docs import browser, errors, foreign, try_out
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as conditions
from selenium.webdriver.support.wait import WebDriverWait

TOKEN = "a-token-for-browsers"
# The same application, mounted in another.
MOUNTED = """
import json, socket, sys
import uvicorn
from esmerald import Esmerald, Include
from greeter_service.app import create_app

app = Esmerald(routes=[Include("/at", app=create_app())])
listener = socket.create_server(("127.0.0.1", 0))
print(json.dumps({"http_port": listener.getsockname()[1]}), file=sys.stderr, flush=True)
uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off")).run([listener])
"""

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("tested")]


def shown(driver: Chrome, selector: str) -> WebElement:
    """Waits for an element that a person sees."""
    wait = WebDriverWait(driver, 30)
    return wait.until(conditions.visibility_of_element_located((By.CSS_SELECTOR, selector)))


def said(driver: Chrome, text: str) -> None:
    """Waits until the page says something of the token."""
    notice = (By.ID, "notice")
    WebDriverWait(driver, 30).until(conditions.text_to_be_present_in_element(notice, text))


def authorize(driver: Chrome, token: str) -> None:
    field = shown(driver, "#token")
    field.clear()
    field.send_keys(token)
    shown(driver, "#authorize button").click()


def kept(driver: Chrome) -> str:
    """All that the page could leave behind of a token."""
    script = "return JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])"
    return str(driver.execute_script(script))


def asked_for(driver: Chrome) -> list[str]:
    script = "return performance.getEntriesByType('resource').map(entry => entry.name)"
    return [str(address).rsplit("/", 1)[-1] for address in driver.execute_script(script)]


@pytest.mark.parametrize(
    ("arguments", "prefix"), [(("-m", "greeter_service"), ""), (("-c", MOUNTED), "/at")]
)
def test_the_page_is_open_and_the_document_and_calls_are_not(
    tested: Path, tmp_path: Path, arguments: tuple[str, ...], prefix: str
) -> None:
    with (
        running(tested, *arguments, AUTH_TOKENS=TOKEN) as port,
        browser(str(tmp_path)) as driver,
    ):
        base_url = f"http://localhost:{port}"
        driver.get(f"{base_url}{prefix}/docs/swagger")
        shown(driver, "#authorize button")
        assert "openapi.json" not in asked_for(driver)
        assert errors(driver) == []

        authorize(driver, f"{TOKEN}x")
        said(driver, "This token is not accepted.")
        assert not driver.find_elements(By.CSS_SELECTOR, ".opblock")
        refused = errors(driver)
        assert len(refused) == 1
        assert "401" in refused[0]["message"]

        authorize(driver, TOKEN)
        assert "Hello, World!" in try_out(driver, "Greeter_SayHello", '{"name": "World"}')
        assert shown(driver, ".live-responses-table tbody .response-col_status").text == "200"
        assert not driver.find_element(By.ID, "authorize").is_displayed()
        assert TOKEN not in kept(driver)
        assert errors(driver) == []
        assert foreign(driver, base_url) == []

        # As Swagger UI forgets the token, so do its calls.
        driver.execute_script("window.scrollTo(0, 0)")
        shown(driver, ".scheme-container .btn.authorize").click()
        shown(driver, ".auth-btn-wrapper .btn.modal-btn.auth:not(.authorize)").click()
        shown(driver, ".auth-btn-wrapper .btn-done").click()
        shown(driver, ".opblock .execute").click()
        status = (By.CSS_SELECTOR, ".live-responses-table tbody .response-col_status")
        WebDriverWait(driver, 30).until(conditions.text_to_be_present_in_element(status, "401"))

        driver.refresh()
        shown(driver, "#authorize button")
        assert not driver.find_elements(By.CSS_SELECTOR, ".opblock")


def test_without_tokens_nothing_is_asked_for(http_port: int, tmp_path: Path) -> None:
    with browser(str(tmp_path)) as driver:
        driver.get(f"http://localhost:{http_port}/docs/swagger")
        shown(driver, ".opblock")
        assert not driver.find_element(By.ID, "authorize").is_displayed()
        assert not driver.find_elements(By.CSS_SELECTOR, ".btn.authorize")
