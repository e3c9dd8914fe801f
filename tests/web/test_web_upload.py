"""A table is imported on the page: by real HTTP, with real workers and the simulator of Feishu Project."""

import itertools
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from config.settings import Settings
from tests.support.model import PROJECT
from tests.support.waiting import PATIENCE
from tests.web.browser import DESKTOP, PHONE, complaints, look_like, speak, whole_page
from tests.web.seeing import english_in, is_too_wide, press, see, shown, until
from tests.web.serving import SECRET, Served, page_of
from worker.web.listening import dashboard_child
from worker.web.uploads import KEPT, TableOrder, Uploads

PLACE = {"space": PROJECT, "type_key": "story"}
FRESH = itertools.count(1700, 10)  # items that no run of a test has changed


def table_of(first: int) -> str:
    return f"ID,Release note,Priority,Who cares\n{first},a note of {first},P0,x\n{first + 1},another,P1,y\n"


TABLE = table_of(1690)


@pytest.fixture(scope="module")
def uploading(running, tmp_path_factory):
    credentials = {"plugin_id": "plugin", "plugin_secret": SECRET, "user_key": "7300000000000000001"}
    settings = {"base_url": running.sandbox.base_url, "dashboard_upload": "on", "dashboard_upload_bytes": "2000"}
    with page_of(running, tmp_path_factory.mktemp("upload"), **credentials, **settings) as served:
        yield served


def upload(served: Served, text: str, name="plan.csv", **headers: str):
    with served.client() as client:
        csrf = client.get("/api/session").json()["csrf"]
        given = {"X-CSRF-Token": csrf, "Content-Type": "application/octet-stream", **headers}
        return client.post("/api/upload", params={"name": name}, content=text.encode(), headers=given)


def step(served: Served, name: str, content: dict):
    with served.client() as client:
        client.timeout = PATIENCE
        csrf = client.get("/api/session").json()["csrf"]
        return client.post(f"/api/upload/{name}", json=content, headers={"X-CSRF-Token": csrf})


def test_a_table_is_matched_compared_and_imported_once(uploading, stack):
    first = next(FRESH)
    kept = upload(uploading, table_of(first)).json()["upload"]
    found = step(uploading, "columns", {"upload": kept}).json()
    assert found == {"is_table": True, "columns": ["Release note", "Priority", "Who cares"], "has_place": False}
    refused = step(uploading, "plan", {"upload": kept, **PLACE})
    assert refused.status_code == 400
    assert "'Who cares'" in refused.json()["error"]
    order = {"upload": kept, **PLACE, "ignore": ["Who cares"]}
    plan = step(uploading, "plan", order).json()
    # What an empty field holds is not certain: the remote system leaves it out of its answer.
    assert [plan["diff"][name] for name in ("cells", "changed", "not_known")] == [4, 2, 2]
    assert plan["known"] == 0
    assert (first, "P2", "P0") in {(one["item"], one["old"], one["new"]) for one in plan["diff"]["listed"]}
    assert stack.inbox.length() == 0  # nothing was written
    with ThreadPoolExecutor(3) as pool:  # more clicks than one
        done = [answer.json() for answer in pool.map(lambda _: step(uploading, "import", order), range(3))]
    [import_id] = {one["import_id"] for one in done if "import_id" in one}
    assert sum(one.get("enqueued", 0) for one in done) == plan["enqueued"]
    again = step(uploading, "import", order).json()
    assert (again["enqueued"], again["known"]) == (0, plan["enqueued"])
    renamed = upload(uploading, table_of(first), name="plan (1).csv").json()["upload"]
    under_another_name = step(uploading, "import", {**order, "upload": renamed}).json()
    assert (under_another_name["import_id"], under_another_name["enqueued"]) == (import_id, 0)
    result = stack.client.change_set(import_id).wait(PATIENCE)
    assert (result.state, result.counts["succeeded"]) == ("succeeded", 4)
    assert step(uploading, "import", {**order, "again": 1}).json()["enqueued"] == plan["enqueued"]
    second = stack.client.change_set(f"{import_id}.2").wait(PATIENCE)
    # Which of the two is a matter of time: a read just behind our own write proves nothing.
    assert second.counts["succeeded"] + second.counts["unchanged"] == 4


def test_only_the_page_itself_sends_files(uploading, page):
    assert upload(uploading, TABLE, **{"X-CSRF-Token": "wrong"}).status_code == 403
    assert upload(uploading, TABLE, Origin="https://evil.example").status_code == 403
    assert upload(uploading, TABLE, **{"Content-Type": "text/plain"}).status_code == 415
    assert upload(uploading, TABLE, **{"Content-Type": "application/json"}).status_code == 415
    for name in ("columns", "plan", "import"):
        assert uploading.post(f"/api/upload/{name}", {}, Origin="https://evil.example").status_code == 403
    assert upload(page, TABLE).status_code == 403  # where it is off
    assert "DASHBOARD_UPLOAD" in step(page, "import", {"upload": "0" * 16}).json()["error"]


