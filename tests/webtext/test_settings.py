"""Configs: what is read, what is refused, and whether the sentence helps."""

from pathlib import Path

import fsspec
import pytest
import yaml

from pipeline.config import CorpusConfig
from webtext import settings
from webtext.errors import UserError


def write(folder: Path, text: str) -> str:
    path = folder / "config.yaml"
    path.write_text(text)
    return str(path)


def test_overrides_win_over_the_file_and_defaults_fill_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, "output: here\nharvest: {min_karma: 4}\n")
    config = settings.load(
        CorpusConfig, path, ["harvest.min_karma=7", 'harvest.dumps=["a*.zst", b]', "harvest.urls=[]"]
    )
    assert config.output == "here"
    assert config.harvest.min_karma == 7
    assert config.harvest.dumps == ("a*.zst", "b")
    assert config.harvest.karma_rule == "max"


def test_a_dumped_config_reads_back_as_itself(tmp_path: Path) -> None:
    config = settings.load(CorpusConfig, None, ["output=x", "harvest.before=2019-05-04", "runner.options={a: 1}"])
    again = settings.load(CorpusConfig, write(tmp_path, yaml.safe_dump(settings.dump(config))))
    assert again == config


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["harvest.min_carma=3"], ["harvest.min_carma", "did you mean min_karma", "karma_rule"]),
        (["harvest.karma_rule=mean"], ["harvest.karma_rule", "'mean'", "'max'", "'sum'"]),
        (["harvest.min_karma=many"], ["harvest.min_karma", "'many'", "integer"]),
        (["publish.validation_fraction=1.5"], ["publish.validation_fraction", "1.5", "less than or equal to 1"]),
        (["extract.languages=[english]"], ["extract.languages.0", "english", "[a-z]{2}"]),
        (["output.a=3"], ["output", "no keys below"]),
        (["harvest"], ["key=value"]),
        (["harvest.dumps=[a"], ["harvest.dumps", "YAML"]),
        (["fetch.live=true"], ["--set", "fetch.live", "fetch.contact"]),
    ],
)
def test_a_wrong_setting_is_told_in_one_line_with_what_is_allowed(overrides: list[str], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        settings.load(CorpusConfig, None, ["output=x", *overrides])
    sentence = str(caught.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("output: [", ["line", "YAML"]),
        ("- a\n- b\n", ["mapping", "list"]),
        ("harvest: {}\n", ["output", "missing"]),
        ("output: x\nharvest: 3\n", ["harvest", "3"]),
    ],
)
def test_a_file_that_is_no_config_is_told_in_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        settings.load(CorpusConfig, path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_file_and_one_that_is_not_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        settings.load(CorpusConfig, str(tmp_path / "none.yaml"))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        settings.load(CorpusConfig, str(tmp_path / "binary.yaml"))


def test_a_file_may_be_far_away() -> None:
    with fsspec.open("memory://settings-test/my config.yaml", "w", encoding="utf-8") as file:
        file.write("output: ünïcode\n")
    assert settings.load(CorpusConfig, "memory://settings-test/my config.yaml").output == "ünïcode"
    with pytest.raises(UserError, match=r"^cannot read the config memory://settings-test/none\.yaml: No such file"):
        settings.load(CorpusConfig, "memory://settings-test/none.yaml")
    with pytest.raises(UserError, match=r"cannot reach nowhere://a\.yaml"):
        settings.load(CorpusConfig, "nowhere://a.yaml")


def test_every_key_is_documented_where_it_is_defined() -> None:
    def undocumented(model: type[settings.Section]) -> list[str]:
        missing = []
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, settings.Section):
                missing += [f"{name}.{below}" for below in undocumented(inner)]
            elif not field.description:
                missing.append(name)
        return missing

    assert undocumented(CorpusConfig) == []
