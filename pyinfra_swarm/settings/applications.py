"""What runs on the swarm: `[[secrets]]`, `[[configs]]` and `[[stacks]]`.

The settings say where a value comes from, never the value itself.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pyinfra_swarm.settings import values
from pyinfra_swarm.settings.section import Section
from pyinfra_swarm.settings.values.refused import a_table
from pyinfra_swarm.settings.values.times import seconds

ValueSource = Literal["command", "env", "file", "age", "sops"]

SOURCES: tuple[ValueSource, ...] = ("command", "env", "file", "age", "sops")
"""The keys of `[[secrets]]` and `[[configs]]` that say where a value comes from."""


class Age(Section):
    """A file that is encrypted with age, and the private key that opens it.

    + identity: an identity file of age's, or a private SSH key
    """

    file: values.ProjectFile
    identity: values.Identity


class Sops(Section):
    """A file that is encrypted with sops.

    + key: of one value in it, `db.password` or `["db"]["password"]`; "" for all of the file
    """

    file: values.ProjectFile
    key: values.SopsKey = ""


class _Declared(Section):
    """A value that a version of an object at the engine is made of.

    + name: what services find it by; its versions are called NAME_v1, NAME_v2, …
    + command, env, file, age, sops: where the value comes from; exactly one of them is given
    + newline: what becomes of one line end behind the value; `None`: as `strips` says
    + adopt: whether services that use an object NAME, which is not ours, are given ours
    + max_age: "" for none; an older current version is reported
    """

    name: str
    command: values.Command = ()
    env: values.OptionalVariable = ""
    file: values.OptionalProjectFile = ""
    age: Annotated[
        Age | None,
        BeforeValidator(
            a_table('{ file = "secrets/db.age", identity = "~/.ssh/id_ed25519" }', optional=True)
        ),
    ] = None
    sops: Annotated[
        Sops | None,
        BeforeValidator(a_table('{ file = "secrets.yaml", key = "db.password" }', optional=True)),
    ] = None
    newline: Literal["keep", "strip"] | None = None
    adopt: bool = False
    max_age: values.OptionalDuration = ""

    value_keys: ClassVar[frozenset[str]] = frozenset(
        {"content", "data", "literal", "plain", "string", "text", "value"}
    )
    instead_of_secrets: ClassVar[str] = (
        "one of command, env, file, age and sops, which say where the value is; replace the value "
        "if this file was shared"
    )

    @property
    def source(self) -> ValueSource:
        """Which of the sources is given."""
        return next(name for name in SOURCES if getattr(self, name))

    @property
    def strips(self) -> bool:
        """Whether one line end behind the value is taken off.

        Programs end what they print with one, and variables hold one by accident only; a file is
        taken as it is.
        """
        if self.newline is not None:
            return self.newline == "strip"
        return self.source in ("command", "env")

    @property
    def max_age_seconds(self) -> int | None:
        """The age beyond which a version is reported; `None` where none is declared."""
        return seconds(self.max_age) if self.max_age else None


class Secret(_Declared):
    kind: ClassVar[Literal["secret"]] = "secret"

    name: values.SecretName


class Config(_Declared):
    """+ template: whether Swarm fills the text in for each task (its `golang` template driver)"""

    kind: ClassVar[Literal["config"]] = "config"

    name: values.ConfigName
    template: bool = False


class Stack(Section):
    """A stack of services.

    + files: compose files; a later one overrides those before it
    + env: the variables that stand in the files as ${NAME}, all of them: a text, or the variable
      of this computer's environment that has it
    """

    name: values.StackName
    files: values.StackFiles
    env: dict[values.Variable, values.StackValue] = Field(default_factory=dict)

    instead_of_secrets: ClassVar[str] = (
        "a secret of its own in [[secrets]], which the stack's file names as external; what stands "
        "in env can be read in the service by whoever may ask the engine"
    )
