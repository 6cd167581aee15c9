//! Metadata to XML, by the letter of RFC 7865 section 10 (the schema's order of elements).

use super::{
    Metadata,
    metadata::{DataMode, Participant, StreamInfo},
    xml::Xml,
};

/// The namespace of RFC 7865.
pub(super) const NAMESPACE: &str = "urn:ietf:params:xml:ns:recording:1";
/// The namespace of our own fields.
pub const EXTENSION_NAMESPACE: &str = "urn:vaxel:recording:1";

impl Metadata {
    /// The document, indented.
    pub fn to_xml(&self) -> String {
        let mut xml = Xml::new();
        xml.open("recording", &[("xmlns", NAMESPACE)]);
        xml.text(
            "datamode",
            &[],
            if self.mode == DataMode::Complete {
                "complete"
            } else {
                "partial"
            },
        );
        self.write_session(&mut xml);
        self.participants
            .iter()
            .for_each(|one| write_participant(&mut xml, one));
        self.streams
            .iter()
            .for_each(|stream| self.write_stream(&mut xml, stream));
        self.write_associations(&mut xml);
        xml.close("recording");
        xml.finish()
    }

    fn write_session(&self, xml: &mut Xml) {
        xml.open("session", &[("session_id", self.session_id.as_str())]);
        for (name, time) in [
            ("start-time", &self.start_time),
            ("stop-time", &self.stop_time),
        ] {
            if let Some(time) = time {
                xml.text(name, &[], time);
            }
        }
        if !self.extension.is_empty() {
            xml.open("extensiondata", &[("xmlns", EXTENSION_NAMESPACE)]);
            for (name, value) in &self.extension {
                xml.text("field", &[("name", name)], value);
            }
            xml.close("extensiondata");
        }
        xml.close("session");
    }

    fn write_stream(&self, xml: &mut Xml, stream: &StreamInfo) {
        let ids = [
            ("stream_id", stream.id.as_str()),
            ("session_id", self.session_id.as_str()),
        ];
        xml.open("stream", &ids);
        xml.text("label", &[], &stream.label);
        xml.close("stream");
    }

    /// The associations need a time; without one they are left out, as the schema allows none without.
    fn write_associations(&self, xml: &mut Xml) {
        let session = ("session_id", self.session_id.as_str());
        if let Some(start) = &self.start_time {
            xml.open("sessionrecordingassoc", &[session]);
            xml.text("associate-time", &[], start);
            xml.close("sessionrecordingassoc");
            for one in &self.participants {
                let ids = [("participant_id", one.id.as_str()), session];
                xml.open("participantsessionassoc", &ids);
                xml.text("associate-time", &[], start);
                xml.close("participantsessionassoc");
            }
        }
        for one in &self.participants {
            xml.open(
                "participantstreamassoc",
                &[("participant_id", one.id.as_str())],
            );
            one.sends
                .iter()
                .for_each(|id| xml.text("send", &[], id.as_str()));
            one.receives
                .iter()
                .for_each(|id| xml.text("recv", &[], id.as_str()));
            xml.close("participantstreamassoc");
        }
    }
}

fn write_participant(xml: &mut Xml, participant: &Participant) {
    xml.open(
        "participant",
        &[("participant_id", participant.id.as_str())],
    );
    if let Some(aor) = &participant.aor {
        xml.open("nameID", &[("aor", aor.reveal())]);
        if let Some(name) = &participant.name {
            xml.text("name", &[], name);
        }
        xml.close("nameID");
    }
    xml.close("participant");
}
