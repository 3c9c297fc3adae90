"""Every stage, by registration alone."""

import pytest

from vidinternal import stages
from vidinternal.core.config import StrictModel
from vidinternal.core.errors import PipelineError
from vidinternal.stages.artifacts import KINDS
from vidinternal.stages.base import JobInputs, Scope

NAMES = stages.names()


@pytest.mark.parametrize("name", NAMES)
def test_the_contract_is_complete(name: str) -> None:
    stage = stages.stage_class(name)
    assert stage.name == name
    assert stage.summary
    assert stage.scope in Scope
    assert stage.writes
    assert set(stage.writes) | set(stage.reads) | set(stage.recalls) <= KINDS.keys()
    assert stage.kept == all(KINDS[a] is not None for a in stage.writes)
    assert not stage.recalls or stage.scope is Scope.WINDOW
    assert set(stage.from_job) <= set(JobInputs.__dataclass_fields__)


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_strict_have_defaults_and_say_what_they_are(name: str) -> None:
    config = stages.stage_class(name).Config
    assert issubclass(config, StrictModel)
    config()
    assert (stages.stage_class(name).task is None) == ("method" not in config.model_fields)
    for field_name, field in config.model_fields.items():
        assert field.description, f"{name}.{field_name} has no description"


def test_every_artifact_has_exactly_one_maker() -> None:
    made = [a for n in NAMES for a in stages.stage_class(n).writes]
    assert sorted(made) == sorted(KINDS)


def test_an_unknown_stage_names_the_nearest() -> None:
    with pytest.raises(PipelineError, match="did you mean 'encode'"):
        stages.stage_class("encod")
