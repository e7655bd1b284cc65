"""Which central leads."""

from common.epochs import TAKEN_BACK_AFTER, Epochs


def test_the_first_epoch_is_taken() -> None:
    """Whatever it is."""
    epochs = Epochs()
    assert epochs.last is None
    assert epochs.admits(7)
    assert epochs.last == 7


def test_a_lower_epoch_is_not_admitted() -> None:
    """It comes from a central that leads no longer."""
    epochs = Epochs()
    epochs.admits(7)
    assert not epochs.admits(6)
    assert epochs.admits(7)
    assert epochs.admits(8)
    assert not epochs.admits(7)


def test_a_central_without_epochs_is_believed() -> None:
    """The field is optional; leaving it out does not lower what was seen."""
    epochs = Epochs()
    epochs.admits(7)
    assert epochs.admits(None)
    assert not epochs.admits(6)


def test_a_registration_of_a_lower_epoch_is_not_believed_at_first() -> None:
    """A central that was held up may still think that it leads."""
    epochs = Epochs()
    assert epochs.believes(7, 0.0)
    assert not epochs.believes(6, 100.0)
    assert not epochs.believes(6, 100.0 + TAKEN_BACK_AFTER - 0.1)
    assert epochs.last == 7


def test_a_lower_epoch_that_stays_is_a_replaced_database() -> None:
    """Then it is the leader's, and commands of it are taken."""
    epochs = Epochs()
    epochs.believes(7, 0.0)
    epochs.believes(1, 100.0)
    assert epochs.believes(1, 100.0 + TAKEN_BACK_AFTER)
    assert epochs.admits(1)


def test_the_leaders_registration_ends_the_doubt() -> None:
    """The wait begins anew with the next lower epoch."""
    epochs = Epochs()
    epochs.believes(7, 0.0)
    epochs.believes(6, 1.0)
    epochs.believes(7, 2.0)
    assert not epochs.believes(6, 1.0 + TAKEN_BACK_AFTER)
