"""botocore's data as srekv reads it: equal to botocore's own, once in a process, also from a folder of the user's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import JSONFileLoader, Loader

from srekv.service_models import ServiceModels


@pytest.mark.parametrize(("service", "kind"), [("pricing", "service-2"), ("ec2", "paginators-1"), ("iam", "waiters-2")])
def test_a_model_is_the_same_as_botocores(service: str, kind: str) -> None:
    """Also in the order of its members: that of a query's parameters follows from it."""
    model = ServiceModels(None).load_service_model(service, kind)
    botocores = Loader(file_loader=JSONFileLoader()).load_service_model(service, kind)
    assert json.dumps(model) == json.dumps(botocores)


def test_a_file_is_parsed_once() -> None:
    """Every session of a process shares it."""
    assert ServiceModels(None).load_data("partitions") is ServiceModels(None).load_data("partitions")


def test_every_service_is_known() -> None:
    """What botocore has a model of."""
    assert set(Loader().list_available_services("service-2")) <= set(ServiceModels(None).list_available_services("x"))


def test_a_user_may_bring_models(tmp_path: Path) -> None:
    """A folder of AWS_DATA_PATH comes first."""
    (tmp_path / "mine" / "2026-01-01").mkdir(parents=True)
    (tmp_path / "mine" / "2026-01-01" / "service-2.json").write_text('{"metadata": {}}')
    assert ServiceModels(str(tmp_path)).load_service_model("mine", "service-2") == {"metadata": {}}


def test_what_is_not_there_is_an_error() -> None:
    """The same as botocore's: callers tell them apart."""
    with pytest.raises(UnknownServiceError):
        ServiceModels(None).load_service_model("mine", "service-2")
    with pytest.raises(DataNotFoundError):
        ServiceModels(None).load_service_model("ssm", "no-such-type")
