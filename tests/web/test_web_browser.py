"""The page in a real browser: what one sees and what one can do, on a desktop and on a phone."""

import time

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from feishu_batch.outcomes import OutcomeKind
from tests.support.model import PROJECT
from tests.support.waiting import PATIENCE
from tests.web.browser import DESKTOP, PHONE, complaints, look_like, whole_page
from tests.web.seeing import is_too_wide, press, see, shown, until
from tests.web.serving import SECRET, page_of, serving
from worker.ledger.routes import BATCH

CHINESE = "第三季度重点项目优先级调整（支付与结算、账号与登录、移动端首页改版三个方向的全部需求）" * 3
TOKEN = "a-token-for-the-tests-of-the-page"


def put(stack, items, field="field_a1b2c3", value="x", **more):
    story = {"project_key": PROJECT, "work_item_type_key": "story", "update_mode": "UPDATE"}
    return stack.client.enqueue(**story, work_item_ids=list(items), field_key=field, after_field_value=value, **more)


@pytest.fixture
def opened(driver, page, stack):
    look_like(driver, DESKTOP)
    driver.get(page.url)
    see(driver, "#live", "live")
    yield driver
    assert complaints(driver) == []


def test_an_empty_ledger_says_how_to_begin(driver, tmp_path, own_redis_url, save):
    with serving(own_redis_url, "empty", tmp_path) as served:
        for size in (DESKTOP, PHONE):
            look_like(driver, size)
            driver.get(served.url)
            see(driver, "#empty", "feishu-batch import changes.csv --wait")
            assert not is_too_wide(driver)
        whole_page(driver, save("dashboard-empty"))
        assert complaints(driver) == []
        driver.get("about:blank")


def test_a_change_set_is_undone_after_a_confirmation(opened, stack):
    place = {"project_key": PROJECT, "work_item_type_key": "story", "skip_unchanged": False}
    stack.client.enqueue_table({1300: {"priority": {"value": "option_1"}}}, **place, change_set="undo-me").wait(
        PATIENCE
    )
    kept = {1300: {"priority": {"value": "option_0"}}, 1301: {"description": "rich"}}
    stack.client.enqueue_table(kept, **place, change_set="kept", keep_before=True, note="to be undone").wait(PATIENCE)
    press(opened, "to be undone", "#sets")
    press(opened, "Undo …", "#dialog")
    see(opened, "#dialog", "1 value can be put back")
    see(opened, "#dialog", "1 value cannot be put back: the value from before could not be read")
    press(opened, "Put back 1 value", "#dialog")
    see(opened, "#toast", "by the change set undo-kept")
    stack.client.change_set("undo-kept").wait(PATIENCE)
    assert stack.sandbox.values()[1300]["priority"] == {"value": "option_1"}


def test_a_cell_that_was_changed_since_is_shown_and_offers_no_retry(opened, stack, tmp_path):
    place = {"project_key": PROJECT, "work_item_type_key": "story", "skip_unchanged": False, "keep_before": True}
    points = {1310: {"field_3f6a90": 3}, 1311: {"field_3f6a90": 3}}
    stack.client.enqueue_table(points, **place, change_set="points").wait(PATIENCE)
    more = {item: {"field_3f6a90": 5} for item in points}
    stack.client.enqueue_table(more, **place, change_set="more", note="more points").wait(PATIENCE)
    stack.sandbox.edit(1311, "field_3f6a90", 42)
    stack.kill("submit")
    later = put(stack, [1310], "field_3f6a90", 5, note="a later change")
    press(opened, "more points", "#sets")
    press(opened, "Undo …", "#dialog")
    see(opened, "#dialog", "1 value: a later change of the same field is not written yet (a later change)")
    stack.start("submit")
    assert later.wait(PATIENCE).ok
    press(opened, "Put back 2 values", "#dialog")
    see(opened, "#toast", "by the change set undo-more")
    assert stack.client.change_set("undo-more").wait(PATIENCE).counts["failed"] == 1
    see(opened, "#sets", "1 succeeded, 1 skipped: changed since")
    press(opened, "undo of more", "#sets")
    see(opened, "#dialog", "Skipped: changed since")
    see(opened, "#dialog", "1311")
    assert "Retry" not in shown(opened, "#dialog")
    press(opened, "Show values", "#dialog")
    see(opened, "#dialog", "not read: the page has no credentials")
    press(opened, "Close", "#dialog")
    credentials = {"plugin_id": "plugin", "plugin_secret": SECRET, "user_key": "7300000000000000001"}
    with page_of(stack, tmp_path, base_url=stack.sandbox.base_url, **credentials) as served, served.client() as client:
        [skipped] = client.get("/api/sets", params={"id": "undo-more", "values": "true"}).json()["changed_since"]
        assert (skipped["item"], skipped["value"], skipped["now"]) == (1311, 3, 42)
    put(stack, [1310], "field_3f6a90", 5).wait(PATIENCE)
    press(opened, "more points", "#sets")
    press(opened, "Undo …", "#dialog")
    see(opened, "#dialog", "It was undone before, as undo-more. 1 value were written again since.")
    press(opened, "Back", "#dialog")


