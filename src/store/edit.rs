//! An edit on its way to the writer and back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::{Change, StoreError, View};

/// An edit, whatever it answers.
pub(super) trait Edit: Send {
    /// What it wants to change.
    fn decide(&mut self, view: &dyn View) -> Result<Vec<Change>, StoreError>;
    /// Tells the caller how it went.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Decision<F, T> {
    decide: Option<F>,
    answer: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

/// The edit that `decide` makes, and where its outcome arrives.
pub(super) fn edit<F, T>(decide: F) -> (Box<dyn Edit>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnOnce(&dyn View) -> Result<(Vec<Change>, T), StoreError> + Send + 'static,
{
    let (reply, outcome) = oneshot::channel();
    (Box::new(Decision { decide: Some(decide), answer: None, reply }), outcome)
}

impl<F, T> Edit for Decision<F, T>
where
    T: Send,
    F: FnOnce(&dyn View) -> Result<(Vec<Change>, T), StoreError> + Send,
{
    fn decide(&mut self, view: &dyn View) -> Result<Vec<Change>, StoreError> {
        // A caller who does not wait any more has not changed their mind: an edit is made or not, whoever waits.
        let decide = self.decide.take().ok_or_else(|| StoreError::Failed("decided twice".into()))?;
        // A panic is this edit's, not the store's.
        let decided = catch_unwind(AssertUnwindSafe(|| decide(view)));
        let (changes, answer) = decided.unwrap_or_else(|_| Err(StoreError::Failed("the edit panicked".into())))?;
        self.answer = Some(answer);
        Ok(changes)
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let answer = self.answer.ok_or_else(|| StoreError::Failed("not decided".into()));
        // Nobody waits any more: nothing to do.
        let _ = self.reply.send(outcome.and(answer));
    }
}