def test_what_is_no_table_is_refused_with_the_reason(uploading):
    assert upload(uploading, "x" * 2001).status_code == 413
    assert upload(uploading, "x", name="plan.exe").status_code == 400
    assert step(uploading, "columns", {"upload": "0" * 16}).status_code == 404
    for wrong in ("../../etc", "0" * 15, "0" * 16 + "/x"):
        assert step(uploading, "import", {"upload": wrong}).status_code == 400
    kept = upload(uploading, "nothing,that,helps\n1,2,3\n").json()["upload"]
    assert "column" in step(uploading, "columns", {"upload": kept}).json()["error"]
    kept = upload(uploading, "ID,Priority\n1701,P9\n", name="../--report=x.csv").json()["upload"]
    plan = step(uploading, "plan", {"upload": kept, **PLACE}).json()
    assert (plan["rejected_count"], plan["enqueued"]) == (1, 0)
    assert plan["import_id"] == f"report-x-{kept}"


def test_a_page_with_uploads_off_or_read_only_has_no_button(page, running, tmp_path):
    with page_of(running, tmp_path, dashboard_upload="on", dashboard_read_only="true") as served:
        for one in (served, page):
            with one.client() as client, client.stream("GET", "/api/events") as events:
                line = next(line for line in events.iter_lines() if line.startswith("data: "))
            assert json.loads(line.removeprefix("data: "))["about"]["upload"] == 0
        assert upload(served, TABLE).status_code == 403


def test_a_user_imports_a_table_with_a_mouse(driver, uploading, stack, tmp_path, save):
    path = tmp_path / "Sprint 9.csv"
    first = next(FRESH)
    path.write_text(f"ID,说明,Priority,Comment\n{first},a note,P0,x\n{first + 1},another,P9,\n", "utf-8")
    speak(driver, "en-US,en")
    look_like(driver, DESKTOP)
    driver.get(uploading.url)
    see(driver, "#live", "live")
    press(driver, "Import a table")
    driver.find_element(By.CSS_SELECTOR, "#dialog input[type=file]").send_keys(str(path))
    driver.find_element(By.CSS_SELECTOR, "#dialog input[name=space]").send_keys(PROJECT)
    driver.find_element(By.CSS_SELECTOR, "#dialog input[name=type_key]").send_keys("story")
    press(driver, "Next", "#dialog")
    see(driver, "#dialog-title", "Which column is which field?")
    field = driver.find_element(By.CSS_SELECTOR, '#dialog input[aria-label="Field of column 说明"]')
    field.clear()
    field.send_keys("Release note")
    press(driver, "Show what would change", "#dialog")
    see(driver, "#dialog", "'Comment'")  # the command names the column that is no field
    driver.find_element(By.CSS_SELECTOR, '#dialog select[aria-label="How column Comment is written"]').send_keys(
        "leave out"
    )
    press(driver, "Show what would change", "#dialog")
    see(driver, "#dialog-title", "What would change in Sprint 9.csv")
    see(driver, "#dialog", "1 cell would change, 2 not known")
    see(driver, "#dialog", "What would be refused:")
    whole_page(driver, save("dashboard-upload"), most=900)
    look_like(driver, PHONE)
    assert not is_too_wide(driver)
    press(driver, "Import", "#dialog")
    see(driver, "#dialog-title", "Change set")
    [*_, found] = [one for one in stack.redis.zrange(stack.inbox.keys.sets, 0, -1) if one.startswith("Sprint-9-")]
    assert found in shown(driver, "#dialog")
    assert stack.client.change_set(found).wait(PATIENCE).counts["succeeded"] == 3
    press(driver, "Close", "#dialog")
    see(driver, "#sets li", "3 succeeded")
    until(lambda: not driver.find_element(By.ID, "dialog").is_displayed(), "the dialog is closed")
    assert [one for one in complaints(driver) if "400" not in one] == []
    driver.get("about:blank")


