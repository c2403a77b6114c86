//! HTTP: the proxy, and captured connections that speak it.
//!
//! hyper reads requests and writes them anew to whoever is dialled; what is decided here is for whom each of them is. A
//! connection is one client's, but its requests may name one host after the other: so each of them is judged, as if it came
//! first.

mod answer;
mod forward;
mod passage;
mod target;
#[cfg(test)]
mod tests;
mod wire;

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::answer::Body;
use self::passage::Passage;
use self::target::{Misnamed, Named};
#[cfg(feature = "fuzzing")]
pub(crate) use self::wire::handed_on;
use self::wire::{Fault, Turn, Wire};
use crate::bounds;
use crate::event::{Door, target as shown};
use crate::guard::Guard;
use crate::hall::{Hall, Wish};
use crate::opened::Opened;
use crate::processes::Maker;
use crate::proxy::{Carries, Tunnel, linger};

const NO_TRACE: Fault = Fault {
    status: StatusCode::METHOD_NOT_ALLOWED,
    reason: "TRACE is not passed on",
};

/// Serves a captured connection that speaks HTTP. `first` is what the command has said already; `opened` leads to where `wish`
/// says, and is the stream for the first of its requests.
pub(crate) async fn serve_captured(
    client: TcpStream,
    first: Vec<u8>,
    wish: Wish,
    opened: Opened,
    hall: Rc<Hall>,
) {
    let maker = wish.maker.clone();
    let made = Some((wish, opened));
    let served = serve(
        first,
        client,
        made,
        Rc::clone(&hall),
        maker,
        None,
        bounds::GREETING,
    );
    let tunnel = served.await;
    if let Some(tunnel) = tunnel {
        tunnel.pass(hall).await;
    }
}

/// Serves a connection to the proxy. What is left of it is a tunnel, if anything.
pub(crate) async fn serve_proxied<S>(
    first: Vec<u8>,
    client: S,
    hall: Rc<Hall>,
    maker: Maker,
    guard: Option<Guard>,
    patience: Duration,
) -> Option<Tunnel<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    serve(first, client, None, hall, maker, guard, patience).await
}

/// `made` is the destination that the client has connected to, and the connection to it; `None` where that is the proxy.
async fn serve<S>(
    first: Vec<u8>,
    client: S,
    made: Option<(Wish, Opened)>,
    hall: Rc<Hall>,
    maker: Maker,
    guard: Option<Guard>,
    patience: Duration,
) -> Option<Tunnel<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let wire = Wire::new(first, client);
    let turn = wire.turn();
    let (made_to, opened) = made.unzip();
    let session = Rc::new(Session {
        hall,
        made_to,
        maker,
        guard,
        turn,
        last: RefCell::default(),
        tunnel: RefCell::default(),
    });
    if let Some(opened) = opened {
        let passage = session.passage_over(opened).await.ok()?;
        session.last.replace(Some(passage));
    }
    let service = {
        let session = Rc::clone(&session);
        service_fn(move |request| -> Pin<Box<dyn Future<Output = _>>> {
            let session = Rc::clone(&session);
            Box::pin(async move { session.answer(request).await })
        })
    };
    let mut connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        // Some who look for a name in it know only the case in which it is documented.
        .title_case_headers(true)
        .max_headers(bounds::HTTP_HEADERS)
        .max_buf_size(bounds::HTTP_BUFFER)
        .serve_connection(TokioIo::new(wire), service);
    // Not `without_shutdown`, which may leave the end of an answer behind that the client is slow to take.
    let served = poll_fn(|context| {
        if session.turn.is_over(context) {
            Pin::new(&mut connection).graceful_shutdown();
        }
        Pin::new(&mut connection).poll(context)
    });
    match select(pin!(served), pin!(session.turn.idle(bounds::IDLE))).await {
        Either::Left((served, _)) => served.ok()?,
        Either::Right(_) => return None,
    }
    let parts = connection.into_parts();
    let wire = parts.io.into_inner();
    let fault = wire.fault();
    let (rest, mut client) = wire.into_parts();
    if let Some((opened, carries)) = session.tunnel.take() {
        let first = [&*parts.read_buf, &*rest].concat();
        return Some(Tunnel {
            client,
            first,
            opened: *opened,
            carries,
        });
    }
    if let Some(fault) = fault {
        let bytes = answer::fault_bytes(fault);
        timeout(bounds::LINGER, client.write_all(&bytes))
            .await
            .ok()?
            .ok()?;
    }
    linger(client).await;
    None
}

/// One connection of a client.
struct Session {
    hall: Rc<Hall>,
    /// The destination that the client has connected to; `None` where it is the proxy.
    made_to: Option<Wish>,
    maker: Maker,
    /// To whom each request shows the secret.
    guard: Option<Guard>,
    turn: Rc<Turn>,
    /// Over which the last request went.
    last: RefCell<Option<Passage>>,
    /// What takes the place of HTTP.
    tunnel: RefCell<Option<(Box<Opened>, Carries)>>,
}

type Answered = Result<Response<Body>, hyper::Error>;

