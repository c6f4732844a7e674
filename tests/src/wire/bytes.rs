//! Jute by hand: `Body` writes a record field by field, `Reader` reads one back and knows its end.

use super::outcome::{Outcome, expect, failed};
use super::reply::{Acl, Stat};

/// A length as the wire has it.
fn wire_len(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

/// A record under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl Body {
    /// An empty record.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Appends bytes as they are.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends an i32.
    pub(crate) fn i32(self, value: i32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    /// Appends an i64.
    pub(crate) fn i64(self, value: i64) -> Self {
        self.raw(&value.to_be_bytes())
    }

    /// Appends a bool.
    pub(crate) fn bool(self, value: bool) -> Self {
        self.raw(&[u8::from(value)])
    }

    /// Appends a buffer; `None` is null.
    pub(crate) fn buf(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            None => self.i32(-1),
            Some(bytes) => self.i32(wire_len(bytes.len())).raw(bytes),
        }
    }

    /// Appends a string.
    pub(crate) fn str(self, text: &str) -> Self {
        self.buf(Some(text.as_bytes()))
    }

    /// Appends a null string or buffer, or a null vector.
    pub(crate) fn null(self) -> Self {
        self.i32(-1)
    }

    /// Appends a vector of strings.
    pub(crate) fn strings<S: AsRef<str>>(self, texts: &[S]) -> Self {
        let body = self.i32(wire_len(texts.len()));
        texts
            .iter()
            .fold(body, |body, text| body.str(text.as_ref()))
    }

    /// Appends a vector of ACLs.
    pub(crate) fn acls(self, acls: &[Acl]) -> Self {
        let body = self.i32(wire_len(acls.len()));
        acls.iter().fold(body, |body, acl| {
            body.i32(acl.perms).str(&acl.scheme).str(&acl.id)
        })
    }

    /// The record with its length before it: what goes over the wire.
    pub(crate) fn framed(&self) -> Vec<u8> {
        Self::new().i32(wire_len(self.0.len())).raw(&self.0).0
    }
}

/// Reads a record field by field.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Takes `len` bytes.
    #[track_caller]
    pub(crate) fn raw(&mut self, len: usize) -> Outcome<&'a [u8]> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(failed(format!(
                "expected {len} more bytes in the body, got {}",
                self.rest.len()
            )));
        };
        self.rest = rest;
        Ok(head)
    }

    /// Takes an i32.
    #[track_caller]
    pub(crate) fn i32(&mut self) -> Outcome<i32> {
        Ok(i32::from_be_bytes(
            self.raw(4)?.try_into().unwrap_or_default(),
        ))
    }

    /// Takes an i64.
    #[track_caller]
    pub(crate) fn i64(&mut self) -> Outcome<i64> {
        Ok(i64::from_be_bytes(
            self.raw(8)?.try_into().unwrap_or_default(),
        ))
    }

    /// Takes a bool.
    #[track_caller]
    pub(crate) fn bool(&mut self) -> Outcome<bool> {
        Ok(self.raw(1)? != [0])
    }

    /// Takes a buffer.
    #[track_caller]
    pub(crate) fn buf(&mut self) -> Outcome<Option<Vec<u8>>> {
        let len = self.i32()?;
        if len == -1 {
            return Ok(None);
        }
        let len =
            usize::try_from(len).map_err(|_| failed(format!("expected a length, got {len}")))?;
        Ok(Some(self.raw(len)?.to_vec()))
    }

    /// Takes a string that is not null.
    #[track_caller]
    pub(crate) fn str(&mut self) -> Outcome<String> {
        let bytes = self
            .buf()?
            .ok_or_else(|| failed("expected a string, got null"))?;
        String::from_utf8(bytes).map_err(|error| failed(format!("expected UTF-8, got {error}")))
    }

    /// Takes a vector's count; null counts as none.
    #[track_caller]
    pub(crate) fn count(&mut self) -> Outcome<usize> {
        Ok(usize::try_from(self.i32()?).unwrap_or(0))
    }

    /// Takes a vector of strings.
    #[track_caller]
    pub(crate) fn strings(&mut self) -> Outcome<Vec<String>> {
        let count = self.count()?;
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.str()?);
        }
        Ok(texts)
    }

    /// Takes a vector of ACLs.
    #[track_caller]
    pub(crate) fn acls(&mut self) -> Outcome<Vec<Acl>> {
        let count = self.count()?;
        let mut acls = Vec::new();
        for _ in 0..count {
            acls.push(Acl {
                perms: self.i32()?,
                scheme: self.str()?,
                id: self.str()?,
            });
        }
        Ok(acls)
    }

    /// Takes a Stat.
    #[track_caller]
    pub(crate) fn stat(&mut self) -> Outcome<Stat> {
        Ok(Stat {
            czxid: self.i64()?,
            mzxid: self.i64()?,
            ctime: self.i64()?,
            mtime: self.i64()?,
            version: self.i32()?,
            cversion: self.i32()?,
            aversion: self.i32()?,
            ephemeral_owner: self.i64()?,
            data_length: self.i32()?,
            num_children: self.i32()?,
            pzxid: self.i64()?,
        })
    }

    /// Checks that nothing is left: strict clients count the bytes.
    #[track_caller]
    pub(crate) fn end(&self) -> Outcome {
        expect("bytes behind the body", self.left(), 0)
    }
}