def test_work_is_seen_from_the_inbox_to_its_failures_and_retried(opened, stack):
    handle = put(stack, [*range(1200, 1290), 1042], note=CHINESE)
    handle.wait(PATIENCE)
    see(opened, "#intents li", "90 succeeded, 1 failed")
    see(opened, "#failures", "NoPermissionToModify")
    see(opened, "#recent", "of 50")
    see(opened, ".lane", "Nothing to do")
    press(opened, "Retry …", "#failures")
    see(opened, "#dialog", "can be enqueued again")
    before = int(stack.redis.get(stack.inbox.keys.sequence))
    press(opened, "Back", "#dialog")
    assert int(stack.redis.get(stack.inbox.keys.sequence)) == before  # asking enqueued nothing
    retry = f'[aria-label="Retry what failed of intent {CHINESE}"]'
    opened.find_element(By.CSS_SELECTOR, retry).click()
    see(opened, "#dialog", "1 item of 1 intent can be enqueued again")
    press(opened, "Retry 1 item", "#dialog")
    see(opened, "#toast", "1 item of 1 intent enqueued again.")
    see(opened, "#intents", f"retry of {handle.intent_id}")
    until(lambda: not opened.find_element(By.CSS_SELECTOR, retry).is_displayed(), "what is retried has no button")
    press(opened, CHINESE, "#intents")
    see(opened, "#dialog", "Retried as")
    press(opened, "Retry …", "#dialog")
    see(opened, "#dialog", "skipped: already retried")
    press(opened, "Close", "#dialog")


def test_a_remote_system_that_fails_is_reported_until_it_answers(opened, stack):
    stack.wait_until_idle()  # or a job of the test before would end the trouble
    stack.lane.last_errors.note("poll", "HTTP 503 from the gateway")
    see(opened, ".lane", "nothing is left to retry: HTTP 503 from the gateway")
    stack.kill("poll")
    put(stack, [1001])
    see(opened, ".lane", "the worker retries it: HTTP 503 from the gateway")
    stack.start("poll")
    until(lambda: "HTTP 503" not in shown(opened, ".lane"), "the note is gone")


def test_a_lane_that_could_send_and_does_not_is_shown_until_it_does(opened, stack):
    stack.kill("submit")
    handle = put(stack, [1001], value="nobody sends it")
    see(opened, "#lanes", "in 1 group")
    assert "Stalled" not in shown(opened, "#lanes")
    long_ago = stack.lane.wall() - 60
    route = stack.lane.keys.route(BATCH)
    for group in stack.redis.zrange(route.since, 0, -1):
        stack.redis.zadd(route.since, {group: long_ago * 1000})
    stack.redis.hset(route.slot, "asked", round(long_ago * 1e6))
    see(opened, "#lanes", "Stalled")
    see(opened, "#lanes", "although changes are ready. Check the submit worker's log, then restart it")
    stack.start("submit")
    until(lambda: "Stalled" not in shown(opened, "#lanes"), "the lane moves again")
    assert handle.wait(PATIENCE).ok


def test_a_lane_is_paused_an_intent_canceled_and_the_lane_resumed(opened, stack):
    press(opened, "Pause")
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    until(lambda: not opened.find_element(By.ID, "dialog").is_displayed(), "the dialog closed")
    assert stack.lane.paused() is None
    press(opened, "Pause")
    opened.find_element(By.CSS_SELECTOR, "#dialog input").send_keys("维护到 18:00")
    press(opened, "Pause", "#dialog")
    see(opened, ".lane", "维护到 18:00")
    assert stack.lane.paused()["polling"]
    handle = put(stack, range(1300, 1420), note="To be canceled")
    see(opened, ".lane", "after it is resumed")
    see(opened, "#intents li", "120 waiting")
    press(opened, "Cancel", "#intents")
    press(opened, "Cancel the intent", "#dialog")
    see(opened, "#toast", "120 items canceled; 0 already in a request and not affected.")
    assert handle.wait(PATIENCE).state == "canceled"
    press(opened, "Resume")
    until(lambda: stack.lane.paused() is None, "the lane goes on")


