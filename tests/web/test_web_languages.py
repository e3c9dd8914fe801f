"""The page in Chinese and in English, in a real browser: by the browser's language, and by the switch."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.web import scene
from tests.web.browser import DESKTOP, PHONE, complaints, look_like, speak, whole_page
from tests.web.by_hand import CHINESE_NAMES
from tests.web.seeing import english_in, is_too_wide, press, see, shown, until

CHINESE = "zh-CN,zh;q=0.9,en;q=0.8"
TOUCH = 28  # CSS pixels


@pytest.fixture
def chinese(driver, by_hand):
    by_hand.name_fields(CHINESE_NAMES)
    look_like(driver, DESKTOP)
    speak(driver, CHINESE)
    driver.get(by_hand.served.url)
    see(driver, "#live", "实时")
    yield driver
    assert complaints(driver) == []
    driver.get("about:blank")
    speak(driver, "en-US,en")


def test_a_chinese_browser_sees_chinese_and_nothing_else(chinese, by_hand, save):
    see(chinese, "#empty", "还没有任何修改入队")
    by_hand.put_table(range(1001, 1009), "sprint-7", "第七次迭代排期", producer="产品组")
    by_hand.ledger.do_all({1002: "WorkItemTerminated", 1005: "WorkItemTerminated"})
    by_hand.put(range(1100, 1160), field="priority", value={"value": "option_1"}, note="调整优先级")
    by_hand.ledger.take_in()
    by_hand.ledger.accept(by_hand.ledger.claim())
    see(chinese, "#sets li", "6 个成功，2 个失败")
    see(chinese, "#failures", "工作项已终止或已关闭。")
    see(chinese, "#failures", "处理办法：请在飞书项目中重新打开该工作项，然后重试。")
    see(chinese, "#failures", "发布说明")
    see(chinese, "#intents", "优先级 · story")
    see(chinese, "#jobs", "任务执行中")
    see(chinese, ".lane", "工作中")
    assert english_in(chinese) == []
    press(chinese, "第七次迭代排期", "#sets")
    see(chinese, "#dialog", "失败的修改")
    press(chinese, "显示值", "#dialog")
    see(chinese, "#dialog", "the value of 1002")
    assert english_in(chinese, "#dialog") == ["the", "value", "of"] * 2
    press(chinese, "重试…", "#dialog")
    see(chinese, "#dialog", "2 个意图中的 2 个工作项可以用失败时的值重新入队。")
    assert english_in(chinese, "#dialog") == []
    press(chinese, "重试 2 个工作项", "#dialog")
    see(chinese, "#toast", "2 个意图中的 2 个工作项已重新入队。")
    press(chinese, "调整优先级", "#intents")
    see(chinese, "#dialog", "50 个发送中")
    assert english_in(chinese, "#dialog") == []
    press(chinese, "关闭", "#dialog")


@pytest.mark.parametrize(
    ("language", "words", "pictures"),
    [
        ("en-US,en", scene.ENGLISH, {DESKTOP: "dashboard-working", PHONE: "dashboard-phone"}),
        (CHINESE, scene.CHINESE, {DESKTOP: "dashboard-chinese", PHONE: "dashboard-chinese-phone"}),
    ],
    ids=["English", "Chinese"],
)
def test_a_working_lane_fits_on_every_screen_in_every_language(driver, by_hand, language, words, pictures, save):
    by_hand.name_fields(CHINESE_NAMES if language == CHINESE else None)
    scene.play(by_hand, words)
    speak(driver, language)
    for size, picture in pictures.items():
        look_like(driver, size, dark=picture == "dashboard-phone")
        driver.get(by_hand.served.url)
        see(driver, "#sets li", words["sync"])
        see(driver, "#failures", "2042")
        scene.use_slots(by_hand, share=0.99, seconds=4)
        assert not is_too_wide(driver)
        whole_page(driver, save(picture), most=1150 if size == DESKTOP else 1400)
    links = driver.execute_script(
        "return [...document.querySelectorAll('main button, main a')].filter((one) => one.offsetParent)"
        ".map((one) => one.getBoundingClientRect().height)"
    )
    assert min(links) >= TOUCH  # it is a phone's screen now
    assert shown(driver, "#poor") == ""
    speak(driver, "en-US,en")
    driver.get("about:blank")


def test_a_paused_lane_says_so_in_chinese(chinese, by_hand):
    press(chinese, "暂停")
    assert english_in(chinese, "#dialog") == []
    press(chinese, "暂停", "#dialog")
    see(chinese, ".lane", "在状态页上暂停")
    by_hand.ledger.lane.pause("10204: the plugin id is wrong. Check it.", polling=False)
    see(chinese, ".lane", "插件 ID 或插件密钥不正确。")
    see(chinese, ".lane", "暂停期间不查询进行中的任务。")


def test_the_switch_is_remembered_and_wins_over_the_browser(driver, by_hand):
    look_like(driver, PHONE)
    speak(driver, "en-US,en")
    driver.get(by_hand.served.url)
    see(driver, "#live", "live")
    press(driver, "中文")
    see(driver, "#live", "实时")
    assert driver.execute_script("return document.documentElement.lang") == "zh-CN"
    driver.get("about:blank")
    driver.get(by_hand.served.url)
    see(driver, "#live", "实时")
    press(driver, "English")
    see(driver, "#live", "live")
    driver.refresh()
    see(driver, "#live", "live")
    assert complaints(driver) == []
    speak(driver, "en-US,en")
    driver.get("about:blank")


@pytest.mark.parametrize(
    ("language", "words"), [(CHINESE, "请求几乎是空的"), ("en-US,en", "Requests are nearly empty")]
)
def test_fifteen_thousand_values_are_said_loudly_with_what_helps(driver, by_hand, language, words, save):
    by_hand.name_fields(CHINESE_NAMES if language == CHINESE else None)
    by_hand.put_table(range(1, 15_001), "sprint-8", "Sprint 8")
    by_hand.ledger.take_in()
    speak(driver, language)
    for size in (DESKTOP, PHONE):
        look_like(driver, size)
        driver.get(by_hand.served.url)
        see(driver, "#poor", words)
        see(driver, "#poor", "15,000")
        see(driver, "#poor", "feishu-batch plan FILE --diff")
        see(driver, "#poor", "发布说明" if language == CHINESE else "Release note")
        see(driver, "#sets li", "15,000")
        assert not is_too_wide(driver)
        head = driver.execute_script(
            "return [...document.querySelectorAll('main h2')].map((one) => [parseFloat(getComputedStyle(one).fontSize), one.innerText])"
        )
        assert max(head)[1].startswith(words)
        whole_page(driver, save("dashboard-poor"), most=1100)  # the last one is kept: on a phone
    speak(driver, "en-US,en")
    driver.get("about:blank")


def test_a_set_or_an_intent_is_found_by_its_note_its_id_and_the_time(driver, by_hand):
    by_hand.put_table([1001, 1002], "sprint-7", "Iteration plan")
    by_hand.put([1003], note="Correct one date")
    by_hand.ledger.do_all()
    look_like(driver, DESKTOP)
    speak(driver, "en-US,en")
    driver.get(by_hand.served.url)
    see(driver, "#live", "live")
    find = driver.find_element(By.ID, "find-text")
    for text, found, other in (
        ("ITERATION", "Iteration plan", "one date"),
        ("print-7", "Iteration plan", "one date"),
        ("one d", "Correct one date", "Iteration"),
    ):
        find.clear()
        find.send_keys(text, Keys.ENTER)
        see(driver, "#dialog", found)
        assert other not in shown(driver, "#dialog")
        press(driver, "Close", "#dialog")
    find.clear()
    press(driver, "Time")
    set_time = "arguments[0].value = arguments[1]"
    driver.execute_script(set_time, driver.find_element(By.ID, "find-since"), "2020-01-31T08:00")
    find.send_keys(Keys.ENTER)
    see(driver, "#dialog", "Iteration plan")
    see(driver, "#dialog", "Correct one date")
    press(driver, "Correct one date", "#dialog")
    see(driver, "#dialog-title", "Correct one date")
    press(driver, "Close", "#dialog")
    driver.execute_script(set_time, driver.find_element(By.ID, "find-until"), "2020-02-01T08:00")
    find.send_keys(Keys.ENTER)
    see(driver, "#toast", "No change set and no single intent fits.")
    assert complaints(driver) == []
    driver.get("about:blank")


def test_a_failure_has_a_link_to_its_item_and_its_set_a_report(driver, by_hand, tmp_path):
    by_hand.name_fields()
    by_hand.put_table([1001, 1002], "sprint-7", "Sprint 7")
    by_hand.ledger.do_all({1002: "WorkItemTerminated"})
    look_like(driver, DESKTOP)
    speak(driver, "en-US,en")
    driver.get(by_hand.served.url)
    see(driver, "#failures", "Release note")
    link = driver.find_element(By.CSS_SELECTOR, "#failures a.item")
    place = "5f0c1a2b3c4d5e6f70818283/story/detail/1002"
    assert link.get_attribute("href") == f"https://project.feishu.cn/{place}"
    assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noreferrer")
    press(driver, "Sprint 7", "#sets")
    see(driver, "#dialog", "1002 Release note · The work item is terminated or closed.")
    assert "the value of" not in driver.page_source
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    driver.find_element(By.LINK_TEXT, "CSV").click()
    report = until(lambda: next(tmp_path.glob("*.csv"), None), "the report")
    assert report.name == "failures-sprint-7.csv"
    assert "the value of 1002" in report.read_text("utf-8-sig")
    press(driver, "Close", "#dialog")
    assert complaints(driver) == []
    driver.get("about:blank")
