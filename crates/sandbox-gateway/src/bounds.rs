//! What a confined program may cost the gateway: nothing in this crate grows, waits or repeats without one of these.

use std::time::Duration;

/// Connections at one time, each of which holds two descriptors; a build with many jobs has some hundreds. Fewer where the process
/// may have few descriptors.
pub(crate) const CONNECTIONS: usize = 4096;

/// What is read at once of a stream: of a loopback stream 0.72 to 0.87 passes with this on two CPUs, with 256 KiB 0.59 to 0.74, with
/// 64 KiB 0.33 (measured once; `benches --bin gateway` measures this size). There is one such buffer.
pub(crate) const CHUNK: usize = 1024 * 1024;

/// What all receivers together may leave unread of what was read for them before less is read at once, …
pub(crate) const HELD: usize = 4 << 20;
/// … and how much that is.
pub(crate) const SMALL_CHUNK: usize = 4 * 1024;

/// How long nothing may pass on a connection: what address translators must grant (RFC 5382, 5).
pub(crate) const IDLE: Duration = Duration::from_mins(124);

/// How long a program may be silent until its kernel is asked whether it is there, and again. One that was killed may have left a connection
/// half open, which nobody reads.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long nothing may pass of a flow of datagrams, which no end is told of: what address translators must grant (RFC 4787, 4.3).
/// That many there may be as there are descriptors for (`hall::flows`); one more ends the one on which nothing passed for longest.
pub(crate) const FLOW_IDLE: Duration = Duration::from_mins(2);

/// Bytes that wait for the names of all flows to be looked up; what has no room is lost, as datagrams may be.
pub(crate) const WAITING: usize = 1 << 20;
/// What each of these datagrams counts beside its bytes.
pub(crate) const WAITING_EACH: usize = 128;

/// How old what is known of the host's own addresses may be: to look is as much work as a short connection.
pub(crate) const OWN_ADDRESSES: Duration = Duration::from_secs(1);

/// How long all of dialling may take, over all addresses.
pub(crate) const DIAL: Duration = Duration::from_secs(30);

/// How much ahead the other kind of address is tried (RFC 8305, 5).
pub(crate) const HEAD_START: Duration = Duration::from_millis(250);

/// How long whoever is behind an upstream proxy may take to be reached.
pub(crate) const UPSTREAM_ANSWER: Duration = Duration::from_secs(30);

/// Threads that wait for the host's resolver. One that hangs holds its thread until it returns.
pub(crate) const LOOKUPS: usize = 32;

/// How long a connection waits for the host's resolver, whose own patience is 10 to 30 s (resolv.conf(5)).
pub(crate) const LOOKUP: Duration = Duration::from_secs(15);

/// Threads that connect to published ports. A server inside that does not accept holds one until the connection is given up.
pub(crate) const CONNECTS: usize = 8;

/// How long a resolver's answer is good: that to a question is what the connection after it dials.
pub(crate) const ANSWER_LIFE: Duration = Duration::from_secs(30);

/// Answers of the resolver that are kept.
pub(crate) const ANSWERS: usize = 512;

/// Addresses of one name that are looked at; more are tried one after the other by nobody.
pub(crate) const ADDRESSES: usize = 32;

/// Names that have addresses inside: an eighth of the range, so that a free place is near, and 6 MB if all are as long as can
/// be. There is no forgetting, since an address must not come to mean another name.
pub(crate) const NAMES: usize = 16 * 1024;

/// Questions that people have before them at one time, each of which holds a thread.
pub(crate) const QUESTIONS: usize = 8;

/// Answers for the whole run that are remembered; who has more to ask is asked again.
pub(crate) const SETTLED: usize = 4096;

/// Connections of which it is found out at the same time which process made them; of more it is not known. So many events wait for it.
pub(crate) const SEARCHES: usize = 1024;
/// How long an event waits for it since its connection came; a search takes some tens of milliseconds at most.
pub(crate) const SEARCH: Duration = Duration::from_secs(10);

