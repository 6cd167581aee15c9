//! Reads a recording session's INVITE (RFC 7866 section 7): what is to be recorded, for whom; or why not.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use callcore::tag::{RecordingTag, TagError};
use jiff::Timestamp;
use wire::{
    sdp::{self, Description, Direction, Origin, Preference},
    sip::message::{Body, HeaderName, Request, StatusCode},
    siprec::{self, Id, Metadata, Parts},
    srtp::Crypto,
};

use super::{
    Options,
    parties::Parties,
    reason::RefusalReason,
    srtp::{self, Demand},
    untagged,
};
use crate::{
    names::{ControllerName, StreamLabel},
    vault::Codec,
};

/// Streams of a recording: a call has two, a call with an interpreter and a transfer has four.
pub(super) const STREAMS_MAX: usize = 8;

/// Why a recording is refused. The reason is a metric's label; the text goes to the peer and holds nothing it sent.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) reason: RefusalReason,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: RefusalReason, text: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            text: text.into(),
        }
    }
}

/// What an INVITE wants recorded.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) tag: RecordingTag,
    pub(super) parties: Parties,
    pub(super) offer: Description,
}

/// Reads the INVITE of a recording session.
pub(super) fn read(request: &Request, peer: IpAddr, options: &Options) -> Result<Wanted, Refusal> {
    if !options.peers.is_empty() && !options.peers.contains_key(&peer) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            RefusalReason::Peer,
            "this recorder takes nothing from that address",
        ));
    }
    if !request
        .headers
        .lists(&HeaderName::Require, siprec::OPTION_TAG)
    {
        let text = "this is a SIPREC recording server: it takes no calls";
        return Err(Refusal::new(
            StatusCode::EXTENSION_REQUIRED,
            RefusalReason::NotSiprec,
            text,
        ));
    }
    let parts = parts(request.body().as_ref())?;
    let metadata = parts
        .metadata
        .unwrap_or_else(|| Metadata::new(Id::default()));
    let tag = match options.untagged.get(&peer) {
        // Whoever says a part of a tag says all of it.
        Some(untagged) if metadata.extension.is_empty() => {
            let call = untagged::call(peer, &metadata, request);
            untagged.tag(call, Timestamp::now().into())
        }
        _ => tag(&metadata)?,
    };
    let may = options.peers.get(&peer);
    if !options.controllers.contains(&*tag.controller)
        || may.is_some_and(|may| !may.contains(&*tag.controller))
        || ControllerName::parse(&tag.controller).is_err()
    {
        let text =
            "this recorder doesn't record for the controller in the tag, or not from that address";
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            RefusalReason::Controller,
            text,
        ));
    }
    check_streams(&parts.sdp)?;
    Ok(Wanted {
        tag,
        parties: Parties::new(&metadata),
        offer: parts.sdp,
    })
}

/// Takes a body apart.
pub(super) fn parts(body: Option<&Body>) -> Result<Parts, Refusal> {
    let Some(body) = body else {
        return Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE_HERE,
            RefusalReason::NoOffer,
            "a recording session begins with an offer",
        ));
    };
    siprec::split(&body.content_type, &body.bytes).map_err(|error| {
        let status = match error {
            siprec::SplitError::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::BAD_REQUEST,
        };
        Refusal::new(status, RefusalReason::Body, error.to_string())
    })
}

/// The tag in our extension fields.
fn tag(metadata: &Metadata) -> Result<RecordingTag, Refusal> {
    let no_tag = |text| Refusal::new(StatusCode::NOT_ACCEPTABLE_HERE, RefusalReason::Tag, text);
    if metadata.extension.is_empty() {
        let text = "this client sends no tag: say whose calls it records under [recorder.untagged] of the recorder's scenario";
        return Err(no_tag(text.to_owned()));
    }
    // XML has no place for it (XML 1.0 section 2.2), and PostgreSQL none either: the index would ask for it again for ever, and
    // for everything that comes after.
    if metadata
        .extension
        .iter()
        .any(|(_, text)| text.contains('\0'))
    {
        return Err(no_tag(
            "the recording tag holds what no text has".to_owned(),
        ));
    }
    let tag = RecordingTag::from_fields(|name| metadata.field(name))
        .map_err(|error: TagError| no_tag(error.to_string()))?;
    if &*tag.route == untagged::ROUTE {
        return Err(no_tag(
            "the recording tag's `route` is none of a scenario".to_owned(),
        ));
    }
    Ok(tag)
}

