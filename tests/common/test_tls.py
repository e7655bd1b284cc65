"""From files to what sockets need: what is wrong with them is said in a sentence."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from common.certs import main
from common.errors import CannotStart
from common.tls import TlsFiles, client_context, server_context


def made(folder: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(folder), *arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and certificates of central and an operator."""
    folder = tmp_path_factory.mktemp("certs")
    made(folder, "--name", "central", "--name", "admin", "--host", "10.0.0.7")
    return folder


def files(folder: Path, name: str = "central", *, ca: bool = False) -> TlsFiles:
    return TlsFiles(
        folder / f"{name}.pem", folder / f"{name}.key", folder / "ca.pem" if ca else None
    )


def test_without_files_there_is_no_tls() -> None:
    assert server_context(TlsFiles()) is None
    assert client_context(TlsFiles()) is None


def test_with_its_files_there_is(certs: Path) -> None:
    """A listener demands certificates only where it is told whom to trust."""
    plain, mutual = server_context(files(certs)), server_context(files(certs, ca=True))
    assert plain is not None
    assert mutual is not None
    assert (plain.verify_mode.name, mutual.verify_mode.name) == ("CERT_NONE", "CERT_REQUIRED")
    dialling = client_context(TlsFiles(ca=certs / "ca.pem"))
    assert dialling is not None
    assert dialling.check_hostname


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda c: server_context(TlsFiles(ca=c / "ca.pem")), "needs --tls-cert and --tls-key"),
        (lambda c: server_context(TlsFiles(cert=c / "central.pem")), "go together"),
        (lambda c: client_context(files(c)), "needs --tls-ca"),
        (lambda c: client_context(TlsFiles(ca=c / "no.pem")), "cannot read .*no.pem: No such file"),
        (lambda c: client_context(TlsFiles(ca=c / "ca.key")), "ca.key holds no certificates"),
        (
            lambda c: server_context(TlsFiles(c / "central.pem", c / "admin.key")),
            "is no certificate in PEM, or .*admin.key is not its key",
        ),
        (lambda c: server_context(TlsFiles(c / "ca.key", c / "central.key")), "is no certificate"),
    ],
)
def test_what_is_wrong_with_the_files_is_said(certs: Path, make: object, sentence: str) -> None:
    """With the option or the file that it is about."""
    assert callable(make)
    with pytest.raises(CannotStart, match=sentence):
        make(certs)


def test_a_key_with_a_password_is_refused(certs: Path, tmp_path: Path) -> None:
    """There is nobody to type it."""
    locked = tmp_path / "locked.key"
    key = load_pem_private_key((certs / "central.key").read_bytes(), None)
    password = BestAvailableEncryption(b"x")
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password))
    with pytest.raises(CannotStart, match=r"the key in .*locked.key is encrypted"):
        server_context(TlsFiles(certs / "central.pem", locked))


def test_keys_are_for_their_owner_alone(certs: Path) -> None:
    for key in certs.glob("*.key"):
        assert key.stat().st_mode & 0o077 == 0


def test_made_again_certificates_are_new_and_the_ca_stays(tmp_path: Path) -> None:
    """What trusted the CA goes on trusting what it signs."""
    made(tmp_path, "--name", "central")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    made(tmp_path, "--name", "central")
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after["ca.pem"] == before["ca.pem"]
    assert after["ca.key"] == before["ca.key"]
    assert after["central.pem"] != before["central.pem"]
    assert sorted(after) == ["ca.key", "ca.pem", "central.key", "central.pem"]


def test_without_names_there_is_one_for_each_program(tmp_path: Path) -> None:
    said = made(tmp_path / "new")
    assert "certificates of central, engine, monitor, driver, admin, gateway, kafka" in said
    assert (tmp_path / "new" / "monitor.pem").exists()


def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    """A file in its place; a CA without its key; a CA that is none."""
    file = tmp_path / "file"
    file.write_text("")
    assert "no certificates in" in made(file / "below", code=1)
    half = tmp_path / "half"
    made(half)
    (half / "ca.key").unlink()
    assert "one is missing" in made(half, code=1)
    (half / "ca.key").write_text("none")
    assert "no certificates in" in made(half, code=1)
