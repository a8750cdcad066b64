"""Describes this provider and the form of its connection type. Every process of Airflow imports this module."""

from typing import Any

_TEXT = {"type": ["string", "null"]}
_SECRET = {"type": ["string", "null"], "format": "password"}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, as the entry point `apache_airflow_provider` promises.

    The connection's form is described here, in `conn-fields` and `ui-field-behaviour`, so that Airflow can show the
    form without importing the hook. The fields in `extra` are named like those of `connector.settings.Settings`.
    """
    package = "connector.airflow"
    integration = "Tencent Container Security Service"
    return {
        "package-name": "tcss-connector",
        "name": "Tencent Container Security Service (TCSS)",
        "description": "Keeps a SQL warehouse true to the container images that TCSS sees.",
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://www.tencentcloud.com/products/tcss",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": integration, "python-modules": [f"{package}.hook"]}],
        "operators": [{"integration-name": integration, "python-modules": [f"{package}.operators"]}],
        "sensors": [{"integration-name": integration, "python-modules": [f"{package}.sensors"]}],
        "triggers": [{"integration-name": integration, "python-modules": [f"{package}.triggers"]}],
        "extra-links": [f"{package}.links.TcssConsoleLink"],
        "connection-types": [
            {
                "connection-type": "tcss",
                "hook-name": "Tencent Container Security (TCSS)",
                "hook-class-name": f"{package}.hook.TcssHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["host", "port", "schema"],
                    "relabeling": {"login": "Secret ID", "password": "Secret key"},
                    "placeholders": {
                        "login": "AKID..., or empty for the worker's own role",
                        "role_arn": "qcs::cam::uin/100000000001:roleName/tcss-reader",
                        "extra": '{"language": "en-US"}',
                    },
                },
                "conn-fields": {
                    "token": {
                        "label": "Session token",
                        "description": "Only with temporary keys.",
                        "schema": _SECRET,
                    },
                    "role_arn": {
                        "label": "Role to assume",
                        "description": "Assumed with the keys above, or with those that the worker finds.",
                        "schema": _TEXT,
                    },
                    "site": {
                        "label": "Site",
                        "description": "intl for tencentcloud.com, cn for cloud.tencent.com.",
                        "schema": {"type": "string", "enum": ["intl", "cn"], "default": "intl"},
                    },
                    "endpoint": {
                        "label": "Endpoint",
                        "description": "URL of the API, in place of the site's.",
                        "schema": _TEXT,
                    },
                    "account_id": {
                        "label": "Account ID",
                        "description": "The root account's UIN, for the column account_id; without it STS is asked.",
                        "schema": _TEXT,
                    },
                    "requests_per_second": {
                        "label": "Requests per second",
                        "description": "Of this account's quota, for all tasks in its pool together. 20 unless given.",
                        "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
                    },
                },
            }
        ],
    }
