"""What a container platform sets under our prefix; and line ends that come along from files and secret stores."""

import pytest

from config.errors import ConfigError
from config.lanes import load_lanes
from config.platform import is_of_platform
from config.settings import Settings, load_settings, unknown_variables
from feishu_batch import FeishuBatch

KUBERNETES = {
    "FEISHU_BATCH_SERVICE_HOST": "10.0.0.1",
    "FEISHU_BATCH_SERVICE_PORT": "8650",
    "FEISHU_BATCH_SERVICE_PORT_HTTP": "8650",
    "FEISHU_BATCH_PORT": "tcp://10.0.0.1:8650",
    "FEISHU_BATCH_PORT_8650_TCP": "tcp://10.0.0.1:8650",
    "FEISHU_BATCH_PORT_8650_TCP_PROTO": "tcp",
    "FEISHU_BATCH_PORT_8650_TCP_PORT": "8650",
    "FEISHU_BATCH_PORT_8650_TCP_ADDR": "10.0.0.1",
    "FEISHU_BATCH_PORT_53_UDP": "udp://10.0.0.1:53",
    "FEISHU_BATCH_DASHBOARD_PORT": "tcp://10.0.0.2:8650",
    "FEISHU_BATCH_DASHBOARD_SERVICE_HOST": "10.0.0.2",
    "FEISHU_BATCH_REDIS_PORT_6379_TCP_ADDR": "10.0.0.3",
}
GOOD = {"FEISHU_BATCH_PLUGIN_ID": "id", "FEISHU_BATCH_PLUGIN_SECRET": "secret", "FEISHU_BATCH_USER_KEY": "7300"}


def test_what_a_platform_sets_is_no_setting_and_no_typing_error():
    assert load_settings({**KUBERNETES, **GOOD}) == load_settings(GOOD)
    assert unknown_variables(KUBERNETES) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FEISHU_BATCH_DASHBOARD_PORT", "8650"),
        ("FEISHU_BATCH_PORT", "8650"),
        ("FEISHU_BATCH_REDIS_URL", "tcp://10.0.0.1:6379"),
        ("FEISHU_BATCH_SERVICE", "x"),
        ("FEISHU_BATCH_DASHBOARD_HOST", "0.0.0.0"),
    ],
)
def test_nothing_else_is_taken_for_a_platforms(name, value):
    assert not is_of_platform(name, value)


def test_no_setting_has_a_name_that_is_always_a_platforms():
    assert [name for name in Settings.model_fields if is_of_platform(f"FEISHU_BATCH_{name.upper()}", "1")] == []


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t", " \n"])
def test_a_line_end_or_blank_belongs_to_no_value(end, tmp_path):
    environ = {name: f"{end}{value}{end}" for name, value in {**GOOD, "FEISHU_BATCH_SLOT_SECONDS": "2"}.items()}
    settings = load_settings(environ)
    assert settings.require_credentials() == ("id", "secret", "7300")
    assert settings.slot_seconds == 2
    lanes = tmp_path / "lanes.toml"
    quoted = end.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")
    lanes.write_text(
        f'[lanes.a]\nplugin_id = "id{quoted}"\nuser_key = "7300{quoted}"\nplugin_secret = {{ env = "SECRET" }}\n'
    )
    [lane] = load_lanes(Settings(lanes_file=lanes), {"SECRET": f"secret{end}"}).lanes
    assert (lane.plugin_id, lane.user_key, lane.plugin_secret.get_secret_value()) == ("id", "7300", "secret")
    url = "redis://127.0.0.1:1/0"
    FeishuBatch.from_env({"FEISHU_BATCH_REDIS_URL": url, "FEISHU_BATCH_KEY_PREFIX": f"x{end}"}).close()


@pytest.mark.parametrize("name", ["PLUGIN_ID", "USER_KEY", "PLUGIN_SECRET"])
@pytest.mark.parametrize("value", ["a\nb", "a\r\nX-Other: b", "a\0b"])
def test_what_no_header_can_hold_is_refused_at_the_start_and_not_by_each_intent(name, value):
    with pytest.raises(ConfigError, match=f"(?s)FEISHU_BATCH_{name}.*line breaks") as caught:
        load_settings({**GOOD, f"FEISHU_BATCH_{name}": value})
    assert name != "PLUGIN_SECRET" or value not in str(caught.value)
