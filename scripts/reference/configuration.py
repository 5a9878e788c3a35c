"""A stack's settings and the environment's variables."""

from __future__ import annotations

import click

from reference.commands import contexts
from reference.markdown import page, prose, table
from srekv.config import INTERVALS, LONGEST_LEASE_S, LONGEST_TAG, OPERATING_SYSTEMS, SHORTEST_LEASE_S, in_units
from srekv.provision.steps.settings import STORED

HEAD = """\
There is no configuration file and no state file. A stack's settings are options of `srekv up`, and the ones that are
marked as kept are stored as tags on the stack's role (`srekv:interval` and so on): every later command finds them
there, on any computer. A setting on the command line wins over the kept one, the kept one over the default. Impossible
values are refused before the first call, with the nearest possible one."""

LIMITS = {
    "vpc_id": "an id of a VPC",
    "azs": "two different zones of the Region, with a comma",
    "subnets": "ids of two subnets, in two zones",
    "instance_type": "a type that both zones offer",
    "os": " or ".join(f"`{one}`" for one in OPERATING_SYSTEMS),
    "ami": "an id of an image",
    "key_name": "an existing key pair; excludes `--create-key`",
    "create_key": "a file that is not there yet; excludes `--key-name`",
    "allow_cidrs": f"IPv4 blocks, together at most {LONGEST_TAG} characters",
    "zone": "a DNS name in lower case, at most 253 characters with the record",
    "record": "one DNS label: a-z, 0-9 and inner hyphens, at most 63",
    "port": "1 to 65535",
    "interval": " or ".join(str(one) for one in INTERVALS) + " seconds, all that Route 53 accepts",
    "threshold": "1 to 10",
    "ttl": "0 to 2147483647 seconds",
    "lease_s": f"{in_units(SHORTEST_LEASE_S)} to {in_units(LONGEST_LEASE_S)}",
    "speed": "`auto`, or 0.1 to 100",
    "dns_port": "1 to 65535",
    "dynamodb": "a URL, of this computer unless `--dynamodb-anywhere`",
}
"""What a setting may be, by its name in the code; a switch is on or off."""

NOT_SETTINGS = {"wait", "dry_run", "no_lease"}
"""Options of `up` that say how it goes about it."""

YOURS = (
    ("AWS_REGION", "The Region, where `--region` is not given; then `AWS_DEFAULT_REGION`, then the profile's."),
    ("AWS_DEFAULT_REGION", "The same, after `AWS_REGION`."),
    (
        "AWS_ENDPOINT_URL",
        "Target aws: the endpoint to ask in place of AWS, for every service. All else that boto3 reads counts too.",
    ),
    ("NO_COLOR", "Any value: no colours."),
    ("SREKV_DEBUG", "Any value: an error that nobody foresaw shows where it came from."),
    ("SREKV_SPEED", "The speed of a local cloud that is started without `--speed`: `auto` or 0.1 to 100."),
    ("SREKV_HOME", "Where the local cloud keeps its files, below `local/`."),
    ("XDG_STATE_HOME", "The same, when `SREKV_HOME` is not set: below `srekv/local/`."),
    ("HOME", "The same, when neither is set: below `.local/state/srekv/local/`."),
)

SERVICE = (
    ("SREKV_TABLE", "The table's name.", "required"),
    ("SREKV_NODE", "The node's name, in the header `X-Srekv-Node` of every answer.", "required"),
    ("AWS_REGION", "The table's Region; then `AWS_DEFAULT_REGION`.", "required"),
    ("SREKV_HOST", "The address to listen on.", "`0.0.0.0`"),
    ("SREKV_PORT", "The port to listen on.", "`80`"),
    ("SREKV_LOG", "`errors` or `all`: which requests are logged.", "`errors`"),
    ("SREKV_STORE", "`thin` or `boto3`: its own client of DynamoDB, or botocore's.", "`thin`"),
    ("SREKV_FAULT_FILE", "A file whose words make it misbehave, for drills.", "none"),
    ("AWS_ENDPOINT_URL", "DynamoDB's endpoint; also `AWS_ENDPOINT_URL_DYNAMODB` and botocore's others.", "AWS's"),
)

INNER = (
    ("SREKV_API_FD, SREKV_LINK_FD", "Sockets that the supervisor hands to its processes."),
    ("SREKV_ROOT_KEY, SREKV_ROOT_SECRET", "The operator's credentials, for the control plane."),
    ("SREKV_CLOUD_ID", "Which local cloud a process belongs to."),
    ("SREKV_MACHINE, SREKV_MACHINE_DIRECTORY", "Which machine a process belongs to, and that machine's files."),
    ("SREKV_MACHINE_ADDRESS, SREKV_MACHINE_RESOLVER", "The machine's address and its VPC's resolver."),
    ("SREKV_MACHINE_PACKAGES", "Where the machine finds the Python packages that are not installed again."),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "The machine's metadata service."),
)


def configuration() -> str:
    """The page."""
    up = next(context for context in contexts() if context.command_path == "srekv up")
    settings = [one for one in up.command.get_params(up) if one.name not in NOT_SETTINGS and "--help" not in one.opts]
    return page(
        "Configuration",
        HEAD,
        "## Settings of a stack",
        table(("option of `up`", "meaning", "possible", "kept"), (_setting(one, up) for one in settings)),
        "## Variables that srekv reads",
        "Besides, each option has a variable of its own: [commands](commands.md).",
        table(("variable", "meaning"), ((f"`{name}`", text) for name, text in YOURS)),
        "## Variables of the service",
        "The service runs by itself as `python -m srekv.app`; these are its whole configuration. On a node the unit "
        "file sets them.",
        table(("variable", "meaning", "default"), ((f"`{name}`", text, default) for name, text, default in SERVICE)),
        "## Variables between the local cloud's own processes",
        "Not to be set by hand.",
        table(("variable", "meaning"), ((_each(names), text) for names, text in INNER)),
    )


def _setting(option: click.Parameter, context: click.Context) -> tuple[str, str, str, str]:
    name = option.name or ""
    record = option.get_help_record(context)
    meaning = record[1] if record else ""
    kept = "yes" if name in STORED or name.removesuffix("_s") in STORED or name == "create_key" else ""
    is_switch = isinstance(option, click.Option) and option.is_flag
    return (
        f"`{'/'.join((*option.opts, *option.secondary_opts))}`",
        prose(meaning),
        "" if is_switch else LIMITS[name],
        kept,
    )


def _each(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))
