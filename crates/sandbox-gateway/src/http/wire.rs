//! What a client sends as HTTP/1, checked before hyper reads it.
//!
//! hyper forgives what RFC 9112 lets a server forgive: lines that end in a bare LF, a length that is told twice, a length
//! beside chunks, extensions of chunks. It writes every request anew, so that whoever is dialled sees the requests that were
//! judged in any case; but input that two readers may understand in two ways is made for nothing else, and costs its sender
//! the connection here, before a request is made of it.
//!
//! Nothing behind a request is handed on before it has been answered: what follows is then either the next request, or what
//! a tunnel carries, which is not HTTP.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::bounds;

/// Why input is no HTTP that is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What the client is answered.
    pub(crate) status: StatusCode,
    /// One line.
    pub(crate) reason: &'static str,
}

impl Fault {
    pub(crate) const fn malformed(reason: &'static str) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self { status, reason }
    }

    const fn too_long(reason: &'static str) -> Self {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Self { status, reason }
    }
}

/// The stream of a client that speaks HTTP, as a reader of checked requests.
pub(crate) struct Wire<S> {
    stream: S,
    framing: Framing,
    /// What was read.
    buffer: Vec<u8>,
    /// How much of it was handed on.
    at: usize,
    /// How much of what follows may be handed on.
    checked: usize,
    turn: Rc<Turn>,
    /// How long answers are still passed back when the client has nothing more to say.
    ended: Option<Pin<Box<Sleep>>>,
}

/// Whose turn it is on a client's connection.
#[derive(Default)]
pub(crate) struct Turn {
    is_answered: Cell<bool>,
    is_over: Cell<bool>,
    is_unwritten: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    server: RefCell<Option<Waker>>,
    /// When something has passed for the last time.
    passed: Cell<Option<Instant>>,
}

