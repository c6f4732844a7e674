//! Where commands come from, and where they wait while no server is connected.

use super::command::{COMMANDS_MAX, Command};
use crate::Error;
use std::collections::VecDeque;
use std::future::Future;
use tokio::sync::mpsc;

/// The receiving end of the commands.
pub(super) struct Intake {
    commands: mpsc::Receiver<Command>,
    /// Commands that came while no server was connected; at most as many as the channel holds.
    stashed: VecDeque<Command>,
}

/// Nobody is left who could want the session, or somebody has closed it.
pub(super) struct HandlesGone;

impl Intake {
    pub(super) fn new(commands: mpsc::Receiver<Command>) -> Self {
        Self {
            commands,
            stashed: VecDeque::new(),
        }
    }

    /// The next command, `None` if all handles are gone. May be dropped half-way.
    pub(super) async fn next(&mut self) -> Option<Command> {
        self.commands.recv().await
    }

    /// The next command if there is one now.
    pub(super) fn next_now(&mut self) -> Option<Command> {
        self.commands.try_recv().ok()
    }

    /// Waits for `future` while commands are taken in, so that closing the client is noticed at once.
    pub(super) async fn stash_during<F: Future>(
        &mut self,
        future: F,
    ) -> Result<F::Output, HandlesGone> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Ok(output),
                command = self.commands.recv(), if self.stashed.len() < COMMANDS_MAX => match command {
                    None => return Err(HandlesGone),
                    Some(Command::Close { reply }) => {
                        // No server hears of it: the session lives on until it expires.
                        reply.answer(Err(Error::ConnectionLoss));
                        return Err(HandlesGone);
                    }
                    Some(command) => self.stashed.push_back(command),
                },
            }
        }
    }

    pub(super) fn take_stashed(&mut self) -> VecDeque<Command> {
        std::mem::take(&mut self.stashed)
    }

    pub(super) fn refuse_stashed(&mut self, error: &Error) {
        for command in self.take_stashed() {
            command.refuse(error);
        }
    }

    /// Refuses everything that came, and takes nothing more.
    pub(super) fn refuse_all(mut self, error: &Error) {
        self.refuse_stashed(error);
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            command.refuse(error);
        }
    }
}
