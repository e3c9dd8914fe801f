"""Open dialogs of a change set and of an intent follow the work, and leave the reader where they are."""

import pytest
from selenium.webdriver.common.by import By

from tests.web.browser import DESKTOP, complaints, look_like
from tests.web.seeing import press, see, shown, until

MANY = 9  # sets that push an older one out of the page's list


@pytest.fixture
def opened(driver, by_hand):
    look_like(driver, DESKTOP)
    by_hand.name_fields()
    driver.get(by_hand.served.url)
    see(driver, "#live", "live")
    yield driver
    assert complaints(driver) == []
    driver.get("about:blank")


def step(page, failed=None):
    batch = page.ledger.claim()
    page.ledger.settle(batch, {item: code for item, code in (failed or {}).items() if item in batch.items})


def test_a_set_is_followed_until_it_has_ended(opened, by_hand):
    by_hand.put_cells({item: {"priority": {"value": "option_1"}} for item in range(1001, 1151)}, "sprint", "the sprint")
    by_hand.ledger.take_in()
    press(opened, "the sprint", "#sets")
    see(opened, "#dialog", "150 waiting")
    see(opened, "#dialog-buttons", "Cancel")
    step(by_hand)
    see(opened, "#dialog", "50 succeeded, 100 waiting")
    by_hand.ledger.accept(by_hand.ledger.claim())
    see(opened, "#dialog", "50 succeeded, 50 in a request, 50 waiting")
    step(by_hand, dict.fromkeys((1101, 1102), "NoPermissionToModify"))
    see(opened, "#dialog", "What failed")
    see(opened, "#dialog", "1102")
    assert "Cancel" not in shown(opened, "#dialog-buttons")  # nothing of it waits any more


def test_what_the_reader_does_in_the_dialog_survives_the_changes(opened, by_hand):
    by_hand.put_cells({item: {"priority": {"value": "option_1"}} for item in range(1, 101)}, "sprint", "the sprint")
    by_hand.ledger.take_in()
    press(opened, "the sprint", "#sets")
    see(opened, "#dialog", "100 waiting")
    opened.execute_script(
        "window.kept = document.querySelector('#dialog dd.id');"
        "document.querySelector('#dialog-buttons button[value=cancel]').focus()"
    )
    step(by_hand)
    see(opened, "#dialog", "50 succeeded, 50 waiting")
    assert opened.execute_script("return window.kept === document.querySelector('#dialog dd.id')")
    assert opened.execute_script("return document.activeElement.value") == "cancel"
    press(opened, "Cancel …", "#dialog")
    see(opened, "#dialog", "50 items")  # the question has the newest count, and stays
    step(by_hand)
    see(opened, "#sets", "100 succeeded")
    see(opened, "#dialog", "50 items")
    press(opened, "Back", "#dialog")


def test_a_set_that_is_not_among_the_newest_and_an_intent_are_followed(opened, by_hand):
    by_hand.put_cells({1: {"priority": {"value": "option_1"}}}, "old", "the old one")
    press(opened, "the old one", "#sets")
    for number in range(MANY):
        by_hand.put_cells({100 + number: {"priority": {"value": "option_1"}}}, f"newer-{number}")
    until(lambda: "the old one" not in shown(opened, "#sets"), "it has left the list")
    by_hand.ledger.do_all()
    see(opened, "#dialog", "succeeded")
    press(opened, "Close", "#dialog")
    handle = by_hand.put(range(1, 61), note="an intent of its own")
    by_hand.ledger.take_in()
    press(opened, "an intent of its own", "#intents")
    see(opened, "#dialog", "60 waiting")
    by_hand.ledger.do_all({7: "NoPermissionToModify"})
    see(opened, "#dialog", "59 succeeded")
    see(opened, "#dialog", "NoPermissionToModify")
    see(opened, "#dialog-buttons", "Retry …")
    assert handle.intent_id in shown(opened, "#dialog")


def test_an_ended_set_asks_the_server_for_nothing(opened, by_hand):
    by_hand.put_cells({1: {"priority": {"value": "option_1"}}}, "sprint", "the sprint")
    by_hand.ledger.do_all()
    see(opened, "#sets", "succeeded")
    press(opened, "the sprint", "#sets")
    see(opened, "#dialog", "succeeded")
    opened.execute_script(
        "window.asked = 0; const own = window.fetch; window.fetch = (...all) => { window.asked += 1; return own(...all); }"
    )
    by_hand.put([5], note="other work")
    by_hand.ledger.do_all()
    see(opened, "#intents", "other work")
    by_hand.put([6], note="more work")
    by_hand.ledger.take_in()
    see(opened, "#intents", "more work")
    assert opened.execute_script("return window.asked") == 0
    assert opened.find_element(By.ID, "dialog").is_displayed()


def test_a_set_of_which_nothing_failed_but_what_was_changed_since_offers_no_retry(opened, by_hand):
    for name, codes in (
        ("changed", {1: "changed_meanwhile"}),
        ("mixed", {2: "changed_meanwhile", 3: "WorkItemTerminated"}),
    ):
        by_hand.put_cells({item: {"priority": {"value": "option_1"}} for item in (1, 2, 3, 4)}, name)
        by_hand.ledger.do_all(codes)
    see(opened, "#sets", "2 succeeded, 1 failed, 1 skipped: changed since")
    see(opened, "#sets", "3 succeeded, 1 skipped: changed since")

    def offered(name):
        label = f'[aria-label="Retry what failed of change set {name}"]'
        return opened.find_element(By.CSS_SELECTOR, label).is_displayed()

    assert (offered("changed"), offered("mixed")) == (False, True)