impl Turn {
    /// The next request may be read.
    pub(crate) fn answered(&self) {
        self.is_answered.set(true);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// No further request is to be answered.
    pub(crate) fn over(&self) {
        self.is_over.set(true);
        if let Some(server) = self.server.take() {
            server.wake();
        }
    }

    /// Takes note that so many bytes pass.
    fn pass(&self, count: usize) -> usize {
        if count > 0 {
            self.passed.set(Some(Instant::now()));
        }
        count
    }

    /// Returns when nothing has passed for so long.
    pub(crate) async fn idle(&self, bound: Duration) {
        let mut until = Instant::now() + bound;
        while Instant::now() < until {
            sleep_until(until).await;
            until = self.passed.get().map_or(until, |passed| passed + bound);
        }
    }

    /// Whether no further request is to be answered, and nothing that was answered is still to be written: hyper, told to
    /// end where a tunnel was asked for, would drop it. Whoever asks is woken when it is so.
    pub(crate) fn is_over(&self, context: &Context<'_>) -> bool {
        self.server.replace(Some(context.waker().clone()));
        self.is_over.get() && !self.is_unwritten.get()
    }
}

impl<S> Wire<S> {
    /// A reader of what was read already, and of the stream.
    pub(crate) fn new(read: Vec<u8>, stream: S) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            buffer: read,
            at: 0,
            checked: 0,
            turn: Rc::default(),
            ended: None,
        }
    }

    pub(crate) fn turn(&self) -> Rc<Turn> {
        Rc::clone(&self.turn)
    }

    /// Why nothing more is read, if it was the client's fault, and no request is being answered.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.framing.part {
            Part::Failed(fault) if !self.framing.is_in_request => Some(fault),
            _ => None,
        }
    }

    /// The stream, and what was read from it and not handed on.
    pub(crate) fn into_parts(mut self) -> (Vec<u8>, S) {
        self.compact();
        (self.buffer, self.stream)
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    fn compact(&mut self) {
        self.buffer.drain(..self.at.min(self.buffer.len()));
        self.at = 0;
    }

    /// The client says nothing more that counts. It may be gone, or wait for what it has asked for: so the end of its stream
    /// is kept back until all is answered.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let turn = &self.turn;
        let patience = self.ended.get_or_insert_with(|| {
            turn.over();
            Box::pin(sleep(bounds::HTTP_ABANDONED))
        });
        patience.as_mut().poll(context).map(Ok)
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Reads once; `false` at the end of the stream.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.compact();
        let filled = self.buffer.len();
        self.buffer.resize(filled + bounds::CLIENT_READ, 0);
        let mut free = ReadBuf::new(self.buffer.get_mut(filled..).unwrap_or_default());
        let polled = Pin::new(&mut self.stream).poll_read(context, &mut free);
        let read = free.filled().len();
        self.buffer.truncate(filled + read);
        if polled.is_pending() && self.buffer.is_empty() {
            // A connection that waits is to cost little: there may be thousands.
            self.buffer = Vec::new();
        }
        self.turn.pass(read);
        polled.map_ok(|()| read > 0)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.checked > 0 {
                let length = this.checked.min(into.remaining());
                let bytes = this.rest().get(..length).unwrap_or_default();
                into.put_slice(bytes);
                this.at += length;
                this.checked -= length;
                return Poll::Ready(Ok(()));
            }
            if this.framing.is_whole() && this.turn.is_answered.take() {
                this.framing = Framing::default();
            }
            let Self {
                framing, buffer, ..
            } = this;
            let rest = buffer.get(this.at..).unwrap_or_default();
            match framing.next(rest) {
                Ok(0) => {}
                Ok(length) => {
                    this.checked = length;
                    continue;
                }
                Err(_) if !this.framing.is_in_request => return this.poll_end(context),
                Err(fault) => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, fault.reason);
                    return Poll::Ready(Err(error));
                }
            }
            if this.framing.is_whole() {
                *this.turn.reader.borrow_mut() = Some(context.waker().clone());
                if !this.rest().is_empty() {
                    return Poll::Pending;
                }
            }
            if this.ended.is_some() {
                return this.poll_end(context);
            }
            if !ready!(this.poll_fill(context))? {
                return match this.framing.part {
                    Part::Head | Part::Whole => this.poll_end(context),
                    _ => Poll::Ready(Ok(())),
                };
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.turn.is_unwritten.set(true);
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        polled.map_ok(|written| this.turn.pass(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.turn.is_unwritten.set(true);
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        polled.map_ok(|written| this.turn.pass(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        if this.turn.is_unwritten.replace(false) && this.turn.is_over.get() {
            this.turn.over();
        }
        Poll::Ready(Ok(()))
    }

    /// Not of the stream: what comes after HTTP goes over it.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// Where a request's parts end.
#[derive(Default)]
struct Framing {
    part: Part,
    /// A head was handed on, and it has not been answered.
    is_in_request: bool,
    /// Where the line begins whose end has not been found.
    line: usize,
}

/// What comes next.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// Nothing: the request is whole.
    Whole,
    Failed(Fault),
}

impl Framing {
    fn is_whole(&self) -> bool {
        self.part == Part::Whole
    }

    /// How many bytes can be handed on of those that have not been; none before more have been read.
    fn next(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let length = match self.part {
            Part::Head => self.section(bytes, bounds::HTTP_HEAD, head),
            Part::Trailers => self.section(bytes, bounds::HTTP_TRAILERS, trailers),
            Part::Body(left) => Ok(self.sized(bytes, left, Part::Body, Part::Whole)),
            Part::Chunk(left) => Ok(self.sized(bytes, left, Part::Chunk, Part::ChunkEnd)),
            Part::ChunkSize => self.chunk_size(bytes),
            Part::ChunkEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    self.part = Part::ChunkSize;
                    Ok(2)
                }
                [] | [b'\r'] => Ok(0),
                _ => Err(Fault::malformed("a chunk is longer than its size")),
            },
            Part::Whole => Ok(0),
            Part::Failed(fault) => Err(fault),
        };
        if let Err(fault) = length {
            self.part = Part::Failed(fault);
        }
        length
    }

    fn sized(&mut self, bytes: &[u8], left: u64, more: fn(u64) -> Part, then: Part) -> usize {
        let length = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left.saturating_sub(length as u64);
        self.part = if left == 0 { then } else { more(left) };
        length
    }

    /// Lines up to an empty one, and what they say of that which follows.
    fn section(
        &mut self,
        bytes: &[u8],
        bound: usize,
        read: fn(&[u8]) -> Result<Part, Fault>,
    ) -> Result<usize, Fault> {
        loop {
            let rest = bytes.get(self.line..).unwrap_or_default();
            let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
                break;
            };
            let end = self.line + length + 1;
            if end > bound {
                break;
            }
            match rest.get(..length) {
                Some([b'\r']) => {
                    self.part = read(bytes.get(..end).unwrap_or_default())?;
                    self.line = 0;
                    self.is_in_request = true;
                    return Ok(end);
                }
                Some([.., b'\r']) => self.line = end,
                _ => return Err(Fault::malformed("a line ends in a bare line feed")),
            }
        }
        if bytes.len() >= bound {
            return Err(Fault::too_long("the head of the request is too long"));
        }
        Ok(0)
    }

    fn chunk_size(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let digits = bytes
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        if digits > 16 {
            return Err(Fault::malformed(
                "a chunk's size has more digits than 64 bits have",
            ));
        }
        let (digits, end) = bytes.split_at_checked(digits).unwrap_or_default();
        let size = str::from_utf8(digits)
            .ok()
            .map(|text| u64::from_str_radix(text, 16));
        match (end, size) {
            ([b'\r', b'\n', ..], Some(Ok(size))) => {
                self.part = match size {
                    0 => Part::Trailers,
                    size => Part::Chunk(size),
                };
                Ok(digits.len() + 2)
            }
            ([] | [b'\r'], _) => Ok(0),
            _ => Err(Fault::malformed("a chunk's size is no number")),
        }
    }
}