/// Denials that are told at once, …
pub(crate) const DENIALS: u32 = 256;
/// … and how long it takes until one more may be: a log can't be flooded.
pub(crate) const DENIAL_EVERY: Duration = Duration::from_millis(50);

/// How long a question about a name waits for the host's resolver: less than the 5 s after which it is put again
/// (resolv.conf(5)).
pub(crate) const QUESTION: Duration = Duration::from_secs(3);

/// How long a name server may take, of which there are three at most: less than [`QUESTION`] together.
pub(crate) const NAME_SERVER: Duration = Duration::from_millis(900);

/// How long a client of a proxy may take to say what it wants, and one of HTTP to say what it wants next.
pub(crate) const GREETING: Duration = Duration::from_secs(30);

/// What is read at once of a client of a proxy, or of one that speaks HTTP.
pub(crate) const CLIENT_READ: usize = 16 * 1024;

/// Connections to doors on the host's loopback that have not shown the secret; one more ends the oldest. Who knows it shows it at once.
/// Fewer where the process may have few descriptors (`hall::strangers`).
pub(crate) const STRANGERS: usize = 64;

/// The longest head of a request: as much as servers take that take much (8 KiB is common).
pub(crate) const HTTP_HEAD: usize = 64 * 1024;

/// The longest trailers of a request.
pub(crate) const HTTP_TRAILERS: usize = 16 * 1024;

/// Fields of a head, and of trailers.
pub(crate) const HTTP_HEADERS: usize = 128;

/// What is kept of a message in either direction, and so the longest head of an answer.
pub(crate) const HTTP_BUFFER: usize = 128 * 1024;

/// How long a body is kept back that a server has not asked for: as long as curl does it.
pub(crate) const HTTP_CONTINUE: Duration = Duration::from_secs(1);

/// How long a request is still waited for whose client has ended its side: most are gone, some listen.
pub(crate) const HTTP_ABANDONED: Duration = Duration::from_mins(1);

/// How long the end of a connection waits for the other side to take notice, …
pub(crate) const LINGER: Duration = Duration::from_secs(2);
/// … and how much it sends meanwhile.
pub(crate) const LINGER_BYTES: u64 = 256 * 1024;

/// What is looked at of a connection's first bytes: the longest record of TLS, and so the longest `ClientHello` in use.
pub(crate) const FIRST: usize = 16 * 1024 + 512;

/// How long a program may take from its first byte until it is known what it says.
pub(crate) const FIRST_WORD: Duration = Duration::from_secs(15);

/// How long a connection through an upstream proxy waits for the program to speak, before it counts as one on which the server speaks
/// first: by then those have spoken that do.
pub(crate) const WHO_SPEAKS: Duration = Duration::from_millis(300);

/// How long a server may take to answer a `ClientHello`, behind which nothing is passed on until it does: as long as servers wait
/// for the other side (nginx, `client_header_timeout`).
pub(crate) const SERVER_HELLO: Duration = Duration::from_mins(1);

/// How long a program that is refused may take to say what it speaks, and to hear it.
pub(crate) const REFUSAL: Duration = Duration::from_secs(1);

/// The longest question about a name: what needs no fragments (RFC 9715).
pub(crate) const MESSAGE: usize = 1232;

/// Questions about names that are answered at the same time; more are dropped, and put again.
pub(crate) const MESSAGES: usize = 256;

/// How long a connection for questions may be silent (RFC 7766, 6.2.3).
pub(crate) const MESSAGE_IDLE: Duration = Duration::from_secs(10);

/// Names whose denial has been told of, and how long it is not told again: a name is asked for several times in a row.
pub(crate) const TOLD: usize = 256;
/// See [`TOLD`].
pub(crate) const TOLD_AGAIN: Duration = Duration::from_secs(5);

/// How long nothing is accepted after it failed: descriptors may be short.
pub(crate) const RECOVERY: Duration = Duration::from_millis(20);

/// Look-ups, and questions to people, that are under way or wait for a thread; they outlive whoever waited for them.
pub(crate) const UNDER_WAY: usize = 1024;