def test_enter_in_the_dialog_does_it_and_a_double_click_does_it_once(opened, stack):
    press(opened, "Pause")
    opened.switch_to.active_element.send_keys("for the test", Keys.ENTER)
    see(opened, "#toast", "is paused")
    assert stack.lane.paused()["reason"] == "for the test"
    until(lambda: "Resume" in shown(opened, ".lane"), "the button is the other one")
    resume = opened.find_element(By.CSS_SELECTOR, ".lane button")
    ActionChains(opened).double_click(resume).perform()
    see(opened, "#toast", "continues")
    time.sleep(0.5)  # a second order would be answered by then
    assert "continues" in shown(opened, "#toast")


def test_every_button_has_a_name_of_its_own(opened, stack):
    stack.lane.pause("for the test", polling=True)
    put(stack, [1013], note="first")
    put(stack, [1042], note="second")
    see(opened, "#intents li", "1 waiting")
    until(lambda: len(opened.find_elements(By.CSS_SELECTOR, "#intents > li")) > 1, "both")
    nodes = opened.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [(node["role"]["value"], node.get("name", {}).get("value")) for node in nodes if "role" in node]
    names = [name for role, name in roles if role == "button"]
    assert {"Cancel intent first", "Cancel intent second", "Resume lane default"} <= set(names)
    assert all(names)
    assert ("article", "Lane default") in roles
    acting = [name for name in names if name.startswith(("Cancel", "Retry", "Pause", "Resume"))]
    assert len(acting) == len(set(acting))


def test_a_long_dialog_begins_at_its_beginning_and_its_buttons_stay_in_sight(opened, stack):
    handle = put(stack, [1801, 1802], value="a long value " * 3000)
    handle.wait(PATIENCE)
    look_like(opened, PHONE)
    opened.find_element(By.ID, "find-text").send_keys(handle.intent_id, Keys.ENTER)
    press(opened, "Show values", "#dialog")
    see(opened, "#dialog", "a long value a long value")
    top, bottom, height = opened.execute_script(
        "const at = (id) => document.getElementById(id).getBoundingClientRect();"
        "return [at('dialog-title').top, at('dialog-buttons').bottom, innerHeight]"
    )
    assert 0 <= top < bottom <= height
    assert opened.switch_to.active_element.get_attribute("id") == "dialog-title"
    press(opened, "Close", "#dialog")


def test_an_intent_is_found_by_its_id_and_shows_its_value_only_when_asked(opened, stack):
    handle = put(
        stack, range(1500, 1503), value="a value of some secrecy <b>&amp;", note="<img src=x onerror=alert(1)>"
    )
    handle.wait(PATIENCE)
    opened.find_element(By.ID, "find-text").send_keys(handle.intent_id, Keys.ENTER)
    see(opened, "#dialog", "1502")
    assert "secrecy" not in opened.page_source
    press(opened, "Show values", "#dialog")
    see(opened, "#dialog", "a value of some secrecy <b>&amp;")
    see(opened, "#dialog-title", "<img src=x onerror=alert(1)>")
    assert opened.find_elements(By.CSS_SELECTOR, "#dialog img, #dialog b") == []
    press(opened, "Close", "#dialog")
    opened.find_element(By.ID, "find-text").send_keys(Keys.CONTROL, "a")
    opened.find_element(By.ID, "find-text").send_keys("no-such-intent", Keys.ENTER)
    see(opened, "#toast", "No change set and no single intent fits.")


def test_a_change_set_is_followed_retried_and_canceled_as_one(opened, stack):
    place = {"project_key": PROJECT, "work_item_type_key": "story"}
    table = {item: {"field_a1b2c3": f"value {item}"} for item in (1041, 1042, 1043)}
    stack.client.enqueue_table(table, change_set="sprint-7", note="Sprint 7", **place).wait(PATIENCE)
    see(opened, "#sets li", "3 of 3 intents ended · sprint-7")
    see(opened, "#sets li", "2 succeeded, 1 failed")  # nobody may change item 1042
    opened.find_element(By.CSS_SELECTOR, '[aria-label="Retry what failed of change set Sprint 7"]').click()
    see(opened, "#dialog", "1 item of 1 intent can be enqueued again")
    press(opened, "Back", "#dialog")
    stack.lane.pause("until the set is canceled", polling=True)
    items = {item: {"field_a1b2c3": f"value {item}"} for item in range(1100, 1140)}
    handle = stack.client.enqueue_table(items, change_set="sprint-8", **place)
    see(opened, "#sets li", "40 waiting")
    opened.find_element(By.CSS_SELECTOR, '[aria-label="Cancel change set sprint-8"]').click()
    press(opened, "Cancel the change set", "#dialog")
    see(opened, "#toast", "40 items of 40 intents canceled; 0 already in a request and not affected.")
    assert handle.wait(PATIENCE).state == "canceled"
    stack.lane.resume()
    see(opened, "#sets li", "40 canceled")


