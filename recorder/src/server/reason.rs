//! Why recordings are refused: a closed list, since it is a metric's label and the page has a text for each.

/// Why a recording, or a change of one, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// From an address that nothing is taken from.
    Peer,
    /// No recording session at all.
    NotSiprec,
    /// Nothing is offered.
    NoOffer,
    /// A body that can't be read.
    Body,
    /// No tag, or one that isn't whole.
    Tag,
    /// Another tag than the recording began under.
    TagChange,
    /// A controller that isn't recorded for, or not from there.
    Controller,
    /// More streams than a recording has.
    Streams,
    /// No audio that is known here.
    NoAudio,
    /// Plain audio where it must come encrypted.
    Srtp,
    /// A change that doesn't fit what is recorded.
    Change,
    /// No such recording any more.
    Gone,
    /// As many recordings as there may be.
    Full,
    /// No port for audio is left.
    Ports,
    /// Its controller's key isn't there, or can't be read.
    Key,
    /// The recording can't be written.
    Disk,
    /// The disk is too slow for what is recorded.
    DiskBehind,
    /// What waits for S3 fills the spool.
    SpoolFull,
    /// The index is damaged.
    IndexDamaged,
    /// The system gives no random numbers.
    Random,
}

impl RefusalReason {
    /// All there are.
    pub const ALL: [Self; 20] = [
        Self::Peer,
        Self::NotSiprec,
        Self::NoOffer,
        Self::Body,
        Self::Tag,
        Self::TagChange,
        Self::Controller,
        Self::Streams,
        Self::NoAudio,
        Self::Srtp,
        Self::Change,
        Self::Gone,
        Self::Full,
        Self::Ports,
        Self::Key,
        Self::Disk,
        Self::DiskBehind,
        Self::SpoolFull,
        Self::IndexDamaged,
        Self::Random,
    ];

    /// As the metric and the page's figures have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::NotSiprec => "not-siprec",
            Self::NoOffer => "no-offer",
            Self::Body => "body",
            Self::Tag => "tag",
            Self::TagChange => "tag-change",
            Self::Controller => "controller",
            Self::Streams => "streams",
            Self::NoAudio => "no-audio",
            Self::Srtp => "srtp",
            Self::Change => "change",
            Self::Gone => "gone",
            Self::Full => "full",
            Self::Ports => "ports",
            Self::Key => "key",
            Self::Disk => "disk",
            Self::DiskBehind => "disk-behind",
            Self::SpoolFull => "spool-full",
            Self::IndexDamaged => "index-damaged",
            Self::Random => "random",
        }
    }
}
