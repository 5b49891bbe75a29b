//! What can be broken on purpose, so that each invariant is seen to be watched.

use clap::ValueEnum;

/// A condition that is dropped, an order that is changed, a check that is left out: in the simulated store and secrets,
/// not in the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bug {
    /// An account counts as made before it is written: a crash in between loses it.
    AcknowledgedBeforeWritten,
    /// The claims on name and address are no part of an account's transaction.
    NamesAreNotClaimed,
    /// Using a one-time token does not ask whether it is still there.
    TokensStay,
    /// A persistent login moves on whatever its generation.
    SeriesMoveTwice,
    /// What is read never seems to be over.
    ExpiryIsNotChecked,
    /// A read may be answered with what an environment read before.
    ReadsAreCached,
    /// A changed password leaves the sessions alone.
    SessionsOutliveThePassword,
    /// Disabling raises no epoch, so that what was issued before comes back with enabling.
    EpochsStay,
    /// What an application may do in one tenant, it may do in every one.
    PermissionsKnowNoTenant,
    /// A guess is counted without the condition that the counters admit it.
    GuessesAreNotConditional,
    /// A retry of our own meets what it wrote before, and takes it for somebody else's.
    RetriesMeetThemselves,
    /// The table's expiry deletes what was not used for a while, and lives.
    TheLivingAreSwept,
    /// A rotation ends the old key with the first signature of the new one.
    KeysEndAtOnce,
    /// An outage of the store reads as if there were nothing.
    OutagesReadAsNothing,
}

impl Bug {
    /// All of them.
    #[must_use]
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The invariant that it breaks.
    #[must_use]
    pub const fn breaks(self) -> &'static str {
        match self {
            Self::AcknowledgedBeforeWritten => "I1",
            Self::NamesAreNotClaimed => "I2",
            Self::TokensStay | Self::SeriesMoveTwice => "I3",
            Self::ExpiryIsNotChecked => "I4",
            Self::ReadsAreCached | Self::SessionsOutliveThePassword | Self::EpochsStay => "I5",
            Self::PermissionsKnowNoTenant => "I6",
            Self::GuessesAreNotConditional => "I7",
            Self::RetriesMeetThemselves => "I8",
            Self::TheLivingAreSwept | Self::KeysEndAtOnce => "I9",
            Self::OutagesReadAsNothing => "I10",
        }
    }
}
