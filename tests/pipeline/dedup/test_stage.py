"""The whole search, on small runs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import schemas
from tests.pipeline.dedup.conftest import alike, id_of, jaccard, run_stage, url_of, words, write_release, write_run
from webtext.errors import UserError

Deduplicate = Callable[..., dict[str, tuple[str, float, str]]]
BASE = words(200, 1)
TEXT = " ".join(BASE)


def near(changed: int, seed: int = 7) -> str:
    return " ".join(alike(BASE, changed, seed))


def scored(text: str, score: int | None) -> tuple[str, dict[str, int | None]]:
    return text, {"score": score}


def test_copies_fall_to_the_better_one_and_strangers_stay(deduplicate: Deduplicate) -> None:
    texts = {
        "best": scored(TEXT, 50),
        "same": scored(TEXT.upper() + "!", 9),
        "near": scored(near(8), 10),
        "stranger": scored(" ".join(words(200, 2)), 3),
    }
    fallen = deduplicate(texts)
    assert fallen["same"] == ("best", 1.0, "exact_duplicate")
    keeper, similarity, reason = fallen["near"]
    assert (keeper, reason) == ("best", "near_duplicate")
    assert similarity == pytest.approx(jaccard(TEXT, near(8)), abs=1e-6)
    assert set(fallen) == {"same", "near"}


@pytest.mark.parametrize(("keep", "keeper"), [("highest_score", "loved"), ("longest", "long"), ("earliest", "old")])
def test_policies(deduplicate: Deduplicate, keep: str, keeper: str) -> None:
    import datetime

    def at(year: int) -> datetime.datetime:
        return datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)

    texts = {
        "loved": (near(2), {"score": 90, "created_utc": at(2015)}),
        "long": (near(3) + " and more", {"score": 5, "created_utc": None}),
        "old": (near(4), {"score": None, "created_utc": at(2008)}),
    }
    fallen = deduplicate(texts, keep=keep)
    assert {name: fell[0] for name, fell in fallen.items()} == dict.fromkeys(texts.keys() - {keeper}, keeper)


def test_equal_ranks_go_by_id(deduplicate: Deduplicate) -> None:
    texts = {name: near(3) for name in "abcdef"} | {name: near(5) for name in "ghij"}
    fallen = deduplicate(texts)
    assert {keeper for keeper, _, _ in fallen.values()} == {min(texts, key=id_of)}


def test_a_chain_does_not_wipe_out_its_end(deduplicate: Deduplicate) -> None:
    first, middle, last = BASE, BASE[70:] + words(70, 3), BASE[140:] + words(70, 3) + words(70, 4)
    texts = {"a": scored(" ".join(first), 9), "b": scored(" ".join(middle), 8), "c": scored(" ".join(last), 7)}
    assert jaccard(texts["a"][0], texts["c"][0]) < 0.3
    fallen = deduplicate(texts, threshold=0.4)
    assert fallen.keys() == {"b"}
    assert fallen["b"][0] == "a"


def test_a_template_keeps_its_pages(deduplicate: Deduplicate) -> None:
    """A third of every page is the same; none is a copy of another."""
    menu = words(60, 5)
    texts = {f"page{n}": " ".join(menu + words(120, 100 + n)) for n in range(60)}
    assert deduplicate(texts) == {}


def test_short_texts_do_not_all_fall_together(deduplicate: Deduplicate) -> None:
    texts = {str(n): f"{n} words" for n in range(40)} | {"again": "7 Words!"}
    fallen = deduplicate(texts)
    assert fallen.keys() == {max("7", "again", key=id_of)}


def test_everything_a_copy_of_everything(deduplicate: Deduplicate) -> None:
    texts = {f"d{n}": near(1 + n % 5, n) for n in range(120)}
    fallen = deduplicate(texts)
    stays = texts.keys() - fallen.keys()
    assert len(stays) == 1
    assert {keeper for keeper, _, _ in fallen.values()} == stays


def test_an_exact_copy_follows_its_twin(deduplicate: Deduplicate) -> None:
    texts = {"best": scored(TEXT, 9), "near": scored(near(8), 8), "twin of near": scored(near(8), 1)}
    fallen = deduplicate(texts)
    assert fallen["near"] == fallen["twin of near"]
    assert fallen["near"][0] == "best"
    assert fallen["near"][2] == "near_duplicate"


@pytest.mark.parametrize("partitions", [1, 3])
def test_nothing(deduplicate: Deduplicate, tmp_path: Path, partitions: int) -> None:
    assert deduplicate({}, partitions) == {}
    assert len(list((tmp_path / "duplicates").glob("part-*.parquet"))) == partitions


def test_empty_texts_are_equal_and_letters_of_any_script_count(deduplicate: Deduplicate) -> None:
    chinese = "他们在山上看见了一只很大的白色的鸟飞过河流和森林，然后慢慢地消失在远方的云雾之中。" * 1
    texts = {
        "e1": "", "e2": " \n", "zh1": chinese, "zh2": chinese.replace("白色", "黑色"), "zh3": chinese[::-1],
        "ü1": "Größe über Überfluß " + TEXT, "ü2": "GRO\u0308SSE über Überfluß " + TEXT,
    }  # fmt: skip
    fallen = deduplicate(texts)
    assert len(fallen.keys() & {"e1", "e2"}) == 1
    assert len(fallen.keys() & {"zh1", "zh2"}) == 1
    assert len(fallen.keys() & {"ü1", "ü2"}) == 1
    assert "zh3" not in fallen


def test_the_files_are_as_declared(tmp_path: Path) -> None:
    texts = {f"d{n}": near(2, n) for n in range(30)}
    write_run(tmp_path, texts, 4)
    outcome = run_stage(tmp_path, 4)
    assert len(outcome.parts) == len(outcome.files) == 4
    assert [record.rows for record in sorted(outcome.files, key=lambda r: r.path)] == [
        p.num_rows for p in outcome.parts
    ]
    ids = outcome.table["id"].to_pylist()
    assert ids == sorted(set(ids))
    for row in outcome.table.to_pylist():
        assert row["keeper"] not in ids
        assert row["keeper_url"] in {url_of(name) for name in texts}
        assert row["keeper_release"] == ""
        assert 0.5 <= row["similarity"] <= 1
    assert outcome.table.schema.equals(schemas.DUPLICATES)
    assert outcome.counters["documents"] == 30
    assert outcome.counters["largest_cluster"] == 30
    assert outcome.counters["clusters_of_16_to_31"] == 1
    assert outcome.counters["exact_duplicate"] + outcome.counters["near_duplicate"] == len(ids)
    assert outcome.faults == []


def test_a_cluster_too_large_to_be_true_is_a_fault(tmp_path: Path) -> None:
    texts = {f"d{n}": near(2, n) for n in range(30)} | {f"s{n}": " ".join(words(50, n)) for n in range(100, 140)}
    write_run(tmp_path, texts, 2)
    outcome = run_stage(tmp_path, 2, min_giant=10, max_cluster_share=0.4)
    assert len(outcome.faults) == 1
    assert "30 of 70 documents" in outcome.faults[0]
    assert sum(id_of(name) in outcome.faults[0] for name in texts if name.startswith("d")) == 5
    assert run_stage(tmp_path, 2, min_giant=31, max_cluster_share=0.4).faults == []
    assert run_stage(tmp_path, 2, min_giant=10, max_cluster_share=0.5).faults == []


def mixture() -> dict[str, tuple[str, dict[str, int | None]]]:
    texts = {f"d{n}": scored(near(1 + n % 60, n), n % 7) for n in range(90)}
    texts |= {f"x{n}": scored(f"{n % 9} short text", None) for n in range(30)}
    return texts | {f"s{n}": scored(" ".join(words(80, 500 + n % 20)), n) for n in range(40)}


def test_the_result_does_not_depend_on_partitions(tmp_path: Path) -> None:
    tables = []
    for partitions in (1, 4, 7, 40):  # with 40 there are several ranges of hashes
        run = tmp_path / str(partitions)
        write_run(run, mixture(), partitions)
        tables.append(run_stage(run, partitions).table)
    assert tables[0].num_rows > 60
    assert all(table.equals(tables[0]) for table in tables)


SEARCH = (
    "import sys; from pathlib import Path; from tests.pipeline.dedup.conftest import run_stage;"
    "run_stage(Path(sys.argv[1]), 4)"
)


def test_same_bytes_with_another_hash_seed(tmp_path: Path) -> None:
    checkout = Path(__file__).resolve().parents[3]
    found = []
    for seed in ("1", "2"):
        run = tmp_path / seed
        write_run(run, mixture(), 4)
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(checkout)}
        subprocess.run([sys.executable, "-c", SEARCH, str(run)], env=environment, check=True, capture_output=True)
        found.append([path.read_bytes() for path in sorted((run / "duplicates").glob("part-*.parquet"))])
    assert found[0] == found[1]


def test_against_an_earlier_release(tmp_path: Path) -> None:
    earlier = {
        "kept": scored(TEXT, 1),
        "changed since": scored(" ".join(words(150, 40)), 1),
        "alone": scored(" ".join(words(150, 41)), 1),
        **{f"filler{n}": scored(" ".join(words(60, 600 + n)), 1) for n in range(20)},
    }
    write_release(tmp_path / "release", earlier)
    texts = {
        "kept": scored(TEXT, 99),
        "changed since": scored(" ".join(words(150, 42)), 99),
        "copy of the change": scored(" ".join(words(150, 42)), 98),
        "exact": scored(TEXT + ".", 99),
        "near": scored(near(5), 99),
        "near the near": scored(near(6), 98),
        "new": scored(" ".join(words(150, 43)), 99),
    }
    write_run(tmp_path / "run", texts, 3)
    outcome = run_stage(tmp_path / "run", 3, against=(str(tmp_path / "release"),))
    fallen = outcome.fallen([*texts, *earlier])
    assert fallen["kept"] == ("kept", 1.0, "exact_duplicate")
    assert fallen["changed since"] == ("changed since", 0.0, "exact_duplicate")
    assert fallen["exact"] == ("kept", 1.0, "exact_duplicate")
    assert fallen["near"][0] == fallen["near the near"][0] == "kept"
    assert fallen["near"][2] == "near_duplicate"
    assert fallen.keys() == texts.keys() - {"new", "copy of the change"}
    assert set(outcome.table["keeper_release"].to_pylist()) == {str(tmp_path / "release")}
    assert set(outcome.table["keeper_url"].to_pylist()) == {url_of("kept"), url_of("changed since")}
    assert outcome.counters["documents"] == len(texts)


def test_a_text_that_the_release_holds_no_longer_is_no_keeper(tmp_path: Path) -> None:
    write_release(tmp_path / "release", {"gone": TEXT, "other": " ".join(words(90, 3))})
    for path in (tmp_path / "release" / "data").glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.filter(pa.compute.not_equal(table["id"], id_of("gone"))), path)
    write_run(tmp_path / "run", {"near": near(5)}, 2)
    outcome = run_stage(tmp_path / "run", 2, against=(str(tmp_path / "release"),))
    assert outcome.table.num_rows == 0


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"a": TEXT}, 2)
    with pytest.raises(UserError, match="is not a release"):
        run_stage(tmp_path / "run", 2, against=(str(tmp_path / "nothing"),))
    write_release(tmp_path / "release", {"a": TEXT}, permutations=64)
    with pytest.raises(UserError, match="have 64 permutations"):
        run_stage(tmp_path / "run", 2, against=(str(tmp_path / "release"),))


def test_signatures_made_in_another_way_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"a": TEXT}, 2)
    write_release(tmp_path / "release", {f"d{n}": near(3, n) for n in range(30)})
    for path in (tmp_path / "release" / "data").glob("*.parquet"):
        table = pq.read_table(path)
        others = pa.array([text + " more" for text in table["text"].to_pylist()])
        pq.write_table(table.set_column(table.column_names.index("text"), "text", others), path)
    with pytest.raises(UserError, match="they cannot be compared"):
        run_stage(tmp_path / "run", 2, against=(str(tmp_path / "release"),))
