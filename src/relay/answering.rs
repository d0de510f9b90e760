//! Requests that the front answers itself and must read whole: collected, judged outside of the relay, answered in order.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::{CloseReason, Relay};
use crate::admin::Administration;
use crate::principal::KafkaPrincipal;
use crate::wire::Malformed;

type Answer = Pin<Box<dyn Future<Output = Result<BytesMut, Malformed>> + Send>>;

/// One such request at a time: Kafka, too, takes no further request of a connection before it has answered.
pub(super) enum Answering {
    /// Its bytes are arriving. They may hold what is as good as a password.
    Collecting { request: Zeroizing<Vec<u8>>, left: u32 },
    /// The answer is being found.
    Asked(Answer),
}

impl Answering {
    /// For a request of `size` bytes, of which `head` has arrived.
    pub(super) fn start(head: &[u8], size: u32) -> Self {
        let mut answering = Self::Collecting { request: Zeroizing::default(), left: size };
        answering.collect(head);
        answering
    }

    /// Bytes of the request that have not arrived yet.
    pub(super) fn left(&self) -> u32 {
        match self {
            Self::Collecting { left, .. } => *left,
            Self::Asked(_) => 0,
        }
    }

    /// Takes the next bytes of the request. Room is made as they come; what was there before is wiped.
    pub(super) fn collect(&mut self, bytes: &[u8]) {
        let Self::Collecting { request, left } = self else { return };
        let len = request.len() + bytes.len();
        if request.capacity() < len {
            let mut grown = Zeroizing::new(Vec::with_capacity(len.max(2 * request.capacity())));
            grown.extend_from_slice(request);
            *request = grown;
        }
        request.extend_from_slice(bytes);
        *left -= bytes.len() as u32;
    }
}

impl Relay {
    /// Whether nothing more may be read before an answer of the front's own is there.
    pub(super) fn is_answering(&self) -> bool {
        self.answering.as_ref().is_some_and(|answering| answering.left() == 0)
    }

    /// Puts the answer where its turn comes, when it is there.
    pub(super) fn pump_answer(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let Some(answering) = self.answering.as_deref_mut().filter(|answering| answering.left() == 0) else {
            return Ok(());
        };
        if let Answering::Collecting { request, .. } = answering {
            let request = std::mem::take(request);
            *answering = Answering::Asked(ask(self.rules.administration.clone(), self.principal.clone(), request));
        }
        let Answering::Asked(answer) = answering else { return Ok(()) };
        let Poll::Ready(answer) = answer.as_mut().poll(cx) else { return Ok(()) };
        self.answering = None;
        self.active = true;
        match answer {
            Ok(answer) => {
                if let Some(now) = self.in_flight.push_answer(answer.freeze()) {
                    self.responses.push_answer(&now);
                }
            }
            // As at a broker: the requests before it are answered, then the connection is closed.
            Err(Malformed) => self.ending = Some(CloseReason::MalformedRequest),
        }
        Ok(())
    }
}

fn ask(administration: Arc<Administration>, caller: KafkaPrincipal, request: Zeroizing<Vec<u8>>) -> Answer {
    Box::pin(async move { administration.answer(&caller, &request).await })
}
