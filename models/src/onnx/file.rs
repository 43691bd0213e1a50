//! An ONNX file, written so that a large model is in memory once.

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::ModelProto;

/// Numbers of the fields in `onnx.proto`: `ModelProto.graph` and `GraphProto.initializer`.
const MODEL_GRAPH: u32 = 7;
const GRAPH_INITIALIZER: u32 = 5;

impl ModelProto {
    /// The file's bytes; the graph's constants stand last, each freed as soon as it is written.
    #[must_use]
    pub fn into_file(mut self) -> Vec<u8> {
        let mut graph = self.graph.take().unwrap_or_default();
        let constants = std::mem::take(&mut graph.initializer);
        let delimited = |len: usize| 1 + encoded_len_varint(len as u64) + len;
        let graph_len = graph.encoded_len() + constants.iter().map(|c| delimited(c.encoded_len())).sum::<usize>();
        let mut file = Vec::with_capacity(self.encoded_len() + delimited(graph_len));
        // A vector grows as it must, so that writing into it cannot fail.
        self.encode_raw(&mut file);
        encode_key(MODEL_GRAPH, WireType::LengthDelimited, &mut file);
        encode_varint(graph_len as u64, &mut file);
        graph.encode_raw(&mut file);
        for constant in constants {
            encode_key(GRAPH_INITIALIZER, WireType::LengthDelimited, &mut file);
            encode_varint(constant.encoded_len() as u64, &mut file);
            constant.encode_raw(&mut file);
        }
        file
    }
}
