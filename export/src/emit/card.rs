//! The model card that a bundle gets when nobody wrote one: what the checkpoint knows, and no more.

use std::fmt::Write as _;

use glimpse_models::{Measure, ModelSpec, Part, Training, Transformer};

use super::Description;

/// A short card in Markdown.
#[must_use]
pub fn card(name: &str, licence: &str, description: &Description) -> String {
    let Description { spec, classifier, training, quality, .. } = description;
    let side = spec.image_side();
    let mut card = format!(
        "# {name}\n\nA masked autoencoder (arXiv:2111.06377) for pictures of {side}×{side} px in patches of {patch} px.\n\n\
         | | |\n| --- | --- |\n| Encoder | {encoder} |\n",
        patch = spec.patch_side(),
        encoder = stack(spec.encoder(), spec.parameters(Part::Encoder)),
    );
    if let Some(decoder) = spec.decoder() {
        row(&mut card, "Decoder", stack(decoder, spec.parameters(Part::Decoder)));
    }
    if let Some(classifier) = classifier {
        row(&mut card, "Classifier", format!("{} classes", classifier.classes));
    }
    row(&mut card, "Licence", licence);
    let tells_apart = if classifier.is_some() { "telling its classes apart; " } else { "" };
    row(&mut card, "Good for", format!("{tells_apart}{}", purpose(spec)));

    card.push_str("\n## Training\n\n");
    let before = card.len();
    for (what, text) in known(training) {
        if let Some(text) = text {
            // Nothing was written by hand here: keep it from reading as Markdown.
            let _ = writeln!(card, "- {what}: `{}`", text.replace('`', "'"));
        }
    }
    if card.len() == before {
        card.push_str("Nothing is recorded.\n");
    }

    card.push_str("\n## Quality and limits\n\n");
    if quality.is_empty() {
        card.push_str("Not measured yet: `glimpse-export verify` measures a bundle. ");
    }
    for (name, measure) in quality {
        measured(&mut card, &name.replace('_', " "), measure);
    }
    if !quality.is_empty() {
        card.push('\n');
    }
    if classifier.is_some() {
        card.push_str(
            "A model knows its own classes alone: of any other picture, too, it says which of them is likeliest.\n",
        );
        return card;
    }
    card.push_str(
        "A model knows the kind of pictures that it was trained on; what it paints is a guess, not what was there.\n",
    );
    card
}

/// A line for each number.
fn measured(card: &mut String, name: &str, measure: &Measure) {
    match measure {
        Measure::Number(number) => {
            let _ = writeln!(card, "- {name}: {number}");
        }
        Measure::Table(table) => {
            for (part, measure) in table {
                measured(card, &format!("{name}, {part}"), measure);
            }
        }
    }
}

fn row(card: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(card, "| {name} | {value} |");
}

fn stack(stack: Transformer, parameters: u64) -> String {
    let Transformer { width, depth, heads } = stack;
    let millions = parameters as f64 / 1e6;
    format!("width {width}, {depth} blocks, {heads} heads: {millions:.2} M parameters")
}

fn purpose(spec: &ModelSpec) -> &'static str {
    match (spec.decoder(), spec.norm_pix()) {
        (None, _) => "features (it has no decoder)",
        (Some(_), true) => {
            "features; not for painting, as it predicts patches normalized by their own mean and variance"
        }
        (Some(_), false) => "features and painting",
    }
}

fn known(training: &Training) -> [(&'static str, Option<String>); 10] {
    let text = |field: &Option<String>| field.clone();
    let count = |field: Option<u64>| field.map(|count| count.to_string());
    [
        ("data", text(&training.data)),
        ("weights from", text(&training.source)),
        ("pictures", count(training.images)),
        ("steps", count(training.steps)),
        ("pictures a step", count(training.batch)),
        ("masks", text(&training.mask)),
        ("seed", count(training.seed)),
        ("device", text(&training.device)),
        ("time", training.duration_s.map(|duration_s| format!("{:.1} min", duration_s / 60.0))),
        ("command", text(&training.command)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::tests::small_spec;

    #[test]
    fn a_card_says_what_is_known_and_what_the_model_cannot_do() {
        let training = Training { steps: Some(12), data: Some("a `folder`".to_owned()), ..Training::default() };
        let text = card("small", "MIT", &Description::new(small_spec(true), training));
        assert!(text.starts_with("# small\n"));
        assert!(text.contains("- steps: `12`\n") && text.contains("- data: `a 'folder'`\n") && !text.contains("seed"));
        assert!(text.contains("| Licence | MIT |\n| Good for | features and painting |\n"));
        let text = card("small", "MIT", &Description::new(small_spec(false), Training::default()));
        assert!(
            text.contains("it has no decoder") && text.contains("Nothing is recorded.") && !text.contains("| Decoder")
        );
    }
}
