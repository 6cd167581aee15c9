//! What header fields must be for a message to be taken (RFC 3261 sections 7.3 and 8.1.1), whoever reads it.

use super::{
    header::{CSeq, Malformed, MaxForwards, NameAddrParts, ViaParts, scan_number},
    headers::split_list,
    limits::VIAS_MAX,
    message::{HeaderName, Method, ParseErrorKind},
    text::{cut_blank, is_token, trim},
};

/// The fields of one message as they are checked.
#[derive(Default)]
pub(super) struct Checks {
    once: Once,
    vias: usize,
    /// `None` when there was none, or it couldn't be read.
    pub(super) content_length: Option<usize>,
}

/// Which of the fields that may stand once were seen.
#[derive(Default)]
struct Once {
    from: bool,
    to: bool,
    call_id: bool,
    cseq: bool,
    max_forwards: bool,
    content_length: bool,
    content_type: bool,
}

impl Checks {
    /// One more field; `method` is that of a request.
    pub(super) fn field(
        &mut self,
        method: Option<&Method>,
        name: &HeaderName,
        value: &str,
    ) -> Result<(), ParseErrorKind> {
        let malformed = |why| ParseErrorKind::Field(name.clone(), why);
        self.once(name)?;
        match name {
            HeaderName::Via => {
                for via in split_list(value) {
                    self.vias += 1;
                    ViaParts::scan(via).map_err(malformed)?;
                }
                if self.vias > VIAS_MAX {
                    return Err(ParseErrorKind::TooManyVias);
                }
            }
            HeaderName::From | HeaderName::To => {
                drop(NameAddrParts::scan(value).map_err(malformed)?)
            }
            HeaderName::Contact if value == "*" => {}
            HeaderName::Contact | HeaderName::Route | HeaderName::RecordRoute => {
                for address in split_list(value) {
                    NameAddrParts::scan(address).map_err(malformed)?;
                }
            }
            HeaderName::CallId if value.is_empty() || cut_blank(value).is_some() => {
                return Err(malformed(Malformed::Token));
            }
            HeaderName::CSeq => check_cseq(method, value)?,
            HeaderName::MaxForwards => drop(MaxForwards::parse(value).map_err(malformed)?),
            HeaderName::ContentLength => {
                let length = scan_number(value, u32::MAX).map_err(malformed)?;
                self.content_length = usize::try_from(length).ok();
            }
            _ => {}
        }
        Ok(())
    }

    /// What every message must have (RFC 3261 section 8.1.1; Max-Forwards is not in what RFC 2543 phones send).
    pub(super) fn all_present(&self) -> Result<(), ParseErrorKind> {
        let needed = [
            (self.vias > 0, HeaderName::Via),
            (self.once.from, HeaderName::From),
            (self.once.to, HeaderName::To),
            (self.once.call_id, HeaderName::CallId),
            (self.once.cseq, HeaderName::CSeq),
        ];
        match needed.into_iter().find(|(seen, _)| !seen) {
            Some((_, name)) => Err(ParseErrorKind::Missing(name)),
            None => Ok(()),
        }
    }

    /// Whether a Content-Length was there, good or not.
    pub(super) const fn has_length(&self) -> bool {
        self.once.content_length
    }

    fn once(&mut self, name: &HeaderName) -> Result<(), ParseErrorKind> {
        let seen = match name {
            HeaderName::From => &mut self.once.from,
            HeaderName::To => &mut self.once.to,
            HeaderName::CallId => &mut self.once.call_id,
            HeaderName::CSeq => &mut self.once.cseq,
            HeaderName::MaxForwards => &mut self.once.max_forwards,
            HeaderName::ContentLength => &mut self.once.content_length,
            HeaderName::ContentType => &mut self.once.content_type,
            _ => return Ok(()),
        };
        if !std::mem::replace(seen, true) {
            return Ok(());
        }
        if *name == HeaderName::ContentLength {
            // Two lengths are no length: whoever believed the other one would see another message after this.
            self.content_length = None;
        }
        Err(ParseErrorKind::Repeated(name.clone()))
    }
}

fn check_cseq(method: Option<&Method>, value: &str) -> Result<(), ParseErrorKind> {
    let malformed = |why| ParseErrorKind::Field(HeaderName::CSeq, why);
    let (number, named) = cut_blank(value).ok_or(malformed(Malformed::Token))?;
    let named = trim(named);
    scan_number(number, CSeq::NUMBER_MAX).map_err(malformed)?;
    if !is_token(named) {
        return Err(malformed(Malformed::Token));
    }
    if method.is_some_and(|own| own.as_str() != named) {
        return Err(ParseErrorKind::MethodMismatch);
    }
    Ok(())
}
