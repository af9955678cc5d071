// SPDX-License-Identifier: MIT OR Apache-2.0

//! A signed statement: DSSE, the envelope that in-toto's tools read.

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use super::Signer;

/// What a statement is.
const KIND: &str = "application/vnd.in-toto+json";

/// Signs a statement.
#[must_use]
pub fn envelope(statement: &str, signer: &Signer) -> Value {
    let signature = signer.sign(&signed(KIND, statement.as_bytes()));
    json!({
        "payloadType": KIND,
        "payload": Base64::encode_string(statement.as_bytes()),
        "signatures": [{ "keyid": signer.id(), "sig": Base64::encode_string(&signature) }],
    })
}

/// The bytes that are signed: both parts, each behind its length.
fn signed(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_verifies_with_the_public_key() {
        // The example of the DSSE specification.
        assert_eq!(
            signed("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        let signer = Signer::generate().unwrap();
        let envelope = envelope("{\"a\":1}", &signer);
        let decoded = |text: &Value| Base64::decode_vec(text.as_str().unwrap()).unwrap();
        let payload = decoded(&envelope["payload"]);
        assert_eq!(payload, b"{\"a\":1}");
        let signature = decoded(&envelope["signatures"][0]["sig"]).try_into().unwrap();
        assert!(signer.public().verifies(&signed(KIND, &payload), &signature));
        assert_eq!(envelope["signatures"][0]["keyid"], signer.id().to_string());
    }
}
