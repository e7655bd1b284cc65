"""`python -m common.certs`: a CA and certificates for development, in a folder.

For a network that nobody else relies on: the CA's key lies beside the certificates. Where others
do, let a CA of yours sign them.
"""

import os
from pathlib import Path

import click
import trustme

CA = "ca"
NAMES = ("central", "engine", "monitor", "driver", "admin", "gateway", "kafka")
HOSTS = ("localhost", "127.0.0.1", "::1")
"""What every certificate is for, beside its own name."""


def _owners_file(path: Path, *blobs: trustme.Blob) -> None:
    """Write PEM for its owner's eyes only; never half done under its name."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        for blob in blobs:
            file.write(blob.bytes())
    fresh.replace(path)


def authority(folder: Path) -> trustme.CA:
    """The CA in this folder, made if there is none.

    Raises:
        OSError: The folder cannot be used.
        ValueError: What is there is no CA of ours.
    """
    cert, key = folder / f"{CA}.pem", folder / f"{CA}.key"
    folder.mkdir(parents=True, exist_ok=True)
    if cert.exists() != key.exists():
        raise ValueError(f"{cert} and {key} belong together, and one is missing")
    if cert.exists():
        return trustme.CA.from_pem(cert.read_bytes(), key.read_bytes())
    made = trustme.CA(organization_name="EV charging development")
    _owners_file(key, made.private_key_pem)
    cert.write_bytes(made.cert_pem.bytes())
    return made


def issue(ca: trustme.CA, folder: Path, name: str, hosts: tuple[str, ...]) -> Path:
    """A new certificate in NAME.pem, with its key in NAME.key; replaces an older one."""
    made = ca.issue_cert(name, *hosts, common_name=name)
    _owners_file(folder / f"{name}.key", made.private_key_pem)
    path, fresh = folder / f"{name}.pem", folder / f"{name}.pem.new"
    fresh.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    fresh.replace(path)
    return path


@click.command("python -m common.certs", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help=f"Whose certificate is made; may be repeated.  [default: {', '.join(NAMES)}]",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="HOST",
    help=f"A further host that they are for, beside the name, {', '.join(HOSTS)}.",
)
def main(folder: Path, names: tuple[str, ...], hosts: tuple[str, ...]) -> None:
    """Make a CA for development in DIR, if there is none, and certificates that it signed.

    DIR gets ca.pem, which all programs trust (--tls-ca), and for each NAME a NAME.pem and a
    NAME.key (--tls-cert, --tls-key). Made again, the certificates are new and the CA stays.
    """
    try:
        ca = authority(folder)
        for name in names or NAMES:
            issue(ca, folder, name, (*HOSTS, *hosts))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise click.ClickException(f"no certificates in {folder}: {why}") from None
    click.echo(f"{folder}: {CA}.pem and certificates of {', '.join(names or NAMES)}")


if __name__ == "__main__":
    main()
