"""A plan as the text of a file."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from crossrt.core.install import install_command
from crossrt.fleet.errors import FleetError
from crossrt.fleet.plans.github import github_workflow
from crossrt.fleet.plans.gitlab import gitlab_pipeline
from crossrt.fleet.plans.machines import Fleet
from crossrt.fleet.plans.slurm import slurm_script

Format = Literal["github", "gitlab", "slurm"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)


def plan_text(fleet: Fleet, config: str, service: Format) -> str:
    """The jobs of a fleet for a service.

    Args:
        fleet: Its machines.
        config: The configuration as jobs name it, from the top of the repository.
        service: Who runs the jobs.

    Raises:
        FleetError: A machine lacks what the service needs, or PyYAML is not installed.
    """
    comment = f"Made by crossrt fleet plan --format {service}: change [fleet] of {config} and make it again."
    if service == "slurm":
        return slurm_script(fleet, config, comment)
    content = github_workflow(fleet, config) if service == "github" else gitlab_pipeline(fleet, config)
    return f"# {comment}\n{_as_yaml(content)}"


def _as_yaml(content: dict[str, Any]) -> str:
    """In the order in which it was written; text of several lines as a block."""
    try:
        import yaml
    except ImportError as error:
        raise FleetError(f"a plan in YAML needs PyYAML ({error}): {install_command('pyyaml')}") from error

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """The same steps stand in several jobs as they are, not as references; lists are indented."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
            super().increase_indent(flow, False)

    def block(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Dumper.add_representer(str, block)
    return str(yaml.dump(content, Dumper=Dumper, sort_keys=False, width=1000, allow_unicode=True))
