//! The recorded words that places and waits are put together from.

/// Each by file name.
pub(super) const PARTS: &[(&str, &[u8])] = &[
    (
        "say-position.wav",
        include_bytes!("../../../data/audio/say-position.wav"),
    ),
    (
        "say-wait.wav",
        include_bytes!("../../../data/audio/say-wait.wav"),
    ),
    (
        "say-wait-short.wav",
        include_bytes!("../../../data/audio/say-wait-short.wav"),
    ),
    (
        "say-wait-long.wav",
        include_bytes!("../../../data/audio/say-wait-long.wav"),
    ),
    (
        "say-minute.wav",
        include_bytes!("../../../data/audio/say-minute.wav"),
    ),
    (
        "say-minutes.wav",
        include_bytes!("../../../data/audio/say-minutes.wav"),
    ),
    (
        "say-hour.wav",
        include_bytes!("../../../data/audio/say-hour.wav"),
    ),
    (
        "say-hours.wav",
        include_bytes!("../../../data/audio/say-hours.wav"),
    ),
    (
        "say-and.wav",
        include_bytes!("../../../data/audio/say-and.wav"),
    ),
    (
        "say-en.wav",
        include_bytes!("../../../data/audio/say-en.wav"),
    ),
    ("say-1.wav", include_bytes!("../../../data/audio/say-1.wav")),
    ("say-2.wav", include_bytes!("../../../data/audio/say-2.wav")),
    ("say-3.wav", include_bytes!("../../../data/audio/say-3.wav")),
    ("say-4.wav", include_bytes!("../../../data/audio/say-4.wav")),
    ("say-5.wav", include_bytes!("../../../data/audio/say-5.wav")),
    ("say-6.wav", include_bytes!("../../../data/audio/say-6.wav")),
    ("say-7.wav", include_bytes!("../../../data/audio/say-7.wav")),
    ("say-8.wav", include_bytes!("../../../data/audio/say-8.wav")),
    ("say-9.wav", include_bytes!("../../../data/audio/say-9.wav")),
    (
        "say-10.wav",
        include_bytes!("../../../data/audio/say-10.wav"),
    ),
    (
        "say-11.wav",
        include_bytes!("../../../data/audio/say-11.wav"),
    ),
    (
        "say-12.wav",
        include_bytes!("../../../data/audio/say-12.wav"),
    ),
    (
        "say-13.wav",
        include_bytes!("../../../data/audio/say-13.wav"),
    ),
    (
        "say-14.wav",
        include_bytes!("../../../data/audio/say-14.wav"),
    ),
    (
        "say-15.wav",
        include_bytes!("../../../data/audio/say-15.wav"),
    ),
    (
        "say-16.wav",
        include_bytes!("../../../data/audio/say-16.wav"),
    ),
    (
        "say-17.wav",
        include_bytes!("../../../data/audio/say-17.wav"),
    ),
    (
        "say-18.wav",
        include_bytes!("../../../data/audio/say-18.wav"),
    ),
    (
        "say-19.wav",
        include_bytes!("../../../data/audio/say-19.wav"),
    ),
    (
        "say-20.wav",
        include_bytes!("../../../data/audio/say-20.wav"),
    ),
    (
        "say-30.wav",
        include_bytes!("../../../data/audio/say-30.wav"),
    ),
    (
        "say-40.wav",
        include_bytes!("../../../data/audio/say-40.wav"),
    ),
    (
        "say-50.wav",
        include_bytes!("../../../data/audio/say-50.wav"),
    ),
    (
        "say-60.wav",
        include_bytes!("../../../data/audio/say-60.wav"),
    ),
    (
        "say-70.wav",
        include_bytes!("../../../data/audio/say-70.wav"),
    ),
    (
        "say-80.wav",
        include_bytes!("../../../data/audio/say-80.wav"),
    ),
    (
        "say-90.wav",
        include_bytes!("../../../data/audio/say-90.wav"),
    ),
    (
        "say-100.wav",
        include_bytes!("../../../data/audio/say-100.wav"),
    ),
    (
        "say-1000.wav",
        include_bytes!("../../../data/audio/say-1000.wav"),
    ),
];
