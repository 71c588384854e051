"""Where settings come from, and what is refused."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from core.pipelines import PIPELINES
from server.settings import PACKAGED, configuration_file, read_settings

ROOT = Path(__file__).parents[2]


def test_the_packaged_configuration_is_valid_and_has_the_defaults() -> None:
    settings = read_settings(PACKAGED, environ={})
    assert (settings.host, settings.port, settings.running_limit) == ("127.0.0.1", 5000, 2)
    assert settings.data == Path.cwd() / "data"
    assert settings.database_url == f"sqlite:///{settings.data / 'optiground.sqlite'}"
    assert settings.base_url == "http://127.0.0.1:5000"
    assert set(settings.configuration["resources"]) == set(PIPELINES)


def test_pygeoapi_accepts_the_configuration() -> None:
    from pygeoapi.config import validate_config

    assert validate_config(yaml.safe_load(PACKAGED.read_text()))


def test_the_configuration_at_the_root_is_the_packaged_one() -> None:
    assert (ROOT / "pygeoapi-config.yml").resolve() == PACKAGED.resolve()


def test_the_environment_goes_before_the_file_and_arguments_before_both(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("server: {bind: {host: 127.0.0.1, port: 6000}}\noptiground: {data: here}\n")
    assert read_settings(file, environ={}).port == 6000
    assert read_settings(file, environ={}).data == tmp_path / "here"
    assert read_settings(file, environ={"OPTIGROUND_PORT": "6001"}).port == 6001
    assert read_settings(file, environ={"OPTIGROUND_PORT": "6001"}, port=6002).port == 6002


def test_lists_and_objects_can_be_written_in_the_environment(tmp_path: Path) -> None:
    environment = {
        "OPTIGROUND_CONFIG": str(PACKAGED),
        "OPTIGROUND_ALLOWED_HOSTS": "a.example.org, b.example.org",
        "OPTIGROUND_API_KEYS": '{"00ff": "ana"}',
        "OPTIGROUND_POLICY": '{"networks": ["127.0.0.0/8"], "roots": ["/srv"]}',
        "OPTIGROUND_MEMORY_LIMIT": "1000000000",
    }
    settings = read_settings(environ=environment)
    assert settings.allowed_hosts == ("a.example.org", "b.example.org")
    assert settings.api_keys == {"00ff": "ana"}
    assert settings.policy.networks == ("127.0.0.0/8",)
    assert settings.policy.roots == ("/srv",)
    assert settings.memory_limit == 1_000_000_000
    assert "00ff" not in repr(settings)


@pytest.mark.parametrize(
    "line", ["colour: red", "port: 0", "running_limit: many", "on_stop: explode"]
)
def test_unknown_settings_and_wrong_values_are_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "mine.yml"
    file.write_text(f"optiground:\n  {line}\n")
    with pytest.raises(ValidationError, match=line.split(":", maxsplit=1)[0]):
        read_settings(file, environ={})


def test_the_file_is_the_named_one_else_the_local_one_else_the_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert configuration_file({}) == PACKAGED
    (tmp_path / "pygeoapi-config.yml").touch()
    assert configuration_file({}) == tmp_path / "pygeoapi-config.yml"
    assert configuration_file({"OPTIGROUND_CONFIG": "other.yml"}) == tmp_path / "other.yml"


def test_links_start_with_the_public_address_where_one_is_set() -> None:
    settings = read_settings(PACKAGED, environ={}, public_url="https://example.org/ground/")
    assert settings.base_url == "https://example.org/ground"
    assert read_settings(PACKAGED, environ={}, host="::1").base_url == "http://[::1]:5000"


def test_unknown_variables_are_refused_and_the_likely_name_is_told() -> None:
    with pytest.raises(ValueError, match=r"OPTIGROUND_RUNING_LIMIT .*OPTIGROUND_RUNNING_LIMIT\?"):
        read_settings(PACKAGED, environ={"OPTIGROUND_RUNING_LIMIT": "3"})
    with pytest.raises(ValueError, match="OPTIGROUND_CONFIGURATION"):
        read_settings(PACKAGED, environ={"OPTIGROUND_CONFIGURATION": "{}"})
    read_settings(PACKAGED, environ={"OPTIGROUND_PYTHON": "python3", "PATH": "/bin"})


@pytest.mark.parametrize("content", ["optiground: [", "- a list", "server: {bind: }\nx: {"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.yml").write_text(content)
    with pytest.raises(ValueError, match=r"mine\.yml"):
        read_settings(tmp_path / "mine.yml", environ={})


def test_records_name_the_public_address_or_none() -> None:
    public = read_settings(PACKAGED, environ={}, public_url="https://example.org/ground/")
    assert public.public_link("/jobs/j1") == "https://example.org/ground/jobs/j1"
    assert read_settings(PACKAGED, environ={}, host="0.0.0.0").public_link("/jobs/j1") is None
