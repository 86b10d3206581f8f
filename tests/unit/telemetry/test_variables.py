"""The standard variables of OpenTelemetry."""

import pytest

from everruns.errors import InvalidRequest
from everruns.telemetry.variables import check_headers, pairs, trace_settings

BASE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}


def test_nothing_is_set_without_an_endpoint():
    assert trace_settings({"OTEL_SERVICE_NAME": "desk"}) == {}


def test_the_path_of_traces_is_appended_to_the_common_endpoint():
    assert trace_settings(BASE)["trace_endpoint"] == "http://collector:4318/v1/traces"


def test_the_variables_of_traces_come_first_and_are_taken_as_they_are():
    given = {
        **BASE,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces.example/in",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=1",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "b=2",
    }
    settings = trace_settings(given)
    assert settings["trace_endpoint"] == "https://traces.example/in"
    assert settings["trace_headers"] == "b=2"


def test_the_name_of_the_service_counts_before_its_attributes():
    given = {"OTEL_SERVICE_NAME": "desk", "OTEL_RESOURCE_ATTRIBUTES": "service.name=x,team=ours"}
    resource = pairs(trace_settings({**BASE, **given})["trace_resource"])
    assert resource == {"service.name": "desk", "team": "ours"}


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_traces_can_be_off(off: dict[str, str]):
    assert trace_settings({**BASE, **off}) == {}


def test_another_protocol_is_refused():
    with pytest.raises(InvalidRequest, match="http/protobuf"):
        trace_settings({**BASE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


def test_values_are_url_encoded():
    assert pairs("authorization=Basic%20abc%3D, x-team = ours ") == {
        "authorization": "Basic abc=",
        "x-team": "ours",
    }


@pytest.mark.parametrize("text", ["secret", "=secret", "a=1,secret"])
def test_other_forms_are_refused_without_being_quoted(text: str):
    with pytest.raises(ValueError, match="name=value") as refused:
        pairs(text)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["a b=1", "a=x%0d%0ay", "a=%C3%A4"])
def test_what_cannot_be_a_header_is_refused(text: str):
    with pytest.raises(ValueError, match="headers"):
        check_headers(text)
