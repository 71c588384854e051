import pytest
from flask.testing import FlaskClient

from server.access import LOCAL, STRANGER, User, check_listening, may
from server.app import create_app
from server.errors import ListeningRefused
from server.settings import Settings


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1:80", "[::1]:5000", "LOCALHOST."]
)
def test_loopback_names_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["example.org", "", "localhost.example.org", "user@localhost", "local host"]
)
def test_other_names_are_misdirected(client: FlaskClient, host: str) -> None:
    answer = client.get("/jobs", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json["code"] == "misdirected"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    for method, path in (
        ("POST", "/processes/echo/execution"),
        ("POST", "/uploads"),
        ("DELETE", "/jobs/x"),
    ):
        answer = client.open(path, method=method, json={"inputs": {}}, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (403, "cross-site")
    assert client.get("/jobs", headers=headers).status_code == 200
    assert client.get("/jobs").json["numberMatched"] == 0


def test_own_pages_may_change_things(client: FlaskClient) -> None:
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    answer = client.post("/processes/echo/execution", json={"inputs": {}}, headers=headers)
    assert answer.status_code == 400


def test_cors_is_off(client: FlaskClient) -> None:
    answer = client.get("/jobs", headers={"Origin": "https://example.org"})
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/processes/echo", "/jobs", "/nowhere", "/static/style.css"])
def test_every_answer_is_shut_in(client: FlaskClient, path: str) -> None:
    page = client.get(path, headers={"Accept": "text/html"})
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_without_keys_only_loopback_is_listened_on() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        check_listening(host, {})
    for host in ("0.0.0.0", "::", "192.168.1.4", "example.org"):
        with pytest.raises(ListeningRefused):
            check_listening(host, {})
        check_listening(host, {"0" * 64: "ada"})


def test_who_may_do_what() -> None:
    class Thing:
        owner = "ada"

    ada, bob, thing = User("ada"), User("bob"), Thing()
    assert may(ada, "read", thing)
    assert may(ada, "dismiss", thing)
    assert not may(bob, "read", thing)
    assert not may(STRANGER, "submit")
    assert not may(STRANGER, "read", thing)
    assert may(LOCAL, "dismiss", thing)
    assert may(bob, "submit")


@pytest.mark.parametrize("name", ["", "local", " Local "])
def test_no_key_lets_in_as_everyone_or_no_one(name: str, settings: Settings) -> None:
    keys = {"0" * 64: "ada", "1" * 64: name}
    with pytest.raises(ListeningRefused, match="another name"):
        check_listening("127.0.0.1", keys)
    with pytest.raises(ListeningRefused):
        create_app(settings.model_copy(update={"api_keys": keys}))


@pytest.mark.parametrize("name", [LOCAL.name, STRANGER.name])
def test_a_name_gives_no_right_to_what_others_have(name: str) -> None:
    class Thing:
        owner = "ada"

    user = User(name)
    assert not may(user, "read", Thing())
    assert may(user, "submit")
    assert user.sees == name
    assert LOCAL.sees is None


def test_options_tell_the_methods_and_nothing_else(client: FlaskClient) -> None:
    for path, methods in (
        ("/jobs/x", "DELETE, GET, HEAD, OPTIONS"),
        ("/processes/echo/execution", "OPTIONS, POST"),
    ):
        answer = client.options(path)
        assert (answer.status_code, answer.data, answer.headers["Allow"]) == (204, b"", methods)
        assert "Content-Type" not in answer.headers
    assert client.options("/nowhere").status_code == 404


def test_settings_know_whom_they_let_in(settings: Settings) -> None:
    assert settings.api_keys == {}
    assert settings.host == "127.0.0.1"
