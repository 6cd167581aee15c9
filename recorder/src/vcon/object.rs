//! The objects of a vCon, in the order of the draft. Only what we have is there; none of it shows in Debug.

use std::fmt;

use serde::Serialize;

/// A vCon, unsigned form.
#[derive(Clone, PartialEq, Serialize)]
pub struct VCon {
    pub(super) vcon: &'static str,
    pub(super) uuid: String,
    pub(super) created_at: String,
    pub(super) subject: String,
    pub(super) parties: Vec<Party>,
    pub(super) dialog: Vec<Dialog>,
    pub(super) analysis: Vec<()>,
    pub(super) attachments: Vec<Attachment>,
}

#[derive(Clone, Default, PartialEq, Serialize)]
pub(super) struct Party {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) validation: Option<&'static str>,
}

#[derive(Clone, PartialEq, Serialize)]
pub(super) struct Dialog {
    pub(super) r#type: &'static str,
    pub(super) start: String,
    pub(super) duration: f64,
    pub(super) parties: Vec<Vec<usize>>,
    pub(super) mediatype: &'static str,
    pub(super) filename: String,
    pub(super) content_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
}

#[derive(Clone, PartialEq, Serialize)]
pub(super) struct Attachment {
    pub(super) purpose: &'static str,
    pub(super) start: String,
    pub(super) party: usize,
    pub(super) dialog: usize,
    pub(super) mediatype: &'static str,
    pub(super) filename: &'static str,
    pub(super) encoding: &'static str,
    pub(super) body: String,
}

impl fmt::Debug for VCon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VCon({})", self.uuid)
    }
}
