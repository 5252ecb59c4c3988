"""The JSON schema of ``gate_report/1``: ``python -m evaluation.gate.schema`` prints it.

``docs/schemas/gate_report-1.schema.json`` holds what it prints, for programs in other languages.
"""

import json

from caig.contracts.records import GateReport


def schema() -> str:
    """The schema, as its file holds it."""
    content = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **GateReport.model_json_schema(mode="serialization"),
    }
    return json.dumps(content, indent=2) + "\n"


if __name__ == "__main__":
    print(schema(), end="")