/// Whether metadata that comes later names another tag: a recording keeps the one it began under.
pub(super) fn changes_tag(metadata: &Metadata, tag: &RecordingTag) -> bool {
    let fields = tag.fields();
    metadata.extension.iter().any(|(name, value)| {
        fields
            .iter()
            .any(|(known, text)| known == name && text != value)
    })
}

pub(super) fn check_streams(offer: &Description) -> Result<(), Refusal> {
    if offer.streams.len() > STREAMS_MAX {
        let text = format!("at most {STREAMS_MAX} streams are recorded");
        return Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE_HERE,
            RefusalReason::Streams,
            text,
        ));
    }
    Ok(())
}

/// One stream as it was agreed.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    pub(super) label: StreamLabel,
    /// What the offer and the metadata call it.
    pub(super) named: Option<Box<str>>,
    pub(super) codec: Codec,
    pub(super) payload_type: u8,
    pub(super) remote: IpAddr,
    /// Where the client takes what nobody sends it, and mostly sends from.
    pub(super) port: u16,
    pub(super) paused: bool,
    /// What its packets carry, when the offer says one number (RFC 5576).
    pub(super) ssrc: Option<u32>,
    /// By which key they are encrypted; `None`: plain RTP.
    pub(super) crypto: Option<Crypto>,
}

/// Our answer: we listen where `local` says and send nothing; one codec a stream, as a file has one: of those we store,
/// the one that the offer names first.
pub(super) fn answer(
    offer: &Description,
    origin: Origin,
    local: &[Option<SocketAddr>],
    demand: Demand,
) -> Result<(Description, Vec<Option<Agreed>>), Refusal> {
    let no_audio = |error: sdp::AnswerError| {
        let status = StatusCode::NOT_ACCEPTABLE_HERE;
        Refusal::new(status, RefusalReason::NoAudio, error.to_string())
    };
    let (codecs, order, key) = (Codec::offered(), Preference::Offerer, demand.key()?);
    let mut answer =
        sdp::answer(offer, origin, local, &codecs, order, key.as_ref()).map_err(no_audio)?;
    srtp::give_own_keys(&mut answer.description.streams)?;
    let labels = labels(offer);
    let mut agreed = Vec::with_capacity(labels.len());
    let sections = answer
        .description
        .streams
        .iter_mut()
        .zip(answer.accepted)
        .zip(labels)
        .zip(&offer.streams);
    for (((stream, accepted), label), offered) in sections {
        let Some(accepted) = accepted else {
            agreed.push(None);
            continue;
        };
        stream.codecs.truncate(1);
        stream.direction = Direction::new(false, accepted.direction.receives());
        let remote = accepted.remote.ip();
        let crypto = accepted.srtp.map(|srtp| srtp.theirs);
        demand.check(crypto.is_some(), remote)?;
        agreed.push(Codec::of(&accepted.codec).map(|codec| Agreed {
            label,
            named: offered.label.clone(),
            codec,
            payload_type: accepted.codec.payload_type,
            remote,
            port: accepted.remote.port(),
            paused: !accepted.direction.receives() || remote.is_unspecified(),
            ssrc: one_source(offered),
            crypto,
        }));
    }
    Ok((answer.description, agreed))
}

/// The number that all packets of a stream carry, when its offer says one.
pub(super) fn one_source(stream: &sdp::Stream) -> Option<u32> {
    match stream.sources.as_slice() {
        [source] => Some(source.ssrc),
        _ => None,
    }
}