def test_each_step_is_in_chinese_and_goes_back(driver, uploading, stack, tmp_path):
    path = tmp_path / "排期.csv"
    path.write_text(f"ID,优先级\n{next(FRESH)},P0\n", "utf-8")
    speak(driver, "zh-CN,zh")
    look_like(driver, PHONE)
    driver.get(uploading.url)
    see(driver, "#live", "实时")
    press(driver, "导入表格")
    driver.find_element(By.CSS_SELECTOR, "#dialog summary").click()
    assert english_in(driver, "#dialog") == []
    assert not is_too_wide(driver)
    press(driver, "下一步", "#dialog")
    see(driver, "#dialog .why", "每行一个工作项")  # no file was chosen
    driver.find_element(By.CSS_SELECTOR, "#dialog input[type=file]").send_keys(str(path))
    for name, text in PLACE.items():
        driver.find_element(By.CSS_SELECTOR, f"#dialog input[name={name}]").send_keys(text)
    press(driver, "下一步", "#dialog")
    see(driver, "#dialog-title", "各列对应哪个字段？")
    assert english_in(driver, "#dialog") == []
    press(driver, "返回", "#dialog")
    see(driver, "#dialog-title", "导入表格")
    press(driver, "下一步", "#dialog")  # the file and the place are still there
    see(driver, "#dialog-title", "各列对应哪个字段？")
    field = driver.find_element(By.CSS_SELECTOR, '#dialog input[aria-label="列 优先级 对应的字段"]')
    field.clear()
    field.send_keys("Priority")
    press(driver, "查看改动", "#dialog")
    see(driver, "#dialog-title", "排期.csv 将带来的改动")
    see(driver, "#dialog", "1 个单元格将修改")
    assert [one for one in english_in(driver, "#dialog") if one not in ("Priority", "csv")] == []
    press(driver, "返回", "#dialog")
    see(driver, "#dialog-title", "各列对应哪个字段？")
    driver.get("about:blank")
    speak(driver, "en-US,en")


# --- without a server -----------------------------------------------------------------------------------------------


@pytest.fixture
def uploads():
    kept = Uploads(Settings())
    yield kept
    kept.remove_all()


def test_a_few_files_are_kept_and_the_same_content_is_the_same_upload(uploads):
    first = uploads.keep("plan.csv", b"1")
    assert uploads.keep("other.csv", b"1") == first
    for n in range(2, KEPT + 3):
        time.sleep(0.01)
        uploads.keep("plan.csv", str(n).encode())
    assert len(list(uploads._folder.iterdir())) == KEPT
    folder = uploads._folder
    assert folder.stat().st_mode & 0o777 == 0o700
    uploads.remove_all()
    assert not folder.exists()


def test_a_file_that_is_read_stays_whatever_else_is_uploaded(uploads):
    first = uploads.keep("plan.csv", b"1")
    with uploads._reading(first) as path:
        for n in range(2, 2 * KEPT):
            assert uploads.keep("plan.csv", str(n).encode())
            assert uploads.keep("renamed.csv", b"1") == first
            assert path.read_bytes() == b"1"
        os.utime(path.parent, (0, 0))  # the oldest
        uploads.keep("plan.csv", b"another")
        assert path.read_bytes() == b"1"
    assert len(list(uploads._folder.iterdir())) == KEPT
    uploads.keep("plan.csv", b"the last")
    assert not path.exists()


def test_uploads_at_the_same_time_and_commands_on_them_find_their_files(uploads):
    def one(n):
        upload = uploads.keep(f"{n}.csv", str(n % 3).encode())
        with uploads._reading(upload) as path:
            return path.read_bytes() == str(n % 3).encode()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(300)))


def test_the_same_content_is_the_same_import_under_the_first_name(uploads):
    upload = uploads.keep("sprint 7.csv", b"id,a")
    order = TableOrder(upload=upload)
    assert uploads.import_id(order, Path("sprint 7.csv")) == f"sprint-7-{upload}"
    uploads.known_sets = lambda: [f"undo-sprint-7-{upload}", f"undo2-sprint-7-{upload}", "else", f"sprint-7-{upload}"]
    assert uploads.import_id(order, Path("copy.csv")) == f"sprint-7-{upload}"
    assert uploads.import_id(TableOrder(upload=upload, again=1), Path("copy.csv")) == f"copy-{upload}.2"
    assert uploads.keep("sprint 7.jsonl", b"id,a") != upload  # it is read in another way


@pytest.mark.parametrize(("upload", "passed"), [(False, ""), (True, SECRET)])
def test_up_gives_the_page_credentials_only_for_uploads(upload, passed):
    settings = Settings(plugin_id="plugin", plugin_secret=SECRET, dashboard_upload=upload)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = dashboard_child(settings, "python", listener)
    assert child.env["FEISHU_BATCH_PLUGIN_SECRET"] == passed


def test_every_option_is_one_word_of_the_command():
    order = TableOrder(
        upload="0" * 16,
        **PLACE,
        sheet="--json",
        encoding="gb18030",
        hidden="skip",
        id_column="ID",
        empty="clear",
        fields={"a=b": "优先级"},
        ignore=("-x",),
        append=("Tags",),
    )
    assert order.options() == [
        "--sheet=--json",
        "--encoding=gb18030",
        "--hidden=skip",
        "--id-column=ID",
        f"--space={PROJECT}",
        "--type=story",
        "--empty=clear",
        "--field=a=b=优先级",
        "--ignore=-x",
        "--append=Tags",
    ]
