"""Every stage, by registration alone."""

import pytest

from vidinternal import stages
from vidinternal.core.config import StrictModel
from vidinternal.core.errors import PipelineError
from vidinternal.runner.spec import load_pipeline
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
    """Those that make every picture anew stand in for one another and for ``composite``: a pipeline has one of them."""
    classes = [stages.stage_class(n) for n in NAMES]
    made = [a for c in classes if not c.remakes for a in c.writes]
    remade = {c.writes for c in classes if c.remakes}
    assert len(remade) == 1
    assert sorted({*made, *remade.pop()}) == sorted(KINDS)
    assert len(made) == len(set(made))


@pytest.mark.parametrize("name", [n for n in NAMES if stages.stage_class(n).remakes])
def test_what_makes_pictures_anew_has_a_pipeline_of_its_name(name: str) -> None:
    spec = load_pipeline(name)
    assert [s.name for s in spec.stages if s.remakes] == [name]
    encode = spec.stage("encode")
    assert encode is not None and encode.chain == spec.stages


def test_an_unknown_stage_names_the_nearest() -> None:
    with pytest.raises(PipelineError, match="did you mean 'encode'"):
        stages.stage_class("encod")