def test_a_work_item_shows_what_was_done_to_it(opened, stack):
    put(stack, [1777, 1778], value="a secret value", note="the first").wait(PATIENCE)
    put(stack, [1778], value="another", note="the second").wait(PATIENCE)
    find = opened.find_element(By.ID, "find-text")
    find.send_keys("https://project.feishu.cn/demo/story/detail/1778", Keys.ENTER)
    see(opened, "#dialog-title", "Changes of item 1778")
    rows = shown(opened, "#dialog-body").splitlines()
    assert [row.split(" · ")[1] for row in rows if "the " in row] == ["the second", "the first"]
    assert "a secret value" not in opened.page_source
    press(opened, "Show values", "#dialog")
    see(opened, "#dialog", "a secret value")
    press(opened, "Close", "#dialog")
    find.clear()
    find.send_keys("77", Keys.ENTER)
    see(opened, "#toast", "No change of item 77 is kept, and no intent has this id.")
    opened.get_log("browser")  # a 404 is noted there, as it should be


def test_a_thousand_intents_with_long_names_fit_on_a_phone(opened, stack):
    stack.lane.pause("for the test " + "很长的理由" * 30, polling=True)
    story = {"project_key": PROJECT, "work_item_type_key": "story", "update_mode": "UPDATE", "note": CHINESE}
    wishes = [
        {**story, "work_item_ids": [1001 + n], "field_key": "field_a1b2c3", "after_field_value": n} for n in range(1000)
    ]
    stack.client.enqueue_many([{**wish, "after_field_value": str(wish["after_field_value"])} for wish in wishes])
    look_like(opened, PHONE)
    see(opened, "#intents-cut", "more waiting intents are not listed")
    see(opened, "#intents-aside", "unfinished")
    assert not is_too_wide(opened)
    press(opened, "Show 30 more")
    until(lambda: len(opened.find_elements(By.CSS_SELECTOR, "#intents > li")) == 40, "40 intents")
    assert not is_too_wide(opened)
    forget_the_rest(stack)


def forget_the_rest(stack):
    from worker.ledger.records import Outcome

    until(lambda: stack.inbox.length() == 0, "the inbox is taken in")
    newest = int(stack.redis.get(stack.inbox.keys.sequence))
    for number in range(newest - 999, newest + 1):
        stack.lane.end_pending(number, Outcome(OutcomeKind.CANCELED))


def test_the_focus_stays_while_figures_change(opened, stack):
    put(stack, [1600]).wait(PATIENCE)
    steer = opened.find_element(By.CSS_SELECTOR, ".lane button")
    opened.execute_script("arguments[0].focus()", steer)
    put(stack, range(1601, 1700)).wait(PATIENCE)
    see(opened, "#intents li", "99 succeeded")
    assert opened.switch_to.active_element == steer


def test_a_lost_connection_is_said_and_found_again(driver, stack, tmp_path):
    with page_of(stack, tmp_path) as served:
        look_like(driver, DESKTOP)
        driver.get(served.url)
        see(driver, "#live", "live")
        port = served.port
    see(driver, "#banner", "Connection lost")
    with page_of(stack, tmp_path, port=port):
        see(driver, "#live", "live")
        assert shown(driver, "#banner") == ""
        press(driver, "Pause")  # the new process has new words; the page has learnt them
        press(driver, "Pause", "#dialog")
        until(stack.lane.paused, "the lane is paused")
    driver.get("about:blank")
    driver.get_log("browser")


def test_the_token_is_asked_for_and_remembered(driver, stack, tmp_path, save):
    with page_of(stack, tmp_path, dashboard_token=TOKEN) as served:
        look_like(driver, PHONE)
        driver.get(served.url)
        until(lambda: driver.find_element(By.ID, "token").is_displayed(), "the form")
        whole_page(driver, save("dashboard-login"))
        driver.find_element(By.ID, "token").send_keys("not the right one", Keys.ENTER)
        see(driver, "#login-error", "The token is wrong.")
        driver.find_element(By.ID, "token").send_keys(TOKEN, Keys.ENTER)
        see(driver, "#live", "live")
        assert "feishu_batch" not in driver.execute_script("return document.cookie")
        driver.refresh()
        see(driver, "#live", "live")
        press(driver, "Log out")
        until(lambda: driver.find_element(By.ID, "token").is_displayed(), "the form")
        assert "default" not in driver.find_element(By.ID, "page").get_attribute("textContent")
    driver.get("about:blank")
    driver.get_log("browser")