impl Session {
    /// The answer to a request; an error breaks off the connection without one.
    async fn answer(&self, request: Request<Incoming>) -> Answered {
        let (head, body) = request.into_parts();
        if let Some(guard) = &self.guard
            && !guard.admits_request(&head.headers)
        {
            // Before anything else: a stranger is not told what is reached.
            let refusal = guard.refuse(&self.hall, Door::Http);
            return Ok(answer::closing(answer::unauthenticated(&refusal)));
        }
        let answer = match self.judge(&head) {
            Err(answer) => Ok(*answer),
            Ok((wish, _)) if head.method == Method::CONNECT => Ok(self.connect(wish).await),
            Ok((wish, named)) => self.pass(wish, named, head, body).await,
        };
        if self.tunnel.borrow().is_none() {
            self.turn.answered();
        }
        answer
    }

    /// For whom a request is, and what it calls them; or what is answered at once.
    fn judge(&self, head: &Parts) -> Result<(Wish, Named), Box<Response<Body>>> {
        if head.method == Method::TRACE {
            return Err(answer::fault(NO_TRACE).into());
        }
        let judged = match &self.made_to {
            None => target::proxied(head).map(|((destination, written), port)| {
                let wish = Wish {
                    destination: destination.clone(),
                    port,
                    door: Door::Http,
                    maker: self.maker.clone(),
                };
                (wish, (destination, written))
            }),
            Some(wish) => {
                let named = target::captured(head, wish, &self.hall);
                named.map(|named| (wish.clone(), named))
            }
        };
        judged.map_err(|misnamed| {
            Box::new(match misnamed {
                Misnamed::Fault(fault) => answer::fault(fault),
                Misnamed::Refused(destination, port, why) => {
                    let door = self.made_to.as_ref().map_or(Door::Http, |wish| wish.door);
                    let wish = Wish {
                        destination,
                        port,
                        door,
                        maker: self.maker.clone(),
                    };
                    answer::closing(answer::refusal(&self.hall.refuse(&wish, why)))
                }
            })
        })
    }

    /// Opens a tunnel.
    async fn connect(&self, wish: Wish) -> Response<Body> {
        let carries = Carries::Anything(wish.door);
        match self.hall.open(wish).await {
            Ok(opened) => {
                self.tunnel.replace(Some((opened.into(), carries)));
                answer::established()
            }
            // What the client has sent behind it may be for the tunnel.
            Err(refusal) => answer::closing(answer::refusal(&refusal)),
        }
    }

    /// Passes on a request and the answer to it.
    async fn pass(&self, wish: Wish, named: Named, head: Parts, body: Incoming) -> Answered {
        let protocol = forward::protocol(&head, &body).cloned();
        // No proxy passes on another protocol, or another name than that of the destination.
        let needs_itself = protocol.is_some() || named.0 != wish.destination;
        let last = match self.last.take() {
            Some(mut last) => last.serves(&wish, needs_itself).await.then_some(last),
            None => None,
        };
        let is_new = last.is_none();
        let mut passage = if let Some(last) = last {
            last
        } else {
            let opened = if needs_itself {
                self.hall.open(wish.clone()).await
            } else {
                self.hall.open_for_requests(wish.clone()).await
            };
            match opened {
                Ok(opened) => self.passage_over(opened).await?,
                Err(refusal) => return Ok(answer::refusal(&refusal)),
            }
        };
        let shown = shown(passage.destination(), Some(wish.port));
        // An address inside stands for a name that only we know.
        let (named, written) = named;
        let named = if named == wish.destination {
            passage.destination()
        } else {
            &named
        };
        let host = match target::header(named, written) {
            Ok(host) => host,
            Err(fault) => return Ok(answer::fault(fault)),
        };
        let request = forward::request(head, body, host, passage.relay());
        let answered = match passage.send(request).await {
            Ok(answered) => answered,
            // It was closed while nobody had anything to say, as any server may do: the client is to see the same.
            Err(error) if !is_new => return Err(error),
            Err(error) => return Ok(answer::unanswered(&shown, &error)),
        };
        let (mut head, body) = answered.into_parts();
        if passage.relay().is_some() && head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            // The client has no business with it.
            return Ok(answer::failed(&shown, "the upstream proxy answers 407"));
        }
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            forward::answer(&mut head, None);
            self.last.replace(Some(passage));
            return Ok(Response::from_parts(head, Body::Right(body)));
        }
        let Some(protocol) = protocol else {
            let reason = "it answers in another protocol than HTTP";
            return Ok(answer::failed(&shown, reason));
        };
        let Some(opened) = passage.upgraded().await else {
            return Ok(answer::failed(&shown, "it ended the connection"));
        };
        forward::answer(&mut head, Some(protocol));
        self.tunnel.replace(Some((opened.into(), Carries::Judged)));
        Ok(Response::from_parts(head, answer::nothing()))
    }

    /// Takes a connection for requests. Where the client knows nothing of us, it sees it end when the other side ends it.
    async fn passage_over(&self, opened: Opened) -> Result<Passage, hyper::Error> {
        let turn = self.made_to.as_ref().map(|_| Rc::clone(&self.turn));
        Passage::new(opened, move || {
            if let Some(turn) = turn {
                turn.over();
            }
        })
        .await
    }
}
