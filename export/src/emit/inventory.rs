//! Which tensors a checkpoint of a spec holds, and of which shape.

use anyhow::bail;
use glimpse_models::{Classifier, ModelSpec, NormPlace, Part, Transformer};

use crate::weights::Weights;

/// Checkpoint keys of one part of the model and the shapes of their tensors; none for a decoder that the spec lacks.
#[must_use]
pub fn inventory(spec: &ModelSpec, part: Part) -> Vec<(String, Vec<usize>)> {
    let (patch_len, c) = (spec.grid().patch_len(), spec.encoder().width);
    let mut list = List(Vec::new());
    match (part, spec.decoder()) {
        (Part::Encoder, _) => {
            list.linear("patch_embed", patch_len, c);
            list.tensor("cls_token", vec![1, c]);
            list.blocks("blocks", spec.encoder(), spec.mlp_ratio());
            list.norm("norm", c);
        }
        (Part::Decoder, Some(stack)) => {
            list.linear("decoder_embed", c, stack.width);
            list.tensor("mask_token", vec![1, stack.width]);
            list.blocks("decoder_blocks", stack, spec.mlp_ratio());
            list.norm("decoder_norm", stack.width);
            list.linear("decoder_pred", stack.width, patch_len);
        }
        (Part::Decoder, None) => {}
    }
    list.0
}

/// Checkpoint keys of the encoder or decoder beside `classifier`, which may hold the encoder's last norm.
#[must_use]
pub fn inventory_beside(spec: &ModelSpec, classifier: Option<&Classifier>, part: Part) -> Vec<(String, Vec<usize>)> {
    let mut list = inventory(spec, part);
    if classifier.is_some_and(|classifier| classifier.norm == NormPlace::Classifier) {
        list.retain(|(key, _)| !key.starts_with("norm."));
    }
    list
}

/// Checkpoint keys of a classifier and the shapes of their tensors.
#[must_use]
pub fn classifier_inventory(spec: &ModelSpec, classifier: &Classifier) -> Vec<(String, Vec<usize>)> {
    let c = spec.encoder().width;
    let mut list = List(Vec::new());
    if classifier.norm == NormPlace::Classifier {
        list.norm("fc_norm", c);
    }
    list.linear("head", c, classifier.classes);
    list.0
}

/// Keys and shapes of the tables that stand in for the fixed positions where a checkpoint holds them.
#[must_use]
pub fn tables(spec: &ModelSpec) -> Vec<(&'static str, Vec<usize>)> {
    let l = spec.grid().len();
    let mut tables = vec![("pos_embed", vec![l, spec.encoder().width])];
    tables.extend(spec.decoder().map(|decoder| ("decoder_pos_embed", vec![l, decoder.width])));
    tables
}

/// Checks that `weights` hold what `spec` and `classifier` ask for and nothing else.
///
/// # Errors
/// Lists every key that is missing, surplus, of another shape, or holds a number that is not finite.
pub fn check(spec: &ModelSpec, classifier: Option<&Classifier>, weights: &Weights) -> anyhow::Result<()> {
    let parts = Part::ALL.into_iter().flat_map(|part| inventory_beside(spec, classifier, part));
    let of_classifier = classifier.into_iter().flat_map(|classifier| classifier_inventory(spec, classifier));
    let tables = tables(spec).into_iter().filter(|(key, _)| weights.contains(key));
    let tables = tables.map(|(key, shape)| (key.to_owned(), shape));
    let wanted: Vec<_> = parts.chain(of_classifier).chain(tables).collect();
    let mut faults = Vec::new();
    for (key, shape) in &wanted {
        match weights.get(key) {
            Err(_) => faults.push(format!("missing: {key} {shape:?}")),
            Ok(weight) if weight.shape != *shape => {
                faults.push(format!("misshapen: {key} is {:?}, the spec asks for {shape:?}", weight.shape));
            }
            Ok(weight) if !weight.values.iter().all(|value| value.is_finite()) => {
                faults.push(format!("not finite: {key}"));
            }
            Ok(_) => {}
        }
    }
    let known: std::collections::BTreeSet<&str> = wanted.iter().map(|(key, _)| key.as_str()).collect();
    let surplus = weights.iter().filter(|(key, _)| !known.contains(key));
    faults.extend(surplus.map(|(key, weight)| format!("surplus: {key} {:?}", weight.shape)));
    if !faults.is_empty() {
        bail!("the weights do not fit the spec:\n  {}", faults.join("\n  "));
    }
    Ok(())
}

struct List(Vec<(String, Vec<usize>)>);

impl List {
    fn tensor(&mut self, key: &str, shape: Vec<usize>) {
        self.0.push((key.to_owned(), shape));
    }

    fn linear(&mut self, key: &str, inputs: usize, outputs: usize) {
        self.tensor(&format!("{key}.weight"), vec![inputs, outputs]);
        self.tensor(&format!("{key}.bias"), vec![outputs]);
    }

    fn norm(&mut self, key: &str, width: usize) {
        self.tensor(&format!("{key}.weight"), vec![width]);
        self.tensor(&format!("{key}.bias"), vec![width]);
    }

    fn blocks(&mut self, key: &str, stack: Transformer, mlp_ratio: usize) {
        let c = stack.width;
        for i in 0..stack.depth {
            let key = format!("{key}.{i}");
            self.norm(&format!("{key}.norm1"), c);
            self.linear(&format!("{key}.attn.qkv"), c, 3 * c);
            self.linear(&format!("{key}.attn.proj"), c, c);
            self.norm(&format!("{key}.norm2"), c);
            self.linear(&format!("{key}.mlp.fc1"), c, mlp_ratio * c);
            self.linear(&format!("{key}.mlp.fc2"), mlp_ratio * c, c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::tests::{small_spec, small_weights};

    #[test]
    fn the_list_has_as_many_numbers_as_the_spec_counts() {
        for spec in [small_spec(true), small_spec(false)] {
            for part in Part::ALL {
                let count: usize =
                    inventory(&spec, part).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
                assert_eq!(count as u64, spec.parameters(part));
            }
        }
    }

    #[test]
    fn every_fault_is_listed() {
        let spec = small_spec(true);
        let weights = small_weights(&spec, 1);
        check(&spec, None, &weights).unwrap();
        let mut broken = Weights::default();
        for (key, weight) in weights.iter().filter(|(key, _)| *key != "mask_token") {
            let mut weight = weight.clone();
            if key == "norm.bias" {
                weight.values[2] = f32::NAN;
            }
            if key == "blocks.1.attn.proj.weight" {
                weight.shape = vec![weight.values.len()];
            }
            broken.insert(key, weight.shape, weight.values);
        }
        broken.insert("head.weight", vec![1], vec![0.0]);
        let report = check(&spec, None, &broken).unwrap_err().to_string();
        for line in [
            "missing: mask_token",
            "misshapen: blocks.1.attn.proj.weight",
            "surplus: head.weight [1]",
            "not finite: norm.bias",
        ] {
            assert!(report.contains(line), "{line} is not in {report}");
        }
    }

    #[test]
    fn a_spec_without_a_decoder_has_no_decoder_keys() {
        let spec = small_spec(false);
        let weights = small_weights(&small_spec(true), 1);
        let report = check(&spec, None, &weights).unwrap_err().to_string();
        assert!(report.contains("surplus: mask_token") && !report.contains("missing"), "{report}");
        check(&spec, None, &small_weights(&spec, 1)).unwrap();
    }
}
