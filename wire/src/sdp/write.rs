//! A description to bytes.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use sdp_types::{
    AddrType, Attribute, Bandwidth, Connection, Media, NetType, Origin as OriginLine, Session, Time,
};

use super::{CONTENT_TYPE, Codec, Description, Kind, Stream};
use crate::sip::message::Body;

impl Description {
    /// The text, lines ended by CR LF.
    pub fn write(&self) -> Bytes {
        let mut session = Session::new(self.origin_line(), "-");
        session.connection = Some(Connection::from_ip_addr(self.session_address()));
        session.times = vec![Time::new(0, 0)];
        session.medias = self.streams.iter().map(media).collect();
        Bytes::from(session.to_string())
    }

    /// The text as the body of a message.
    pub fn to_body(&self) -> Body {
        Body {
            content_type: CONTENT_TYPE.into(),
            bytes: self.write(),
        }
    }

    fn origin_line(&self) -> OriginLine {
        let addrtype = if self.origin.address.contains(':') {
            AddrType::Ip6
        } else {
            AddrType::Ip4
        };
        OriginLine {
            username: None,
            sess_id: self.origin.session_id.to_string(),
            sess_version: self.origin.version,
            nettype: NetType::In,
            addrtype,
            unicast_address: self.origin.address.to_string(),
        }
    }

    /// The first stream's address stands for all; a stream elsewhere has its own line.
    fn session_address(&self) -> IpAddr {
        self.streams
            .first()
            .map_or(Ipv4Addr::UNSPECIFIED.into(), |stream| stream.address.ip())
    }
}

fn media(stream: &Stream) -> Media {
    let (name, formats) = match &stream.kind {
        Kind::Audio => ("audio".to_owned(), formats(&stream.codecs)),
        Kind::Other { media, formats } => (media.to_string(), formats.to_string()),
    };
    Media {
        media: name,
        port: stream.address.port(),
        num_ports: None,
        proto: stream.protocol.to_string(),
        fmt: formats,
        media_title: None,
        connections: vec![Connection::from_ip_addr(stream.address.ip())],
        bandwidths: bandwidths(stream),
        key: None,
        attributes: if stream.is_rejected() {
            Vec::new()
        } else {
            attributes(stream)
        },
    }
}

/// No reports, when they aren't wanted (RFC 3556).
fn bandwidths(stream: &Stream) -> Vec<Bandwidth> {
    let none = |kind: &str| Bandwidth {
        bwtype: kind.to_owned(),
        bandwidth: 0,
    };
    if stream.rtcp_off && !stream.is_rejected() {
        vec![none("RS"), none("RR")]
    } else {
        Vec::new()
    }
}

/// The payload types; a stream without codecs (rejected) still needs one in its `m=` line.
fn formats(codecs: &[Codec]) -> String {
    let numbers: Vec<String> = codecs
        .iter()
        .map(|codec| codec.payload_type.to_string())
        .collect();
    if numbers.is_empty() {
        "0".to_owned()
    } else {
        numbers.join(" ")
    }
}

fn attributes(stream: &Stream) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    for codec in &stream.codecs {
        let channels = if codec.channels == 1 {
            String::new()
        } else {
            format!("/{}", codec.channels)
        };
        let map = format!(
            "{} {}/{}{channels}",
            codec.payload_type, codec.name, codec.clock
        );
        attributes.push(Attribute::with_value("rtpmap", map));
        if let Some(fmtp) = &codec.fmtp {
            attributes.push(Attribute::with_value(
                "fmtp",
                format!("{} {fmtp}", codec.payload_type),
            ));
        }
    }
    if let Some(ms) = stream.ptime {
        attributes.push(Attribute::with_value("ptime", ms));
    }
    attributes.push(Attribute::new(stream.direction.name()));
    if let Some(label) = &stream.label {
        attributes.push(Attribute::with_value("label", label));
    }
    for line in &stream.crypto {
        attributes.push(Attribute::with_value("crypto", line.write()));
    }
    for source in &stream.sources {
        attributes.push(Attribute::with_value("ssrc", source.write()));
    }
    if stream.rtcp_mux {
        attributes.push(Attribute::new("rtcp-mux"));
    }
    if let Some(at) = stream.rtcp_at {
        let kind = if at.is_ipv4() { "IP4" } else { "IP6" };
        let value = format!("{} IN {kind} {}", at.port(), at.ip());
        attributes.push(Attribute::with_value("rtcp", value));
    }
    attributes
}