/// The streams' labels; one without a usable label of its own is called by its place.
fn labels(offer: &Description) -> Vec<StreamLabel> {
    let mut taken = BTreeSet::new();
    let named: Vec<Option<StreamLabel>> = offer
        .streams
        .iter()
        .map(|stream| {
            let label = StreamLabel::parse(stream.label.as_deref()?).ok()?;
            taken.insert(label.clone()).then_some(label)
        })
        .collect();
    let mut numbers = (1_usize..).filter_map(|number| StreamLabel::parse(&number.to_string()).ok());
    let mut number =
        move |taken: &BTreeSet<StreamLabel>| numbers.find(|label| !taken.contains(label));
    named
        .into_iter()
        .filter_map(|label| label.or_else(|| number(&taken)))
        .collect()
}

#[cfg(test)]
mod tests {
    use wire::{
        g711::Law,
        sdp::{Codec as Named, Stream},
    };

    use super::*;
    use crate::vault::test_tag;

    fn stream(label: Option<&str>) -> Stream {
        let address = SocketAddr::from(([192, 0, 2, 1], 4000));
        let stream =
            Stream::audio(address, vec![Named::pcmu(), Named::pcma()]).going(Direction::SendOnly);
        match label {
            Some(label) => stream.labelled(label),
            None => stream,
        }
    }

    fn offer(streams: Vec<Stream>) -> Description {
        Description {
            origin: Origin::new(1, [192, 0, 2, 1].into()),
            streams,
        }
    }

    #[test]
    fn every_stream_has_a_label_of_its_own() {
        let cases: [(&[Option<&str>], &[&str]); 4] = [
            (&[Some("caller"), Some("nurse")], &["caller", "nurse"]),
            (&[None, None], &["1", "2"]),
            (&[Some("1"), Some("1"), None], &["1", "2", "3"]),
            (&[Some("../x"), Some("meta"), Some("2")], &["1", "3", "2"]),
        ];
        for (given, expected) in cases {
            let found = labels(&offer(given.iter().map(|label| stream(*label)).collect()));
            let found: Vec<_> = found.iter().map(StreamLabel::as_str).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn we_listen_in_one_law_and_send_nothing() {
        let local = Some(SocketAddr::from(([127, 0, 0, 1], 20_000)));
        let streams = vec![
            stream(None),
            stream(None).going(Direction::SendRecv),
            stream(None).going(Direction::Inactive),
        ];
        let origin = Origin::new(2, [127, 0, 0, 1].into());
        let (answer, agreed) =
            answer(&offer(streams), origin, &[local; 3], Demand::Any).expect("agreed");
        let directions: Vec<_> = answer
            .streams
            .iter()
            .map(|stream| stream.direction)
            .collect();
        assert_eq!(
            directions,
            [
                Direction::RecvOnly,
                Direction::RecvOnly,
                Direction::Inactive
            ]
        );
        assert!(
            answer
                .streams
                .iter()
                .all(|stream| stream.codecs == [Named::pcmu()])
        );
        let paused: Vec<_> = agreed
            .iter()
            .flatten()
            .map(|one| (one.codec, one.paused))
            .collect();
        let ulaw = Codec::G711(Law::U);
        assert_eq!(paused, [(ulaw, false), (ulaw, false), (ulaw, true)]);
    }

    #[test]
    fn later_metadata_may_repeat_the_tag_but_not_change_it() {
        let tag = test_tag("region-01");
        let mut metadata = Metadata::new(siprec::Id::from_uuid([1; 16]));
        assert!(!changes_tag(&metadata, &tag));
        metadata.extension = tag
            .fields()
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text))
            .collect();
        assert!(!changes_tag(&metadata, &tag));
        metadata.extension.retain(|(name, _)| name != "latest");
        metadata
            .extension
            .push(("latest".to_owned(), "2099-01-01".to_owned()));
        assert!(changes_tag(&metadata, &tag));
    }
}
