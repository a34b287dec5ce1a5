"""The names that recipes may give as ``model.template`` and ``train.report_to``, against the toolkits themselves."""

from __future__ import annotations

import ast

import pytest

from orchestrator.environments.environment import Environment

pytestmark = pytest.mark.toolkit


def source(environment: Environment, file: str) -> ast.Module:
    (path,) = environment.venv.glob(f"lib/python*/site-packages/{file}")
    return ast.parse(path.read_text(encoding="utf-8"))


def constants(environment: Environment, file: str, end: str) -> list[str]:
    """The values in the classes of a module whose names end so."""
    found = set()
    for node in source(environment, file).body:
        for line in node.body if isinstance(node, ast.ClassDef) and node.name.endswith(end) else ():
            if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
                found.add(str(line.value.value))
    return sorted(found)


def reports(environment: Environment) -> list[str]:
    """What transformers in an environment reports to."""
    for node in source(environment, "transformers/integrations/integration_utils.py").body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "INTEGRATION_TO_CALLBACK":
            assert isinstance(node.value, ast.Dict)
            return sorted(str(key.value) for key in node.value.keys if isinstance(key, ast.Constant))
    raise LookupError("transformers names them elsewhere")


@pytest.mark.parametrize("name", ["llamafactory", "llava_next", "swift", "videollama2"])
def test_what_is_reported_to(name: str, request: pytest.FixtureRequest) -> None:
    environment = request.getfixturevalue(f"{name}_env")
    assert environment.names("report_to") == reports(environment)


def test_llamafactory(llamafactory_env: Environment) -> None:
    calls = [node for node in ast.walk(source(llamafactory_env, "llamafactory/data/template.py"))
             if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "register_template"]  # fmt: skip
    names = {word.value.value for call in calls for word in call.keywords
             if word.arg == "name" and isinstance(word.value, ast.Constant)}  # fmt: skip
    assert llamafactory_env.names("template") == sorted(map(str, names))


def test_swift(swift_env: Environment) -> None:
    assert swift_env.names("model_type") == constants(swift_env, "swift/model/constant.py", "ModelType")
    assert swift_env.names("template") == constants(swift_env, "swift/template/constant.py", "TemplateType")
