"""What an operator can set, what is refused and in which words, and that nothing shows a secret."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.settings import ConfigError, Settings, as_environment, load_settings, unknown_variables
from tests.support.waiting import PATIENCE

SECRETS = {
    "FEISHU_BATCH_PLUGIN_SECRET": "s3cr3t-plugin",
    "FEISHU_BATCH_REDIS_URL": "redis://:s3cr3t-redis@localhost:6379/0",
    "FEISHU_BATCH_BROKER_URL": "rediss://user:s3cr3t-broker@h:1/1?password=s3cr3t-query",
    "FEISHU_BATCH_RESULT_BACKEND": "unix://:s3cr3t-results@/run/r.sock?db=1",
}


def refusal(**variables):
    with pytest.raises(ConfigError) as caught:
        load_settings({f"FEISHU_BATCH_{name.upper()}": value for name, value in variables.items()})
    return str(caught.value)


def test_without_any_variable_the_defaults_are_usable():
    settings = load_settings({})
    assert settings.base_url == "https://project.feishu.cn"
    assert settings.slot_seconds == settings.effective_poll_slot_seconds == 1.0
    assert settings.redis_url is None


def test_every_setting_has_a_description():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_duration_and_number_is_bounded():
    numbers = [n for n, f in Settings.model_fields.items() if "float" in str(f.annotation) or f.annotation is int]
    assert len(numbers) > 20
    for name in numbers:
        for value in (-1, 1e12, float("nan")):
            with pytest.raises(ValidationError):
                Settings(**{name: value})


def test_arguments_do_not_mix_with_the_environment(monkeypatch):
    monkeypatch.setenv("FEISHU_BATCH_SLOT_SECONDS", "5")
    assert Settings().slot_seconds == 1.0
    assert load_settings().slot_seconds == 5.0


def test_an_empty_variable_is_an_unset_one():
    assert load_settings({"FEISHU_BATCH_USER_KEY": "", "FEISHU_BATCH_SLOT_SECONDS": ""}) == Settings()


def test_a_file_dot_env_is_read_and_the_environment_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("FEISHU_BATCH_LANE=file\nFEISHU_BATCH_USER_KEY=file\n")
    monkeypatch.setenv("FEISHU_BATCH_LANE", "process")
    settings = load_settings()
    assert (settings.lane, settings.user_key) == ("process", "file")


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Settings().slot_seconds = 3


def test_no_repr_shows_a_secret():
    settings = load_settings(SECRETS)
    assert "s3cr3t" not in repr(settings) + str(settings) + repr(settings.model_dump())
    assert "redis://:***@localhost:6379/0" in repr(settings)


def test_no_error_shows_a_secret():
    broken = {name: value.replace("redis", "rdis").replace("unix", "nix") for name, value in SECRETS.items()}
    with pytest.raises(ConfigError) as caught:
        load_settings({**broken, "FEISHU_BATCH_BASE_URL": "https://me:s3cr3t@host"})
    assert "s3cr3t" not in str(caught.value) + repr(caught.value)
    assert caught.value.__suppress_context__  # a traceback would print the inputs
    with pytest.raises(ValidationError) as direct:
        Settings(redis_url="rdis://:s3cr3t@h")
    assert "s3cr3t" not in str(direct.value)


def test_every_wrong_variable_has_its_line_with_what_to_do():
    lines = refusal(slot_seconds="900", lane="front", verify="some", max_attempts="x").splitlines()
    assert len(lines) == 5
    text = "\n".join(lines)
    assert "FEISHU_BATCH_SLOT_SECONDS=900: must be at most 60" in text
    assert "FEISHU_BATCH_LANE=front: is reserved" in text
    assert "FEISHU_BATCH_SLOT_SECONDS=fast: must be a number of seconds. (" in refusal(slot_seconds="fast")
    assert "FEISHU_BATCH_LANE=Main: must be 1 to 64 lower-case letters" in refusal(lane="Main")
    assert "FEISHU_BATCH_ERROR_CLASSES=1: must be an object" in refusal(error_classes="1")
    assert "FEISHU_BATCH_LOG_VALUES=maybe: must be true or false" in refusal(log_values="maybe")
    assert "'unknown', 'sample' or 'all'" in text
    assert "FEISHU_BATCH_MAX_ATTEMPTS=x" in text


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"lease_seconds": "2"}, "HEARTBEAT_SECONDS"),
        ({"grace_seconds": "5"}, "GRACE_SECONDS must be at least FEISHU_BATCH_LEASE_SECONDS"),
        ({"backoff_seconds": "60", "backoff_max_seconds": "1"}, "BACKOFF_MAX_SECONDS"),
    ],
)
def test_settings_that_do_not_fit_together_name_both(variables, named):
    assert named in refusal(**variables)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:9", "https://h.example"])
def test_plain_http_is_for_this_machine_only(url):
    assert Settings(base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["http://project.feishu.cn", "project.feishu.cn", "https://u:p@h", "ftp://h", "https://"]
)
def test_other_base_urls_are_refused(url):
    assert "FEISHU_BATCH_BASE_URL" in refusal(base_url=url)


def test_the_api_prefix_may_be_part_of_the_base_url():
    assert Settings(base_url="https://h.example/open_api/").base_url == "https://h.example"


def test_lists_may_be_words_or_json():
    assert load_settings({"FEISHU_BATCH_FINAL_JOB_STATUSES": "DONE, DEAD"}).final_job_statuses == ("DONE", "DEAD")
    assert load_settings({"FEISHU_BATCH_FINAL_JOB_STATUSES": '["DONE"]'}).final_job_statuses == ("DONE",)
    assert load_settings({"FEISHU_BATCH_MISSING_ITEM_CODES": "30005,7"}).missing_item_codes == (30005, 7)


def test_error_classes_are_checked():
    settings = load_settings({"FEISHU_BATCH_ERROR_CLASSES": '{"12345": "transient"}'})
    assert settings.error_classes == {12345: "transient"}
    assert "'rate_limit'" in refusal(error_classes='{"1": "often"}')
    assert "is not JSON" in refusal(error_classes="{")


def test_missing_credentials_are_named_together():
    with pytest.raises(ConfigError, match="FEISHU_BATCH_PLUGIN_ID, FEISHU_BATCH_USER_KEY not set"):
        Settings(plugin_secret="x").require_credentials()
    assert Settings(plugin_id="a", plugin_secret="b", user_key="c").require_credentials() == ("a", "b", "c")


def test_without_redis_the_error_says_how_to_get_one():
    with pytest.raises(ConfigError, match="feishu-batch up"):
        _ = Settings().effective_broker_url
    assert Settings().with_redis_url("redis://:x@h/0").effective_broker_url == "redis://:x@h/0"


def test_broker_and_results_may_live_elsewhere():
    settings = Settings(redis_url="redis://a/0", broker_url="redis://b/0", result_backend="redis://c/0")
    assert settings.effective_redis_url == "redis://a/0"
    assert (settings.effective_broker_url, settings.effective_result_backend) == ("redis://b/0", "redis://c/0")


def test_a_child_process_gets_the_same_settings():
    settings = load_settings(
        {
            **SECRETS,
            "FEISHU_BATCH_ERROR_CLASSES": '{"5": "lane"}',
            "FEISHU_BATCH_FINAL_JOB_STATUSES": "A,B",
            "FEISHU_BATCH_ENFORCE_USER_RIGHTS": "yes",
            "FEISHU_BATCH_PLUGIN_TOKEN_TYPE": "1",
            "FEISHU_BATCH_DATA_DIR": "/var/lib/feishu",
        }
    )
    assert load_settings(as_environment(settings)) == settings
    assert load_settings(as_environment(Settings().with_redis_url("redis://x/0"))).effective_redis_url == "redis://x/0"


def test_typing_errors_are_found():
    assert unknown_variables({"FEISHU_BATCH_SLOT_SECOND": "1", "FEISHU_BATCH_LANE": "x", "PATH": "/"}) == {
        "FEISHU_BATCH_SLOT_SECOND": "FEISHU_BATCH_SLOT_SECONDS"
    }


def test_importing_needs_no_environment():
    code = "import config.settings, config.celery_options, config.logging; print('ok')"
    environ = {"PATH": "/usr/bin", "FEISHU_BATCH_SLOT_SECONDS": "nonsense"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout == "ok\n"


def test_the_schema_can_be_shown():
    assert "s3cr3t" not in json.dumps(load_settings(SECRETS).model_dump(mode="json"))
