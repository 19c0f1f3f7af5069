//! Walks through boxes without trusting what they say of themselves.

/// A box's header, as far as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BoxHeader {
    pub(super) kind: [u8; 4],
    /// 8, or 16 with a long size.
    pub(super) header_bytes: u64,
    /// Without the header; `None` means up to the end of the file.
    pub(super) body_bytes: Option<u64>,
}

/// What the first bytes of a box say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderRead {
    /// More bytes are needed.
    NotYet,
    /// A size that is smaller than the header itself.
    Broken([u8; 4]),
    Whole(BoxHeader),
}

/// Reads a box header (ISO/IEC 14496-12, 4.2.2).
pub(super) fn read_header(data: &[u8]) -> HeaderRead {
    let Some((size, rest)) = data.split_first_chunk::<4>() else { return HeaderRead::NotYet };
    let Some((kind, rest)) = rest.split_first_chunk::<4>() else { return HeaderRead::NotYet };
    let kind = *kind;
    let (header_bytes, size) = match u32::from_be_bytes(*size) {
        0 => return HeaderRead::Whole(BoxHeader { kind, header_bytes: 8, body_bytes: None }),
        1 => match rest.first_chunk::<8>() {
            Some(long) => (16, u64::from_be_bytes(*long)),
            None => return HeaderRead::NotYet,
        },
        size => (8, u64::from(size)),
    };
    match size.checked_sub(header_bytes) {
        Some(body) => HeaderRead::Whole(BoxHeader { kind, header_bytes, body_bytes: Some(body) }),
        None => HeaderRead::Broken(kind),
    }
}

/// The boxes in `data` with their bodies, up to the first that is cut off or broken.
pub(super) fn children(data: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let HeaderRead::Whole(header) = read_header(rest) else { return None };
        let after = &rest[header.header_bytes as usize..];
        let length = match header.body_bytes {
            Some(length) => usize::try_from(length).ok()?,
            None => after.len(),
        };
        let (body, tail) = after.split_at_checked(length)?;
        rest = tail;
        Some((header.kind, body))
    })
}

/// The body of the first box of a kind.
pub(super) fn child<'a>(data: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    children(data).find(|(found, _)| found == kind).map(|(_, body)| body)
}