/// What follows a head.
fn head(bytes: &[u8]) -> Result<Part, Fault> {
    let mut headers = [httparse::EMPTY_HEADER; bounds::HTTP_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Fault::too_long("the request has too many headers"));
        }
        _ => return Err(Fault::malformed("it is no request of HTTP/1.1")),
    }
    let is_connect = request.method == Some("CONNECT");
    let is_1_0 = request.version == Some(0);
    let fields = request.headers;
    once(fields, "host", "the request names more than one host")?;
    let length = once(fields, "content-length", "the request has two lengths")?;
    let coding = once(fields, "transfer-encoding", "the request is coded twice")?;
    match (length, coding) {
        (None, None) => Ok(Part::Whole),
        (Some(_), Some(_)) => Err(Fault::malformed("the request has a length and chunks")),
        _ if is_connect => Err(Fault::malformed("what follows CONNECT is no body")),
        (Some(digits), None) => match number(digits) {
            Some(0) => Ok(Part::Whole),
            Some(length) => Ok(Part::Body(length)),
            None => Err(Fault::malformed("the length of the body is no number")),
        },
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") && !is_1_0 => {
            Ok(Part::ChunkSize)
        }
        (None, Some(_)) => Err(Fault::malformed("the body is not coded in chunks")),
    }
}

/// Where a body was in chunks, fields may follow it. None of them may be about what precedes them (RFC 9110, 6.5.1).
fn trailers(bytes: &[u8]) -> Result<Part, Fault> {
    let mut headers = [httparse::EMPTY_HEADER; bounds::HTTP_HEADERS];
    match httparse::parse_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete((length, fields))) if length == bytes.len() => {
            let misplaced = ["host", "content-length", "transfer-encoding"];
            let is_misplaced = |field: &httparse::Header<'_>| {
                misplaced
                    .iter()
                    .any(|name| field.name.eq_ignore_ascii_case(name))
            };
            if fields.iter().any(is_misplaced) {
                return Err(Fault::malformed("a trailer is about the request's head"));
            }
            Ok(Part::Whole)
        }
        _ => Err(Fault::malformed("the trailers are no headers")),
    }
}

/// The only field of that name.
fn once<'a>(
    fields: &[httparse::Header<'a>],
    name: &str,
    twice: &'static str,
) -> Result<Option<&'a [u8]>, Fault> {
    let mut same = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case(name));
    let first = same.next();
    match same.next() {
        Some(_) => Err(Fault::malformed(twice)),
        None => Ok(first.map(|field| field.value)),
    }
}

/// Digits, and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits)
        .ok()
        .filter(|_| is_number)?
        .parse()
        .ok()
}

/// What is handed on of an input that comes in pieces of this size, each request being answered at once.
#[cfg(feature = "fuzzing")]
pub(crate) fn handed_on(input: &[u8], size: usize) -> Vec<u8> {
    let mut framing = Framing::default();
    let (mut handed_on, mut rest) = (Vec::new(), Vec::new());
    for piece in input.chunks(size) {
        rest.extend_from_slice(piece);
        while let Ok(length) = framing.next(&rest) {
            if framing.is_whole() {
                framing = Framing::default();
            } else if length == 0 {
                break;
            }
            handed_on.extend(rest.drain(..length));
        }
    }
    handed_on
}
