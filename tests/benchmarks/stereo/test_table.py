"""Each figure in the table of its kind, whatever tools there are."""

from benchmarks.result import Result
from benchmarks.stereo import table


def test_simulated_and_real_places_and_agreements_have_tables_of_their_own() -> None:
    text = table.text(
        [
            Result("stereo", "city", "A", {"right_percent": 88.44, "peak_mb": 1523.4}, "here"),
            Result("stereo", "island", "A", {"seen_valid_percent": 96.5, "cpu_s": 91.0}, "here"),
            Result("stereo", "island", "A less B", {"within_1_m_percent": 95.1}, "here"),
        ]
    )
    first, second, third, machine = text.split("\n\n")
    assert [cell.strip() for cell in first.splitlines()[2].split("|")].count("88.4") == 1
    assert "1523" in first
    assert "island | A | 96.5" in second
    assert "island | A less B" in third
    assert machine == "here"
    for part in (first, second, third):
        assert len({line.count("|") for line in part.splitlines()}) == 1


def test_without_a_case_the_table_says_so() -> None:
    assert table.text([]) == "no case of these words"
