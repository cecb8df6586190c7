"""The JSON schema of recipes (draft 2020-12), with which editors complete and explain keys."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from curate.recipe.model import Recipe


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a recipe; only `load_recipe` checks keys against each other."""
    schema = Recipe.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, rule in model.get("properties", {}).items():
            if rule.get("default", ...) is None:
                del rule["default"]
            choices = [choice for choice in rule.get("anyOf", []) if choice != {"type": "null"}]
            if name in model.get("required", []) and len(choices) == 1:  # a required key cannot be null
                del rule["anyOf"]
                rule.update(choices[0])
            for choice in choices:
                if "patternProperties" in choice:
                    choice["additionalProperties"] = False
            rule.pop("title", None)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}
