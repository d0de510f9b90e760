//! SCRAM logins, and the requests that administer SCRAM credentials (KIP-554).

use std::net::SocketAddr;

use bytes::Bytes;
use kafka_protocol::messages::alter_user_scram_credentials_request::AlterUserScramCredentialsRequest;
use kafka_protocol::messages::describe_user_scram_credentials_response::DescribeUserScramCredentialsResult;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};

use super::Conn;
use super::requests;
use crate::scram_client::{Challenge, Client};
use crate::{Result, check_eq};

/// How a login went, where the server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Accepted,
    Refused {
        /// 1: in place of the challenge; 2: after the proof.
        round: u8,
        code: i16,
        message: String,
    },
}

impl Login {
    fn refused(round: u8, reply: SaslAuthenticateResponse) -> Login {
        let message = reply.error_message.map_or_else(String::new, |m| m.to_string());
        Login::Refused { round, code: reply.error_code, message }
    }
}

impl Conn {
    /// Logs in by SCRAM. A server that does not prove that it knows the credential is an error.
    pub fn scram(&mut self, client: &Client) -> Result<Login> {
        Ok(self.try_scram(client)?.0)
    }

    /// The same, with what the server said of the credential.
    pub fn try_scram(&mut self, client: &Client) -> Result<(Login, Option<Challenge>)> {
        self.handshake(client.hash.mechanism())?;
        let exchange = client.begin();
        let reply = self.call(1, &token(exchange.token()))?;
        if reply.error_code != 0 {
            return Ok((Login::refused(1, reply), None));
        }
        let challenge = Challenge::read(&reply.auth_bytes)?;
        let (last, expected) = exchange.answer(&reply.auth_bytes)?;
        let reply = self.call(1, &token(last))?;
        if reply.error_code != 0 {
            return Ok((Login::refused(2, reply), Some(challenge)));
        }
        check_eq!(reply.auth_bytes.as_ref(), expected, "the server's signature");
        Ok((Login::Accepted, Some(challenge)))
    }

    /// A connection on which SCRAM has succeeded.
    pub fn login_scram(to: SocketAddr, client: &Client) -> Result<Conn> {
        let mut conn = Conn::open(to)?;
        check_eq!(conn.scram(client)?, Login::Accepted, "login by {}", client.hash.mechanism());
        Ok(conn)
    }

    /// What AlterUserScramCredentials answers, by user: error code and message.
    pub fn alter_scram(&mut self, request: &AlterUserScramCredentialsRequest) -> Result<Vec<(String, i16, String)>> {
        let reply = self.call(0, request)?;
        let row =
            |r: kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult| {
                (r.user.to_string(), r.error_code, r.error_message.map_or_else(String::new, |m| m.to_string()))
            };
        Ok(reply.results.into_iter().map(row).collect())
    }

    /// The credentials of those users, of all without a list.
    pub fn describe_scram(&mut self, users: Option<&[&str]>) -> Result<Vec<DescribeUserScramCredentialsResult>> {
        let reply = self.call(0, &requests::describe_scram(users))?;
        check_eq!(reply.error_code, 0, "describe: {:?}", reply.error_message);
        Ok(reply.results)
    }
}

fn token(bytes: Vec<u8>) -> SaslAuthenticateRequest {
    SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(bytes))
}
