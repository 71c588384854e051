import pytest

from server.preferences import Preferences, preferences


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Preferences()),
        (["respond-async"], Preferences(respond_async=True)),
        (["Respond-Async"], Preferences(respond_async=True)),
        (["respond-async, wait=10"], Preferences(respond_async=True, wait_s=10)),
        (["respond-async;wait=10"], Preferences(respond_async=True)),
        (["return=representation", "respond-async"], Preferences(respond_async=True)),
        (['wait="7"'], Preferences(wait_s=7)),
        (["wait=5, wait=9"], Preferences(wait_s=5)),
        (["wait=100000"], Preferences(wait_s=20)),
        (["wait=-1", "wait"], Preferences()),
        (["wait=1e3"], Preferences()),
        (['foo="a, respond-async"'], Preferences()),
        (["respond-sync"], Preferences()),
        (['"', ",,;=", "wait=٣"], Preferences()),
    ],
)
def test_prefer_is_read_as_rfc_7240_writes_it(headers: list[str], expected: Preferences) -> None:
    assert preferences(headers) == expected
