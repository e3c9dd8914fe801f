import re
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.lanes import Lanes, lane_names, load_lanes
from config.settings import Settings

TWO = """
[lanes.mobile]
plugin_id = "MII_1"
plugin_secret = {env = "MOBILE_SECRET"}
user_key = "7300000000000000001"
project_keys = ["5f0c1a2b3c4d5e6f70818283"]

[lanes.web]
base_url = "https://project.larksuite.com"
plugin_id = "MII_2"
plugin_secret = {env = "WEB_SECRET"}
"""
SECRETS = {"MOBILE_SECRET": "top-secret-1", "WEB_SECRET": "top-secret-2"}


def lanes_of(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Lanes:
    file = tmp_path / "lanes.toml"
    file.write_text(text, encoding="utf-8")
    return load_lanes(
        Settings(lanes_file=file, user_key="7300000000000000009"), SECRETS if environ is None else environ
    )


def test_without_a_file_the_settings_are_the_only_lane():
    settings = Settings(plugin_id="p", plugin_secret="s", user_key="u", lane="solo")
    assert load_lanes(settings).names == lane_names(settings) == ("solo",)


def test_a_file_names_lanes_whose_defaults_are_the_settings(tmp_path):
    lanes = lanes_of(tmp_path, TWO)
    mobile, web = lanes.lanes
    assert (mobile.base_url, web.base_url) == ("https://project.feishu.cn", "https://project.larksuite.com")
    assert (mobile.user_key, web.user_key) == ("7300000000000000001", "7300000000000000009")
    assert web.plugin_secret.get_secret_value() == "top-secret-2"
    assert "top-secret" not in repr(lanes)


def test_an_intent_goes_to_the_lane_that_owns_its_space_else_to_the_first(tmp_path):
    lanes = lanes_of(
        tmp_path, TWO.replace("project_keys", "# project_keys").replace('"MII_2"', '"MII_2"\nproject_keys = ["a"]')
    )
    assert lanes.route(None, "a") == "web"
    assert lanes.route(None, "b") == "mobile"
    assert lanes.route("web", "b") == "web"


def test_a_space_is_changed_through_its_own_lane_only(tmp_path):
    lanes = lanes_of(tmp_path, TWO)
    with pytest.raises(ValueError, match="belongs to lane 'mobile', not 'web'"):
        lanes.route("web", "5f0c1a2b3c4d5e6f70818283")
    with pytest.raises(ValueError, match="no lane is named 'desktop'; there are: mobile, web"):
        lanes.route("desktop", "x")


def test_a_secret_may_come_from_a_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("top-secret-3\n")
    lanes = lanes_of(tmp_path, TWO.replace('{env = "WEB_SECRET"}', f'{{file = "{secret}"}}'))
    assert lanes.lanes[1].plugin_secret.get_secret_value() == "top-secret-3"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no lane"),
        ("[lanes", "is not valid TOML"),
        ("[lanes.Web]\n" + TWO.split("[lanes.web]")[1], r"\[lanes.Web\].*name"),
        (TWO.replace("[lanes.web]", "[lanes.front]"), r"\[lanes.front\].*reserved"),
        (TWO + 'project_keys = ["5f0c1a2b3c4d5e6f70818283"]', "listed in the lanes mobile and web"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence_without_secrets(tmp_path, text, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        lanes_of(tmp_path, text)
    assert "top-secret" not in str(caught.value)
    assert 'in the clear"' not in str(caught.value)


FAULTS = [
    (TWO.replace('plugin_id = "MII_2"', ""), r"\[lanes.web\].*plugin_id"),
    (TWO.replace('{env = "WEB_SECRET"}', '"in the clear"'), r"\[lanes.web\] plugin_secret: must look like"),
    (TWO + "slot_second = 3", "slot_second: is not known"),
    (TWO.replace('{env = "WEB_SECRET"}', '{env = "NOT_SET"}'), "the variable NOT_SET is not set"),
    (TWO.replace('{env = "WEB_SECRET"}', '{file = "/nowhere"}'), "cannot be read"),
    (TWO.replace("https://project.larksuite.com", "http://example.com"), "https"),
]


@pytest.mark.parametrize(("text", "complaint"), FAULTS)
def test_a_fault_of_one_lane_is_that_lanes(tmp_path, text, complaint):
    lanes = lanes_of(tmp_path, text)
    assert [lane.name for lane in lanes.lanes] == ["mobile"]
    [refused] = lanes.refused
    assert refused.name == "web"
    assert re.search(complaint, refused.why)
    assert "top-secret" not in refused.why
    assert 'in the clear"' not in refused.why
    assert lanes.names == ("mobile", "web")
    assert lanes.route("web", "any") == "web"


@pytest.mark.parametrize(("text", "complaint"), FAULTS)
def test_without_a_lane_that_is_left_the_start_is_refused(tmp_path, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        lanes_of(tmp_path, "[lanes.web]" + text.split("[lanes.web]")[1])


def test_the_spaces_of_a_refused_lane_stay_its_own(tmp_path):
    lanes = lanes_of(tmp_path, TWO.replace('{env = "WEB_SECRET"}', '{env = "NOT_SET"}') + 'project_keys = ["webs"]')
    assert lanes.route(None, "webs") == "web"
    with pytest.raises(ValueError, match="belongs to lane 'web'"):
        lanes.route("mobile", "webs")


def test_a_lane_whose_spaces_cannot_be_read_refuses_all(tmp_path):
    """Its intents would go through another lane."""
    with pytest.raises(ConfigError, match="NOT_SET"):
        lanes_of(tmp_path, TWO.replace('{env = "WEB_SECRET"}', '{env = "NOT_SET"}') + 'project_keys = "webs"')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        load_lanes(Settings(lanes_file=tmp_path / "nowhere.toml"))


def test_a_lane_takes_the_proxy_of_the_settings_unless_it_names_its_own_or_none(tmp_path):
    file = tmp_path / "lanes.toml"
    file.write_text(TWO + 'proxy_url = ""\n', encoding="utf-8")
    settings = Settings(lanes_file=file, user_key="u", proxy_url="http://us:top-secret@proxy:3128")
    mobile, web = load_lanes(settings, SECRETS).lanes
    assert (mobile.proxy.host, web.proxy) == ("proxy", None)
    file.write_text(TWO + 'proxy_url = { env = "PROXY" }\n', encoding="utf-8")
    lanes = load_lanes(settings, {**SECRETS, "PROXY": "http://us:top-secret@other:8080"})
    assert lanes.lanes[1].proxy.host == "other"
    assert "top-secret" not in repr(lanes)


@pytest.mark.parametrize("url", ["http://us:top-secret@proxy:3128", "socks5://proxy:1080", "http://proxy"])
def test_a_proxy_that_cannot_be_used_is_refused_for_its_lane(tmp_path, url):
    [refused] = lanes_of(tmp_path, TWO + f'proxy_url = "{url}"\n').refused
    assert "[lanes.web] proxy_url: " in refused.why
    assert "top-secret" not in refused.why


def test_lanes_of_one_plugin_and_host_share_its_slots_whoever_acts_and_with_which_secret(tmp_path):
    table = 'base_url = "{}"\nplugin_id = "{}"\nplugin_secret = {{ env = "SECRET" }}\nuser_key = "{}"\n'
    places = [
        ("zeta", "https://project.feishu.cn", "one", "u1"),
        ("alpha", "https://PROJECT.feishu.cn:443/open_api", "one", "u2"),
        ("other", "https://project.feishu.cn", "two", "u1"),
        ("abroad", "https://project.larksuite.com", "one", "u1"),
    ]
    file = tmp_path / "lanes.toml"
    file.write_text("".join(f"[lanes.{name}]\n{table.format(*rest)}" for name, *rest in places))
    lanes = load_lanes(Settings(lanes_file=file), {"SECRET": "s"})
    assert [lanes.sharing(name) for name in lanes.names] == [("alpha", "zeta")] * 2 + [("other",), ("abroad",)]
