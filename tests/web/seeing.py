"""Waits for what a page in a browser shows, and presses its buttons."""

import re
import time

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By

from tests.support.waiting import PATIENCE

# Not words of the page: data of the tests, names of commands and of settings.
ALLOWED = re.compile(
    r"table[-_:]?[0-9a-f-]{10,}|feishu-batch[\w -]*|sprint-\d+|story|JOB-\d+|default|English|[A-Z][A-Za-z]+Terminated|the remote said"
    r"|FILE|ID|UPDATE|Redis|[\w.-]+@\w+|[0-9a-f-]{30,}|python\S*|CSV|XLSX|JSON Lines|MB|GB18030|UTF|key|issue|--[a-z-]+|submit worker|worker"
)


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not (found := answered(condition)):
        assert time.monotonic() < deadline, f"not seen: {what}"
        time.sleep(0.05)
    return found


def answered(condition):
    try:
        return condition()
    except StaleElementReferenceException:  # the page was drawn anew meanwhile
        return None


def shown(driver, selector):
    return driver.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)


def see(driver, selector, text):
    until(lambda: text in shown(driver, selector), f"{text!r} in {selector}: {shown(driver, selector)!r}")


def press(driver, text, inside="body"):
    def found():
        buttons = driver.find_elements(By.CSS_SELECTOR, f"{inside} button")
        return next((one for one in buttons if one.is_displayed() and one.text == text), None)

    until(found, f"a button {text!r}").click()


def is_too_wide(driver):
    return driver.execute_script("return document.documentElement.scrollWidth > document.documentElement.clientWidth")


def english_in(driver, selector="body"):
    """Words in Latin letters that a Chinese page should not have."""
    return re.findall(r"[A-Za-z]{2,}", ALLOWED.sub(" ", shown(driver, selector)))
