"""What every section of the configuration is made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table of `scanonce.toml`: frozen once it is read, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def option(default: Any, description: str, **more: Any) -> Any:
    """A field whose default is written as in the file and validated like anything else."""
    return Field(default=default, description=description, validate_default=True, **more)
