import hashlib
import threading
from pathlib import Path

import pytest

from core.workspace import Workspace, write_whole


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "job")


def write(text: str):
    return lambda path: path.write_text(text)


def test_a_published_file_is_whole_and_described(workspace: Workspace) -> None:
    file = workspace.publish(
        "score/a_b.txt", write("12345"), type="text/plain", key="a_b", title="T"
    )
    assert (workspace.output / "score/a_b.txt").read_text() == "12345"
    assert file.path == "score/a_b.txt"
    assert file.size == 5
    assert file.sha256 == hashlib.sha256(b"12345").hexdigest()
    assert (file.type, file.key, file.title) == ("text/plain", "a_b", "T")


def test_a_failed_publication_leaves_nothing(workspace: Workspace) -> None:
    def half(path: Path) -> None:
        path.write_text("half")
        path.with_suffix(".aux").write_text("beside")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        workspace.publish("a.txt", half, type="text/plain")
    assert list(workspace.output.iterdir()) == []
    assert list(workspace.scratch.iterdir()) == []


def test_what_the_writer_leaves_beside_the_file_is_dropped(workspace: Workspace) -> None:
    def write_two(path: Path) -> None:
        path.write_text("one")
        path.with_name("a.txt.aux.xml").write_text("two")

    workspace.publish("a.txt", write_two, type="text/plain")
    assert [entry.name for entry in workspace.output.iterdir()] == ["a.txt"]


def test_the_writer_sees_the_final_name(workspace: Workspace) -> None:
    names: list[str] = []

    def note(path: Path) -> None:
        names.append(path.name)
        path.touch()

    workspace.publish("score/a.tif", note, type="image/tiff")
    assert names == ["a.tif"]


@pytest.mark.parametrize("relative", ["../a.txt", "/a.txt", "b/../../a.txt", "", "a\\b.txt"])
def test_no_name_leads_outside_the_output_folder(workspace: Workspace, relative: str) -> None:
    with pytest.raises(ValueError, match="no path below"):
        workspace.publish(relative, write("x"), type="text/plain")


def test_a_name_is_published_once(workspace: Workspace) -> None:
    workspace.publish("a.txt", write("first"), type="text/plain")
    with pytest.raises(ValueError, match="before"):
        workspace.publish("a.txt", write("second"), type="text/plain")
    assert (workspace.output / "a.txt").read_text() == "first"


def test_a_checkpoint_is_made_once(workspace: Workspace) -> None:
    made: list[int] = []

    def produce(path: Path) -> None:
        made.append(1)
        path.write_text("content")

    first = workspace.once("step 1, window 15", produce, ".txt")
    second = workspace.once("step 1, window 15", produce, ".txt")
    assert first == second
    assert first.read_text() == "content"
    assert first.suffix == ".txt"
    assert len(made) == 1
    assert workspace.once("step 1, window 17", produce, ".txt") != first


def test_a_checkpoint_that_failed_is_made_anew(workspace: Workspace) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        workspace.once("k", fail)
    assert workspace.once("k", write("whole")).read_text() == "whole"


def test_a_checkpoint_may_be_a_folder(workspace: Workspace) -> None:
    def produce(path: Path) -> None:
        path.mkdir()
        (path / "tile").write_text("t")

    assert (workspace.once("k", produce) / "tile").read_text() == "t"


def test_threads_that_want_one_checkpoint_make_it_once(workspace: Workspace) -> None:
    made: list[int] = []
    start = threading.Barrier(4)

    def produce(path: Path) -> None:
        made.append(1)
        path.write_text("content")

    def want() -> None:
        start.wait()
        workspace.once("k", produce)

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_write_whole_replaces_and_keeps_others_out(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"1", mode=0o600)
    write_whole(path, b"2", mode=0o600, durable=True)
    assert path.read_bytes() == b"2"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
