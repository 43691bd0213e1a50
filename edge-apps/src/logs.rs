//! What is said on standard error while a command runs.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use env_logger::fmt::Formatter;
use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Record};
use serde_json::{Map, json};

/// How much is said, and how.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct LogArgs {
    /// Say what goes wrong, or what goes on, too: begins, ends, and numbers once a minute
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Level::Warn)]
    log_level: Level,

    /// Say it as sentences, or as JSON, a line each: `time` (seconds since 1970), `level`, `message` and its numbers
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    log_format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Warn,
    Info,
    Debug,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl LogArgs {
    /// What commands say that do not ask: warnings of the runtime, of a GPU that failed, say.
    pub const WARNINGS: Self = Self { log_level: Level::Warn, log_format: Format::Text };

    /// Begins to say it.
    pub fn begin(self) {
        let level = match self.log_level {
            Level::Warn => LevelFilter::Warn,
            Level::Info => LevelFilter::Info,
            Level::Debug => LevelFilter::Debug,
        };
        let format = match self.log_format {
            Format::Text => text,
            Format::Json => as_json,
        };
        env_logger::Builder::new().filter(Some("glimpse"), level).format(format).init();
    }
}

fn text(line: &mut Formatter, record: &Record) -> std::io::Result<()> {
    let level = match record.level() {
        log::Level::Error => "error",
        log::Level::Warn => "warning",
        log::Level::Info => "info",
        log::Level::Debug | log::Level::Trace => "debug",
    };
    let mut numbers = Numbers(Map::new());
    visit(record, &mut numbers)?;
    write!(line, "{level}: {}", record.args())?;
    for (name, value) in numbers.0 {
        write!(line, " {name}={value}")?;
    }
    writeln!(line)
}

fn as_json(line: &mut Formatter, record: &Record) -> std::io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut numbers = Numbers(Map::new());
    visit(record, &mut numbers)?;
    let mut said = Map::new();
    said.insert("time".to_owned(), json!(now.as_millis() as f64 / 1e3));
    said.insert("level".to_owned(), json!(record.level().as_str().to_lowercase()));
    said.insert("message".to_owned(), json!(record.args().to_string()));
    said.extend(numbers.0);
    writeln!(line, "{}", serde_json::Value::Object(said))
}

fn visit(record: &Record, numbers: &mut Numbers) -> std::io::Result<()> {
    record.key_values().visit(numbers).map_err(std::io::Error::other)
}

/// What a message has beside its sentence.
struct Numbers(Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for Numbers {
    fn visit_pair(&mut self, name: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let whole = value.to_u64().map(|number| json!(number));
        let number = whole.or_else(|| value.to_f64().map(|number| json!(number)));
        self.0.insert(name.to_string(), number.unwrap_or_else(|| json!(value.to_string())));
        Ok(())
    }
}
