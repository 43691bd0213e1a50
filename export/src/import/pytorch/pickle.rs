//! A machine for pickles that makes values and calls nothing.

use std::collections::HashMap;

use anyhow::{Context, bail};

use super::value::{Class, Heap, Value};

/// The most values that are held at a time: a model has some thousands.
const MAX_VALUES: usize = 1 << 22;

/// Reads a pickle of protocol 2 to 5; the object that it is of, and what that holds.
///
/// # Errors
/// When it is damaged, or asks for an object that no checkpoint is made of.
///
/// # Source
/// `pickletools` of Python's standard library.
pub fn read(bytes: &[u8]) -> anyhow::Result<(Value, Heap)> {
    let mut machine =
        Machine { rest: bytes, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), heap: Heap::default() };
    loop {
        if let Some(value) = machine.step()? {
            return Ok((value, machine.heap));
        }
        if machine.stack.len() + machine.memo.len() + machine.heap.len() > MAX_VALUES {
            bail!("it has more parts than any checkpoint");
        }
    }
}

const DAMAGED: &str = "it is damaged: fetch the file again";

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    /// Where on the stack a mark stands.
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    heap: Heap,
}

impl Machine<'_> {
    /// Does one operation; the result, if it was the last.
    fn step(&mut self) -> anyhow::Result<Option<Value>> {
        let operation = self.number(1)? as u8;
        match operation {
            // PROTO, FRAME
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return Ok(Some(self.pop()?)),
            b'(' => self.marks.push(self.stack.len()),
            // POP; APPEND, since what lists hold is not needed; BUILD, since what objects are filled with is not
            b'0' | b'a' | b'b' => drop(self.pop()?),
            // POP_MARK; APPENDS, ADDITEMS
            b'1' | b'e' | 0x90 => drop(self.popped_to_mark()?),
            // DUP
            b'2' => {
                let top = self.stack.last().context(DAMAGED)?.clone();
                self.stack.push(top);
            }
            // NONE, NEWTRUE, NEWFALSE; EMPTY_LIST, EMPTY_SET
            b'N' | 0x88 | 0x89 | b']' | 0x8f => self.stack.push(Value::Nothing),
            // BININT, BININT1, BININT2, LONG1
            b'J' => {
                let number = self.number(4)? as u32;
                self.stack.push(Value::Int(i64::from(number.cast_signed())));
            }
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            0x8a => self.long()?,
            // BINFLOAT
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Nothing);
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, and Python 2's strings
            b'X' | b'T' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            0x8d => self.text(8)?,
            // BINBYTES, SHORT_BINBYTES, BINBYTES8
            b'B' => self.skipped(4)?,
            b'C' => self.skipped(1)?,
            0x8e => self.skipped(8)?,
            b')' => self.push_tuple(Vec::new()),
            // TUPLE1, TUPLE2, TUPLE3; TUPLE
            0x85..=0x87 => {
                let count = usize::from(operation - 0x84);
                let items = self.popped(count)?;
                self.push_tuple(items);
            }
            b't' => {
                let items = self.popped_to_mark()?;
                self.push_tuple(items);
            }
            // LIST
            b'l' => {
                self.popped_to_mark()?;
                self.stack.push(Value::Nothing);
            }
            // EMPTY_DICT, DICT
            b'}' => self.push_dict(),
            b'd' => {
                let items = self.popped_to_mark()?;
                self.push_dict();
                self.set(items)?;
            }
            // SETITEM, SETITEMS
            b's' => {
                let items = self.popped(2)?;
                self.set(items)?;
            }
            b'u' => {
                let items = self.popped_to_mark()?;
                self.set(items)?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE; BINGET, LONG_BINGET
            b'q' => self.put(1)?,
            b'r' => self.put(4)?,
            0x94 => {
                let top = self.stack.last().context(DAMAGED)?.clone();
                self.memo.insert(self.memo.len() as u64, top);
            }
            b'h' => self.get(1)?,
            b'j' => self.get(4)?,
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Class(Class::named(&module, &name)?));
            }
            0x93 => {
                let names = self.popped(2)?;
                let [Value::Text(module), Value::Text(name)] = names.as_slice() else { bail!(DAMAGED) };
                let class = Class::named(module, name)?;
                self.stack.push(Value::Class(class));
            }
            // REDUCE, NEWOBJ
            b'R' | 0x81 => {
                let call = self.popped(2)?;
                let [Value::Class(class), arguments] = call.as_slice() else { bail!(DAMAGED) };
                let made = class.make(arguments, &mut self.heap)?;
                self.stack.push(made);
            }
            // BINPERSID
            b'Q' => {
                let id = self.pop()?;
                let storage = id.storage(&self.heap)?;
                self.stack.push(storage);
            }
            other => bail!("it has an operation 0x{other:02x}, which torch.save never writes"),
        }
        Ok(None)
    }

    fn take(&mut self, bytes: usize) -> anyhow::Result<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes).context("it is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    /// A little-endian number without a sign.
    fn number(&mut self, bytes: usize) -> anyhow::Result<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |number, &digit| number << 8 | u64::from(digit)))
    }

    fn integer(&mut self, bytes: usize) -> anyhow::Result<()> {
        let number = self.number(bytes)?.cast_signed();
        self.stack.push(Value::Int(number));
        Ok(())
    }

    /// A number of as many bytes as the first one says; one that is too long for 64 bits is no tensor's.
    fn long(&mut self) -> anyhow::Result<()> {
        let bytes = self.number(1)? as usize;
        let digits = self.take(bytes)?;
        let negative = digits.last().is_some_and(|digit| digit & 0x80 != 0);
        let start = if negative { -1 } else { 0 };
        let number = digits.iter().rev().fold(start, |number: i64, &digit| number << 8 | i64::from(digit));
        self.stack.push(if bytes <= 8 { Value::Int(number) } else { Value::Nothing });
        Ok(())
    }

    fn text(&mut self, length_bytes: usize) -> anyhow::Result<()> {
        let length = usize::try_from(self.number(length_bytes)?)?;
        let text = String::from_utf8_lossy(self.take(length)?).into();
        self.stack.push(Value::Text(text));
        Ok(())
    }

    fn skipped(&mut self, length_bytes: usize) -> anyhow::Result<()> {
        let length = usize::try_from(self.number(length_bytes)?)?;
        self.take(length)?;
        self.stack.push(Value::Nothing);
        Ok(())
    }

    /// The text up to the end of the line.
    fn line(&mut self) -> anyhow::Result<String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').context("it is cut short")?;
        let line = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    fn pop(&mut self) -> anyhow::Result<Value> {
        self.stack.pop().context(DAMAGED)
    }

    fn popped(&mut self, count: usize) -> anyhow::Result<Vec<Value>> {
        let start = self.stack.len().checked_sub(count).context(DAMAGED)?;
        Ok(self.stack.split_off(start))
    }

    fn popped_to_mark(&mut self) -> anyhow::Result<Vec<Value>> {
        let start = self.marks.pop().filter(|&start| start <= self.stack.len()).context(DAMAGED)?;
        Ok(self.stack.split_off(start))
    }

    fn push_tuple(&mut self, items: Vec<Value>) {
        let tuple = self.heap.tuple(items);
        self.stack.push(tuple);
    }

    fn push_dict(&mut self) {
        let dict = self.heap.dict(Vec::new());
        self.stack.push(dict);
    }

    /// Adds keys and values by turns to the dictionary on top; what else is there is an object that does not matter.
    fn set(&mut self, items: Vec<Value>) -> anyhow::Result<()> {
        match self.stack.last().context(DAMAGED)? {
            &Value::Dict(dict) => {
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    self.heap.entries(dict).push((key, value));
                }
            }
            Value::Nothing => {}
            _ => bail!(DAMAGED),
        }
        Ok(())
    }

    fn put(&mut self, index_bytes: usize) -> anyhow::Result<()> {
        let index = self.number(index_bytes)?;
        let top = self.stack.last().context(DAMAGED)?.clone();
        self.memo.insert(index, top);
        Ok(())
    }

    fn get(&mut self, index_bytes: usize) -> anyhow::Result<()> {
        let index = self.number(index_bytes)?;
        let value = self.memo.get(&index).context(DAMAGED)?.clone();
        self.stack.push(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn numbers_texts_and_shared_parts_are_read() {
        // {'a': (1, 300, -2, 65536), 'b': <the same tuple>} by protocol 2.
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00a(K\x01M\x2c\x01J\xfe\xff\xff\xff\x8a\x03\x00\x00\x01tq\x01X\x01\x00\x00\x00bh\x01u.";
        let (Value::Dict(root), mut heap) = read(bytes).unwrap() else { panic!("no dictionary") };
        let entries = heap.entries(root).clone();
        for ((key, value), name) in entries.iter().zip(["a", "b"]) {
            assert!(matches!(key, Value::Text(key) if **key == *name));
            let items = heap.items(value).unwrap();
            let numbers: Vec<i64> =
                items.iter().filter_map(|n| if let Value::Int(n) = n { Some(*n) } else { None }).collect();
            assert_eq!(numbers, [1, 300, -2, 65536]);
        }
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn a_dictionary_that_was_put_away_empty_fills_up() {
        // A pair of one dictionary twice, filled after it was put away.
        let bytes = b"\x80\x02}q\x00X\x01\x00\x00\x00aK\x01sh\x00\x86.";
        let (root, mut heap) = read(bytes).unwrap();
        for item in heap.items(&root).unwrap().to_vec() {
            assert!(matches!(item, Value::Dict(dict) if heap.entries(dict).len() == 1));
        }
    }

    #[test]
    fn nests_without_end_are_dropped_and_doublings_refused() {
        let mut deep = b"\x80\x02)".to_vec();
        deep.extend(vec![0x85; 1_000_000]);
        deep.push(b'.');
        read(&deep).unwrap();
        let mut doubled = b"\x80\x02)".to_vec();
        doubled.extend(b"2\x86".repeat(64));
        doubled.push(b'.');
        read(&doubled).unwrap();
        let endless = [&b"\x80\x02"[..], &b"K\x01".repeat(MAX_VALUES + 1), b"."].concat();
        assert!(error(&endless).contains("more parts"));
    }

    #[test]
    fn whatever_could_do_harm_is_named_and_refused() {
        for (bytes, name) in [
            (&b"cos\nsystem\n(S'touch harm'\ntR."[..], "os.system"),
            (b"\x80\x02c__builtin__\nexec\nq\x00X\x00\x00\x00\x00\x85R.", "__builtin__.exec"),
            (b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93.", "posix.system"),
            (b"\x80\x02ctorch\nload\n.", "torch.load"),
        ] {
            let said = error(bytes);
            assert!(said.contains(name) && said.contains("nothing of it was run"), "{said}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = b"\x80\x02}q\x00(X\x01\x00\x00\x00a(K\x01M\x2c\x01tq\x01u.";
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err());
            let mut changed = whole.to_vec();
            for byte in 0..=255 {
                changed[length] = byte;
                let _ = read(&changed);
            }
        }
        for bytes in [&b"."[..], b"R.", b"t.", b"(0t.", b"u.", b"h\x09.", b"Q.", b"\x8a\xff.", b"i"] {
            assert!(read(bytes).is_err());
        }
    }
}
